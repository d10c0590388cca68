"""The one comparison: a table of differences, and a look with a real clone and real records."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker.inputs import keyed
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._git.checkout import Checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release import host as _host
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Reason, texts
from ansible_collections.popcon.deploy.plugins.module_utils._release.expected import Expected
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import Settings
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Remote, client, git, snapshot
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import (
    COMMIT,
    DIGEST,
    sample_record,
)

OTHER = "sha256:" + "2" * 64
LATER = "b" * 40
ENV = "/x/.env"
UNHEALTHY = {"Status": "running", "Running": True, "Health": {"Status": "unhealthy"}}
EXITED = {"Status": "exited", "Running": False}


def container(service, *, name=None, image=None, state=None, env=None, restarts=0, policy="always", hash_=None):
    labels = {"com.docker.compose.service": service, "com.docker.compose.config-hash": hash_ or f"hash-{service}"}
    return {
        "Id": f"id-{service}",
        "Name": f"/{name or f'app-{service}-1'}",
        "Image": "sha256:stored",
        "Config": {"Image": image or f"reg/{service}@{DIGEST}", "Labels": labels, "Env": env},
        "State": {"Status": "running", "Running": True, "StartedAt": "2026-11-23T06:59:00.123456789Z", **(state or {})},
        "RestartCount": restarts,
        "HostConfig": {"RestartPolicy": {"Name": policy}},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "3000"}]}},
    }


BOTH = [container("web"), container("db")]
RECORD = sample_record(
    number=12,
    result=Result.SUCCEEDED,
    repository="https://git.example.com/app.git",
    options_digest="options",
    parameters=[{"key": "A", "name": "/p/A", "version": 2}],
    definitions={"web": "hash-web", "db": "hash-db"},
)
SETTINGS = Settings(b"A=1\nB=2\n", {"A": "1", "B": "2"}, RECORD.parameters)


@pytest.fixture
def env_file(tmp_path: Path) -> str:
    path = tmp_path / ".env"
    path.write_bytes(SETTINGS.content)
    return str(path)


def host(env_file: str, **fields) -> Host:
    """A host on which all is as its last release left it, but for some fields."""
    same = {
        "env_file": env_file, "release": RECORD, "newest": RECORD, "holder": None, "checkout": Checkout(COMMIT), "edits": [],
        "recorded": SETTINGS, "installed": SETTINGS, "private": True, "containers": BOTH,
    }  # fmt: skip
    return Host(**{**same, **fields})


CONTAINERS = [
    ({}, []),
    ({"state": {"Health": {"Status": "healthy"}}}, []),
    ({"image": f"reg/web@{OTHER}"}, [f"runs {OTHER[:19]}, recorded is {DIGEST[:19]}"]),
    ({"image": "reg/web:latest"}, [f"runs reg/web:latest, recorded is {DIGEST[:19]}"]),
    ({"state": UNHEALTHY}, ["is unhealthy"]),
    ({"state": {"Health": {"Status": "starting"}}}, ["is not ready (health: starting)"]),
    ({"state": {**EXITED, "ExitCode": 137}}, ["exited with code 137"]),
    ({"state": {**EXITED, "ExitCode": 0}, "policy": "no"}, []),
    ({"state": {**EXITED, "ExitCode": 0}}, ["exited with code 0"]),
    ({"state": {"Status": "restarting", "Restarting": True, "ExitCode": 1}}, ["keeps restarting (exit code 1)"]),
    ({"state": {"Status": "paused"}}, ["is not ready (is paused)"]),
    ({"restarts": 7}, []),
    (
        {"image": f"reg/web@{OTHER}", "state": UNHEALTHY},
        [f"runs {OTHER[:19]}, recorded is {DIGEST[:19]}", "is unhealthy"],
    ),
    ({"hash_": "other"}, ["was started with another definition than the release's"]),
    ({"hash_": "other", "env": ["A=1", "B=canary", "PATH=/bin"]}, ["was started with other settings: B"]),
    ({"hash_": "other", "env": ["A=0", "B="], "state": UNHEALTHY}, ["was started with other settings: A, B", "is unhealthy"]),
    # A compose file may give a service another value under the name of a setting.
    ({"env": ["A=elsewhere"]}, []),
]  # fmt: skip


def test_a_service_that_is_to_have_no_container(env_file):
    idle = RECORD.replace(idle=["db"])
    assert _host.drift(host(env_file, release=idle, containers=[container("web")])) == []
    found = _host.drift(host(env_file, release=idle))
    assert texts(found) == ["db is not of the release (container app-db-1)"]


@pytest.mark.parametrize(
    ("files", "env_file"), [(["docker-compose.yml"], ".env"), (["prod/a.yml", "b.yml"], "prod/.env")]
)
def test_the_env_file_is_beside_the_first_compose_file(tmp_path, files, env_file):
    records = Records(str(tmp_path / "state"), "app")
    records.finish(records.begin(sample_record(files=files), b"A=1\n").number, Result.SUCCEEDED)
    (tmp_path / "prod").mkdir()
    (tmp_path / env_file).write_text("A=1\n")
    seen = _host.look(records, None, str(tmp_path))
    assert seen.env_file == f"{tmp_path}/{env_file}" and seen.installed.values == {"A": "1"}


@pytest.mark.parametrize(("web", "said"), CONTAINERS)
def test_drift_of_a_container(env_file, web, said):
    found = _host.drift(host(env_file, containers=[container("web", **web), container("db")]))
    assert texts(found) == [f"web {text}" for text in said]
    assert {one.subject for one in found} <= {"web"}
    assert "canary" not in repr(found)


def test_a_release_that_did_not_record_definitions_says_nothing_of_them(env_file):
    release = RECORD.replace(definitions={})
    containers = [container("web", hash_="other"), container("db")]
    assert _host.drift(host(env_file, release=release, newest=release, containers=containers)) == []


KEY = b"key"
EXPECTED = Expected(environment={"A": keyed(KEY, "canary")})


@pytest.mark.parametrize(
    ("fields", "web", "said"),
    [
        ({}, {"env": ["A=canary"]}, []),
        ({}, {"env": ["A=other"]}, ["web runs with another value of A"]),
        # What says more comes instead of the hash.
        ({}, {"env": [], "hash_": "other"}, ["web runs without A"]),
        ({}, {"env": ["A=canary"], "hash_": "other"}, ["web was started with other settings: A"]),
        ({}, {"env": [], "state": UNHEALTHY}, ["web runs without A", "web is unhealthy"]),
        ({"key": None}, {"env": ["A=canary"]},
         ["web can't be compared with its release, as the key of the recorded digests is gone"]),
    ],
)  # fmt: skip
def test_drift_of_a_container_from_what_was_expected(env_file, fields, web, said):
    release = RECORD.replace(services={"web": EXPECTED})
    containers = [container("web", **web), container("db")]
    looked = host(env_file, **{"release": release, "key": KEY, "containers": containers, **fields})
    found = _host.drift(looked)
    assert texts(found) == said and "canary" not in repr(found)


@pytest.mark.parametrize(
    ("replicas", "count", "said"),
    [(0, 0, []), (0, 1, ["web is not of the release (container app-web-0)"]), (2, 0, ["web is missing"]), (2, 1, ["web has 1 of 2 containers"]),
     (2, 2, [])],
)  # fmt: skip
def test_how_many_containers_a_service_has(env_file, replicas, count, said):
    idle = [] if replicas else ["web"]
    release = RECORD.replace(services={"web": Expected(replicas=replicas)}, idle=idle)
    containers = [*(container("web", name=f"app-web-{number}") for number in range(count)), container("db")]
    looked = host(env_file, release=release, key=KEY, containers=containers)
    assert texts(_host.drift(looked)) == said
    assert _host.missing(looked) == (["web"] if said == ["web is missing"] else [])


DRIFTS = [
    ({}, None, []),
    ({"checkout": Checkout(LATER)}, Reason.FILES, ["the folder is at commit bbbbbbbbbbbb, recorded is commit aaaaaaaaaaaa"]),
    ({"checkout": Checkout()}, Reason.FILES, ["the folder is no checkout any more, recorded is commit aaaaaaaaaaaa"]),
    ({"checkout": Checkout(COMMIT, interrupted=True)}, Reason.FILES, ["a checkout was interrupted"]),
    ({"edits": ["b.yml", "a/c"]}, Reason.FILES, ["files edited: b.yml, a/c"]),
    ({"edits": [str(n) for n in range(12)]}, Reason.FILES, ["files edited: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"]),
    ({"installed": Settings(b"A=1\nB=3\n", {"A": "1", "B": "3"})}, Reason.ENV_FILE, ["{} differs in B"]),
    ({"installed": Settings(b"B=2\nA=1\n", {"A": "1", "B": "2"})}, Reason.ENV_FILE,
     ["{} has the same values, but was written by something else"]),
    ({"private": False}, Reason.ENV_FILE, ["{} can be read by others"]),
    ({"problems": ["no clone"]}, Reason.UNREADABLE, ["no clone"]),
    ({"containers": BOTH[:1]}, Reason.CONTAINER, ["db is missing"]),
    ({"containers": [*BOTH, container("old")]}, Reason.CONTAINER, ["old is not of the release (container app-old-1)"]),
    ({"containers": [*BOTH, container("web", name="two", state=UNHEALTHY)]}, Reason.CONTAINER, ["web is unhealthy"]),
    ({"release": None, "newest": None, "checkout": Checkout()}, Reason.NO_RELEASE, ["no release has succeeded yet"]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "reason", "said"), DRIFTS)
def test_drift_of_a_host(env_file, fields, reason, said):
    found = _host.drift(host(env_file, **fields))
    assert texts(found) == [text.format(env_file) for text in said]
    assert {one.reason for one in found} == ({reason} if reason else set())


@pytest.mark.parametrize(("fields", "reason", "said"), DRIFTS)
def test_what_drifted_is_not_up_to_date(env_file, fields, reason, said):
    """So a host with drift is deployed to, and one without is left alone."""
    looked = host(env_file, **fields)
    assert texts(_host.differences(looked.release, looked)) == [text.format(env_file) for text in said]


def test_an_env_file_that_is_gone(env_file):
    os.unlink(env_file)
    assert texts(_host.drift(host(env_file, installed=None))) == [f"{env_file} is missing"]
    assert _host.drift(host(env_file, installed=None, recorded=Settings(b"", {}))) == []


def test_an_env_file_of_the_users_own_may_have_any_form_and_mode(env_file):
    own = Settings(SETTINGS.content, SETTINGS.values)
    other = Settings(b"# words\n" + SETTINGS.content, SETTINGS.values)
    assert _host.drift(host(env_file, recorded=own, installed=other, private=False)) == []


def test_a_project_without_a_commit_needs_no_checkout(env_file):
    release = RECORD.replace(commit=None)
    for seen in (Checkout(), Checkout(LATER)):
        assert _host.drift(host(env_file, release=release, newest=release, checkout=seen)) == []


@pytest.mark.parametrize(
    ("newest", "holder", "reason", "said"),
    [
        ({}, None, None, []),
        ({"number": 13, "result": Result.FAILED, "problem": "no room"}, None, Reason.UNFINISHED,
         ["the last deploy (13) failed: no room"]),
        ({"number": 13, "result": Result.FAILED, "action": "rollback"}, None, Reason.UNFINISHED,
         ["the last rollback (13) failed: None"]),
        ({"number": 13, "result": Result.INTERRUPTED}, None, Reason.UNFINISHED, ["the last deploy (13) was interrupted"]),
        ({"number": 13, "result": Result.STARTED}, None, Reason.UNFINISHED, ["the last deploy (13) was interrupted"]),
        ({"number": 13, "result": Result.STARTED}, {"by": "bob", "since": "2026-11-23T06:00:00Z"}, Reason.LOCKED,
         ["bob has held the deploy lock since 2026-11-23T06:00:00Z"]),
        ({}, {}, Reason.LOCKED, ["somebody has held the deploy lock since just now"]),
    ],
)  # fmt: skip
def test_what_is_unfinished(env_file, newest, holder, reason, said):
    looked = host(env_file, newest=RECORD.replace(**newest), holder=holder)
    found = _host.unfinished(looked)
    assert texts(found) == said and {one.reason for one in found} == ({reason} if reason else set())
    assert _host.differences(RECORD, looked) == found


def test_what_a_deploy_changes_is_not_drift_besides(env_file):
    image = RECORD.images["web"]
    wanted = RECORD.replace(commit=LATER, images={**RECORD.images, "web": image._replace(pinned=f"reg/web@{OTHER}")})
    looked = host(
        env_file, checkout=Checkout(LATER), containers=[container("web", image=f"reg/web@{OTHER}"), container("db")]
    )
    assert texts(_host.differences(wanted, looked)) == ["commit aaaaaaaaaaaa -> bbbbbbbbbbbb", "image of web"]
    assert texts(_host.differences(wanted, looked, ["A"]))[1] == "setting A"


# A look.


class FakeEngine:
    """An engine with one container."""

    def containers(self, project):
        return [project]


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
    records = Records(str(tmp_path / "state"), "app")
    record = records.begin(sample_record(commit=commit), b"A=hunter2\n")
    records.finish(record.number, Result.SUCCEEDED)

    def look():
        return _host.look(records, FakeEngine(), str(folder), str(env))

    look.folder, look.records, look.commit, look.env = folder, records, commit, env
    return look


def test_a_look_at_a_release_that_is_as_it_was_left(released):
    before = snapshot(released.folder)
    looked = released()
    assert snapshot(released.folder) == before
    assert dataclasses.replace(looked, recorded=None, installed=None) == Host(
        env_file=str(released.env),
        release=released.records.last_succeeded(),
        newest=released.records.last_succeeded(),
        holder=None,
        checkout=Checkout(released.commit),
        edits=[],
        recorded=None,
        installed=None,
        private=True,
        containers=["app"],
    )
    assert looked.recorded.values == looked.installed.values == {"A": "hunter2"}
    assert "hunter2" not in repr(looked)


def test_edits_are_seen_by_content_and_mode(released):
    file = released.folder / "conf/app.conf"
    (released.folder / "untracked").write_text("x")
    os.utime(file, (1, 1))
    assert released().edits == []
    for change in (lambda: file.write_text("y"), lambda: (file.write_text("x"), file.chmod(0o755)), file.unlink):
        change()
        assert released().edits == ["conf/app.conf"]


def test_the_checkout_elsewhere_and_none_at_all(released):
    git(released.folder, "commit", "-q", "--allow-empty", "-m", "by hand")
    assert released().checkout.commit == git(released.folder, "rev-parse", "HEAD") != released.commit
    (released.folder / ".git/HEAD").write_text("ref: refs/heads/none\n")
    assert released().checkout == Checkout()


def test_a_checkout_that_was_stopped(released):
    (released.folder / ".git/popcon-target").write_text(f"{released.commit}\n")
    assert released().checkout.interrupted


def test_the_env_file(released):
    released.env.chmod(0o640)
    assert not released().private
    released.env.write_bytes(b"A=hunter3\n")
    assert released().installed.values == {"A": "hunter3"}
    released.env.write_bytes(b"no assignment at all\n")
    (problem,) = released().problems
    assert "not KEY=default" in problem and "no assignment" not in problem
    released.env.unlink()
    assert released().installed is None and not released().problems
    released.env.symlink_to("/etc/hostname")
    assert "symbolic link" in released().problems[0]
    Path(released.records.folder, "releases/1/env").unlink()
    assert released().recorded is None and "not kept any more" in released().problems[1]


def test_the_newest_record_and_the_lock(released):
    begun = released.records.begin(sample_record(commit=released.commit), b"")
    with released.records.locked({"by": "alice"}, 1, print):
        looked = released()
    assert looked.holder["by"] == "alice"
    # Who holds the lock makes the key.
    assert looked.key == released.records.key() and repr(looked.key) not in repr(looked)
    assert looked.newest == begun and looked.release.number == 1
    assert released().holder is None


def test_edits_without_a_commit_are_seen_by_content(tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text("one")
    records = Records(str(tmp_path / "state"), "app")
    digests = _host.file_digests(str(folder), ["docker-compose.yml", "missing.conf"])
    record = records.begin(sample_record(commit=None, file_digests=digests), b"")
    records.finish(record.number, Result.SUCCEEDED)

    def edits():
        return _host.look(records, None, str(folder), str(folder / ".env")).edits

    assert edits() == []
    (folder / "missing.conf").write_text("here now")
    assert edits() == ["missing.conf"]
    (folder / "docker-compose.yml").write_text("two")
    assert edits() == ["docker-compose.yml", "missing.conf"]
