"""When a host is where a deploy would bring it: a table of differences, and looking with a real clone and real records."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import EngineError
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._status import up_to_date
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Remote, client, git, snapshot

DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
COMMIT = "a" * 40
URL = "https://git.example.com/app.git"


def container(service, image=None, **state):
    return {
        "Id": f"id-{service}",
        "Name": f"/app-{service}-1",
        "Config": {
            "Labels": {"com.docker.compose.service": service},
            "Image": image or f"reg.x/{service}@{DIGEST}",
        },
        "HostConfig": {"RestartPolicy": {"Name": state.pop("policy", "always")}},
        "RestartCount": 0,
        "State": {"Status": "running", "Running": True, "StartedAt": "x", "ExitCode": 0, **state},
        "NetworkSettings": {"Ports": {}},
    }


def image(service):
    return {"reference": f"reg.x/{service}:1", "pinned": f"reg.x/{service}@{DIGEST}"}


RELEASE = {
    "number": 7,
    "result": "good",
    "repository": URL,
    "commit": COMMIT,
    "inputs": "options",
    "images": {"web": image("web"), "db": image("db")},
    "parameters": [
        {"key": "A", "source": "parameter", "name": "/p/A", "version": 2},
        {"key": "B", "source": "parameter", "name": "/p/B", "version": 1},
        {"key": "C", "source": "default", "name": None, "version": None},
        {"key": "D", "source": "extra", "name": None, "version": None},
    ],
}
WANTED = up_to_date.Wanted("options", URL, COMMIT, {"/p/A": 2, "/p/B": 1})
PRESENT = up_to_date.Present(
    newest=RELEASE,
    locked=False,
    head=COMMIT,
    edited=False,
    env_kept=True,
    digests={"reg.x/web:1": f"reg.x/web@{DIGEST}", "reg.x/db:1": f"reg.x/db@{DIGEST}"},
    containers=[container("web", Health={"Status": "healthy"}), container("db")],
)


@pytest.mark.parametrize(
    ("wanted", "present", "said"),
    [
        ({}, {}, []),
        ({}, {"newest": {"number": 8, "result": "failed"}}, ["release 8 failed"]),
        ({}, {"newest": {"number": 8, "result": "started"}}, ["release 8 did not end"]),
        ({}, {"newest": {"number": 9, "result": "interrupted"}}, ["release 9 was interrupted"]),
        ({}, {"locked": True}, ["a deploy is at it"]),
        ({"inputs": "others"}, {}, ["the options of the deploy"]),
        ({"repository": "https://elsewhere"}, {}, ["the options of the deploy"]),
        ({"commit": "b" * 40}, {}, ["commit aaaaaaa -> bbbbbbb"]),
        ({"commit": None}, {}, ["commit aaaaaaa -> none that is known"]),
        ({}, {"head": "c" * 40}, ["the checkout is at ccccccc"]),
        ({}, {"head": None}, ["the checkout is at none that is known"]),
        ({}, {"edited": True}, ["files of the checkout were edited"]),
        ({"parameters": {"/p/A": 3, "/p/B": 1}}, {}, ["parameter /p/A changed"]),
        ({"parameters": {"/p/A": 1, "/p/B": 1}}, {}, ["parameter /p/A changed"]),
        ({"parameters": {"/p/B": 1}}, {}, ["parameter /p/A is gone"]),
        ({"parameters": {"/p/A": 2, "/p/B": 1, "/p/C": 1}}, {}, ["parameter /p/C is new"]),
        ({"parameters": {}}, {}, ["parameter /p/A is gone", "parameter /p/B is gone"]),
        ({"parameters": None}, {}, ["the parameters are not known"]),
        ({}, {"env_kept": False}, ["the env file is not as the release left it"]),
        ({}, {"digests": {**PRESENT.digests, "reg.x/db:1": f"reg.x/db@{OTHER}"}}, ["image of db"]),
        ({}, {"digests": {}}, ["image of web", "image of db"]),
        ({}, {"containers": [container("web")]}, ["db has no container"]),
        ({}, {"containers": []}, ["web has no container", "db has no container"]),
        ({}, {"containers": [*PRESENT.containers, container("old")]}, ["container app-old-1 is not of the release"]),
        ({}, {"containers": [container("web"), container("web"), container("db")]}, []),
        ({}, {"containers": [container("web", f"reg.x/web@{OTHER}"), container("db")]}, ["web runs another image"]),
        ({}, {"containers": [container("web", "reg.x/web:1"), container("db")]}, ["web runs another image"]),
        (
            {},
            {"containers": [container("web", Status="exited", ExitCode=1), container("db")]},
            ["web exited with code 1"],
        ),
        ({}, {"containers": [container("web", Status="exited"), container("db")]}, ["web exited with code 0"]),
        ({}, {"containers": [container("web", Status="exited", policy="no"), container("db")]}, []),
        ({}, {"containers": [container("web", Health={"Status": "unhealthy"}), container("db")]}, ["web is unhealthy"]),
        (
            {},
            {"containers": [container("web", Health={"Status": "starting"}), container("db")]},
            ["web health: starting"],
        ),
        ({}, {"containers": [container("web", Restarting=True), container("db")]}, ["web keeps restarting"]),
        ({"inputs": "others"}, {"locked": True}, ["a deploy is at it", "the options of the deploy"]),
    ],
)
def test_differences(wanted, present, said):
    found = up_to_date.differences(RELEASE, WANTED._replace(**wanted), PRESENT._replace(**present))
    assert len(found) == len(said)
    assert all(sentence.startswith(words) for sentence, words in zip(found, said)), found


def fields(commit):
    """A record's own fields, as a deploy gives them to be recorded."""
    return {name: value for name, value in RELEASE.items() if name not in ("number", "result")} | {"commit": commit}


def test_a_project_without_a_repository():
    release = {**RELEASE, "repository": None, "commit": None}
    wanted = WANTED._replace(repository=None, commit=None)
    assert up_to_date.differences(release, wanted, PRESENT._replace(head=None)) == []


class FakeEngine:
    """Registries that want a certain header, and no containers."""

    def __init__(self, digests):
        self.digests, self.asked = digests, []

    def containers(self, project):
        return [project]

    def registry_digest(self, reference, auth):
        self.asked.append((reference, auth))
        answer = self.digests[reference]
        if isinstance(answer, dict):
            answer = answer.get(auth, EngineError(401, "denied"))
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A clone that was deployed, its records, and a function that looks at them."""
    monkeypatch.chdir("/")
    remote = Remote(tmp_path / "served")
    commit = remote.commit({"docker-compose.yml": "one", "conf/app.conf": "x"})
    ours = client(tmp_path / "home", remote.url)
    folder = tmp_path / "app"
    checkout.synchronise(ours, "main", str(folder), str(tmp_path / "preview"), False)
    env = folder / ".env"
    env.write_bytes(b"A=hunter2\n")
    env.chmod(0o600)
    tmp_path.chmod(0o700)
    records = Records(str(tmp_path / "state"), "app")
    records.finish(records.begin(fields(commit), b"A=hunter2\n"), "good")

    def look(engine=None, auths=(lambda _registry: None,)):
        engine = engine or FakeEngine({"reg.x/web:1": DIGEST, "reg.x/db:1": DIGEST})
        return up_to_date.look(records.last_good(), records, engine, ours, str(folder), auths)

    look.folder, look.records, look.commit, look.remote, look.git = folder, records, commit, remote, ours
    return look


def test_a_look_at_a_release_that_is_as_it_was_left(released):
    before = snapshot(released.folder)
    present = released()
    assert snapshot(released.folder) == before
    assert present._replace(newest=None) == up_to_date.Present(
        newest=None,
        locked=False,
        head=released.commit,
        edited=False,
        env_kept=True,
        digests=dict(PRESENT.digests),
        containers=["app"],
    )
    assert present.newest == released.records.last_good()
    assert "hunter2" not in repr(present)


def test_edits_are_seen_by_content_and_mode(released):
    file = released.folder / "conf/app.conf"
    (released.folder / "untracked").write_text("x")
    os.utime(file, (1, 1))
    assert not released().edited
    file.write_text("y")
    assert released().edited
    file.write_text("x")
    file.chmod(0o755)
    assert released().edited
    file.unlink()
    assert released().edited


def test_the_checkout_elsewhere_and_none_at_all(released):
    git(released.folder, "commit", "-q", "--allow-empty", "-m", "by hand")
    assert released().head == git(released.folder, "rev-parse", "HEAD") != released.commit
    (released.folder / ".git/HEAD").write_text("ref: refs/heads/none\n")
    assert released().head is None


def test_a_checkout_that_was_stopped(released):
    (released.folder / ".git/popcon-target").write_text(f"{released.commit}\n")
    assert released().edited


def test_the_env_file(released):
    env = released.folder / ".env"
    env.chmod(0o640)
    assert not released().env_kept
    env.chmod(0o600)
    assert released().env_kept
    env.write_bytes(b"A=hunter3\n")
    assert not released().env_kept
    env.unlink()
    assert not released().env_kept
    env.symlink_to("/etc/hostname")
    with pytest.raises(DeployError, match="symbolic link"):
        released()
    env.unlink()
    Path(released.records.folder, "releases/1/env").unlink()
    assert not released().env_kept


def test_the_newest_record_and_the_lock(released):
    number = released.records.begin(fields(released.commit), b"")
    with released.records.locked({"by": "alice"}, 1, print):
        present = released()
    assert present.locked
    assert (present.newest["number"], present.newest["result"]) == (number, "started")
    assert not released().locked


def test_registries_are_asked_with_the_next_login_where_one_is_refused(released):
    engine = FakeEngine({"reg.x/web:1": {"new": DIGEST}, "reg.x/db:1": {"old": OTHER}})
    asked = []

    def auth(name):
        return lambda registry: asked.append((name, registry)) or name

    present = released(engine, [auth("old"), auth("new")])
    assert present.digests == {"reg.x/web:1": f"reg.x/web@{DIGEST}", "reg.x/db:1": f"reg.x/db@{OTHER}"}
    # Once a registry, however many images it has.
    assert asked == [("old", "reg.x"), ("new", "reg.x")]
    assert sorted(engine.asked) == [("reg.x/db:1", "old"), ("reg.x/web:1", "new"), ("reg.x/web:1", "old")]


def test_an_image_that_no_registry_tells(released):
    engine = FakeEngine({"reg.x/web:1": DIGEST, "reg.x/db:1": EngineError(404, "manifest unknown")})
    assert released(engine).digests == {"reg.x/web:1": f"reg.x/web@{DIGEST}"}


def test_a_reference_by_digest_needs_no_registry(released):
    name = Path(released.records.folder, "releases/1/record.json")
    record = json.loads(name.read_text())
    record["images"] = {"web": {"reference": f"reg.x/web:1@{DIGEST}", "pinned": f"reg.x/web:1@{DIGEST}"}}
    name.write_text(json.dumps(record))
    engine = FakeEngine({})
    assert released(engine).digests == {f"reg.x/web:1@{DIGEST}": f"reg.x/web:1@{DIGEST}"}
    assert engine.asked == []
