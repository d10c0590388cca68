"""A look at a project: real records, a real clone and real logins; the engine and compose play back what real ones say."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import os
import types

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout, command
from ansible_collections.popcon.deploy.plugins.module_utils._registry import ecr, stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._registry.docker_config import Credentials
from ansible_collections.popcon.deploy.plugins.module_utils._release import records
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Result
from ansible_collections.popcon.deploy.plugins.module_utils._status import report
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Remote
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import DIGEST, sample_record

CANARY = "canary-secret"
ENV = f"A=1\nPASSWORD={CANARY}\n".encode()


def container(service, image=None, env=(), definition=None):
    labels = {"com.docker.compose.service": service, "com.docker.compose.config-hash": definition or f"hash-{service}"}
    return {
        "Id": f"id-{service}",
        "Name": f"/app-{service}-1",
        "Image": "sha256:stored",
        "Config": {
            "Image": image or f"reg/{service}@{DIGEST}",
            "Labels": labels,
            "Env": list(env),
        },
        "State": {"Status": "running", "Running": True, "StartedAt": "2026-11-23T06:59:00.123Z"},
        "RestartCount": 0,
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
        "NetworkSettings": {"Ports": {}},
    }


class Host:
    """A host with one release of two services, on which all is as recorded."""

    def __init__(self, folder, monkeypatch):
        self.remote = Remote(folder / "served")
        self.commit = self.remote.commit({"docker-compose.yml": "services: {}\n", "web.conf": "one\n"})
        self.dest = folder / "app"
        self.update()
        self.env_file = self.dest / ".env"
        self.env_file.write_bytes(ENV)
        self.env_file.chmod(0o600)
        self.records = records.Records(str(folder / "state"), "popcon")
        self.running = [container("web"), container("db")]
        self.images = {f"reg/web@{DIGEST}", f"reg/db@{DIGEST}"}
        self.config = folder / "docker" / "config.json"
        self.config.parent.mkdir()
        login = stored_logins.Login(str(self.config), True)
        monkeypatch.setattr(stored_logins, "Login", types.SimpleNamespace(of=lambda *_args: login))
        monkeypatch.setattr(report, "Engine", lambda: self)
        self.release()

    def update(self):
        """Bring the project's folder to what the repository says."""
        with command.private_git(self.remote.url, 60) as git:
            checkout.synchronise(git, "main", str(self.dest), str(self.dest.parent / "preview"), False)

    def release(self, result=Result.SUCCEEDED, problem=None, **fields):
        """Record one more release."""
        parameters = [{"key": "A", "name": "/app/A", "version": 2}, {"key": "B", "name": None, "version": None}]
        definitions = {"web": "hash-web", "db": "hash-db"}
        record = sample_record(
            **{"commit": self.commit, "parameters": parameters, "definitions": definitions, **fields}
        )
        number = self.records.begin(record, ENV).number
        if result is not Result.STARTED:
            self.records.finish(number, result, problem)
        return number

    def look(self, **params):
        given = {
            "project": "popcon", "folder": f"{self.dest}/", "env_file": None,
            "state_dir": os.path.dirname(self.records.folder), "history": 20,
        }  # fmt: skip
        result = report.report(**{**given, **params})
        assert CANARY not in json.dumps(result)
        return result

    def drift(self, **params):
        return self.look(**params)["drift"]

    # The engine.

    def image_id(self, reference):
        return "sha256:id" if reference in self.images else None

    def containers(self, project):
        return list(self.running) if project == "popcon" else []


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_all_is_as_recorded(host):
    look = host.look()
    assert look["drift"] == [] and look["commit"] == host.commit and look["lock"] is None
    assert [row["service"] for row in look["services"]] == ["web", "db"]
    assert look["release"] == look["newest"] == look["releases"][0]
    assert (look["release"]["number"], look["release"]["restorable"], look["release"]["why_not"]) == (1, True, None)
    assert look["release"]["parameters"] == {"/app/A": 2}


def test_a_host_on_which_nothing_was_ever_released(host, tmp_path):
    look = host.look(state_dir=str(tmp_path / "nothing"), folder=str(tmp_path / "nowhere"))
    assert look["drift"] == ["no release has succeeded yet"]
    assert (look["release"], look["newest"], look["releases"], look["history"]) == (None, None, [], [])
    assert look["commit"] is None and len(look["services"]) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ENV, []),
        (b"# other words\n" + ENV, ["{} has the same values, but was written by something else"]),
        (ENV + b"B=2\n", ["{} differs in B"]),
        (ENV.replace(b"A=1", b"A=2"), ["{} differs in A"]),
        (b"", ["{} differs in A, PASSWORD"]),
        (None, ["{} is missing"]),
        (ENV + f"{CANARY} {CANARY}\n".encode(), ["{}, line 3: not a comment, not KEY=default and not KEY."]),
    ],
)
def test_settings_that_were_edited(host, content, said):
    if content is None:
        host.env_file.unlink()
    else:
        host.env_file.write_bytes(content)
    assert host.drift() == [text.format(host.env_file) for text in said]


def test_settings_elsewhere(host, tmp_path):
    (tmp_path / "other.env").write_bytes(b"")
    assert host.drift(env_file=str(tmp_path / "other.env")) == [f"{tmp_path}/other.env differs in A, PASSWORD"]


def test_files_that_were_edited(host):
    (host.dest / "web.conf").write_text("two\n")
    (host.dest / "docker-compose.yml").unlink()
    (host.dest / "notes").write_text("not from the repository\n")
    assert host.drift() == ["files edited: docker-compose.yml, web.conf"]


def test_a_folder_at_another_commit(host):
    later = host.remote.commit({"web.conf": "two\n"})
    host.update()
    assert host.drift() == [f"the folder is at commit {later[:12]}, recorded is commit {host.commit[:12]}"]
    assert host.look()["releases"][0]["restorable"] is True


def test_a_folder_that_is_no_clone_any_more(host):
    (host.dest / ".git" / "HEAD").unlink()
    assert f"the folder is no checkout any more, recorded is commit {host.commit[:12]}" in host.drift()
    assert host.look()["release"]["why_not"] == f"commit {host.commit[:12]} is not in the clone any more"


def test_a_folder_that_is_a_link_is_told_of_once(host, tmp_path):
    host.release()
    (tmp_path / "link").symlink_to(host.dest)
    said = [text for text in host.drift(folder=str(tmp_path / "link")) if "symbolic link is not followed" in text]
    assert len(said) == 1


def test_another_definition_is_explained_by_settings(host):
    other = container("web", env=["A=0", f"PASSWORD={CANARY}"], definition="other")
    host.running[:] = [other, container("db", env=["A=1"], definition="other")]
    assert host.drift() == [
        "web was started with other settings: A",
        "db was started with another definition than the release's",
    ]


def test_another_image_is_no_other_definition(host):
    host.running[0] = container("web", image="reg/web:1")
    assert host.drift() == [f"web runs reg/web:1, recorded is {DIGEST[:19]}"]


def test_a_release_that_failed_and_one_that_can_be_gone_back_to(host):
    host.release(Result.FAILED, problem=f"Service web is unhealthy.\n{CANARY}")
    look = host.look()
    assert look["drift"] == []
    assert look["unfinished"] == ["the last deploy (2) failed: Service web is unhealthy."]
    assert (look["release"]["number"], look["newest"]["number"]) == (1, 2)
    assert [release["why_not"] for release in look["releases"]] == ["it did not succeed", None]


def test_who_holds_the_lock(host):
    with host.records.locked({"by": "bob", "started_from": "ci", "run": "r2"}, 0, print):
        look = host.look()
    assert look["lock"]["by"] == "bob"
    assert look["unfinished"] == [f"bob has held the deploy lock since {look['lock']['since']}"]


def test_what_can_not_be_gone_back_to(host):
    host.images.remove(f"reg/db@{DIGEST}")
    host.release(commit="f" * 40)
    os.unlink(f"{host.records.folder}/releases/1/env")
    assert [release["why_not"] for release in host.look()["releases"]] == [
        f"commit {'f' * 12} is not in the clone any more; images have to be pulled again: db",
        "its settings are not kept any more; images have to be pulled again: db",
    ]


def test_recorded_settings_that_are_gone(host):
    os.unlink(f"{host.records.folder}/releases/1/env")
    assert host.drift() == ["The settings of release 1 of popcon are not kept any more."]


def test_history_is_cut(host):
    for number in range(3):
        host.records.audit(action="deploy", release=number)
    assert [line["release"] for line in host.look(history=2)["history"]] == [2, 1]


def test_logins(host):
    stated = base64.b64encode(json.dumps({"expiration": 1795446000}).encode()).decode()
    silent = Credentials("AWS", CANARY)
    note = ecr.note_of(ecr.Token(silent, 1795446060.0))
    auths = {"b": {"auth": Credentials("AWS", stated).basic}, "a": {"auth": silent.basic}, "c": {"auth": silent.basic}}
    host.config.write_text(json.dumps({"auths": auths, "credHelpers": {"d": "ecr-login"}}))
    (host.config.parent / "ecr-login.json").write_text(json.dumps({"a": note}))
    assert host.look()["tokens"] == [
        {"registry": "a", "expires_at": "2026-11-23T15:01:00Z"},
        {"registry": "b", "expires_at": "2026-11-23T15:00:00Z"},
        {"registry": "c", "expires_at": None},
        {"registry": "d", "expires_at": None},
    ]


def test_logins_that_cannot_be_read_keep_nothing_else_from_being_told(host):
    host.config.write_text(f"{{ {CANARY}")
    look = host.look()
    assert look["tokens"] == [] and len(look["services"]) == 2
    (said,) = look["drift"]
    assert "config.json is not valid JSON" in said


def test_a_look_changes_nothing(host):
    def everything():
        found = {}
        for at, folders, names in os.walk(host.dest.parent):
            for name in (*folders, *names):
                info = os.lstat(os.path.join(at, name))
                found[os.path.join(at, name)] = (info.st_ino, info.st_mtime_ns, info.st_size)
        return found

    (host.dest / "web.conf").write_text("two\n")
    before = everything()
    host.look()
    assert everything() == before


def test_a_name_that_is_none_for_compose(host):
    with pytest.raises(DeployError, match="no name for a compose project"):
        host.look(project="../x")
