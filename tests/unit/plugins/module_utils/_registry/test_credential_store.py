# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import multiprocessing
import os
import pwd
import stat
import traceback

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._registry import credential_store as store
from ansible_collections.popcon.deploy.plugins.module_utils._registry.docker_config import Credentials
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import OWN, make_helper

ME = pwd.getpwuid(os.geteuid())
NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def add(key, value=1):
    return lambda config: {**config, key: value}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def as_user(user, work):
    """Run work() in a child that is this user in every respect; gives its result or raises its DeployError."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() != user.pw_uid:
                os.setgroups([])
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            sender.send(("done", work()))
        except DeployError as exc:
            sender.send(("DeployError", str(exc)))
        except BaseException:
            sender.send(("crash", traceback.format_exc()))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    kind, value = receiver.recv()
    assert kind != "crash", value
    if kind == "DeployError":
        raise DeployError(value)
    return value


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / ".docker"
    folder.mkdir(mode=0o700)
    return folder / "config.json"


def test_a_change_is_made_once(path):
    assert store.update_json(str(path), add("a"))
    assert not store.update_json(str(path), add("a"))
    assert store.read_json(str(path)) == {"a": 1}
    assert mode(path) == 0o600


def test_the_folder_is_made_for_its_owner_only(tmp_path):
    path = tmp_path / ".docker" / "config.json"
    assert store.read_json(str(path)) == {}
    assert store.update_json(str(path), add("a"))
    assert mode(path.parent) == 0o700


def test_check_mode_makes_nothing(tmp_path, path):
    path.write_text("{}")
    path.chmod(0o600)
    missing = tmp_path / "none" / "config.json"
    assert store.update_json(str(path), add("a"), check=True)
    assert store.update_json(str(missing), add("a"), check=True)
    assert not store.update_json(str(missing), dict, check=True)
    assert path.read_text() == "{}"
    assert not missing.parent.exists()


def test_nothing_to_change_and_no_file_makes_none(path):
    assert not store.update_json(str(path), dict)
    assert not path.exists()


def test_a_lax_mode_is_mended_and_the_bytes_stay(path):
    path.write_text('{"a":  1}')
    path.chmod(0o644)
    assert store.update_json(str(path), add("a"), check=True)
    assert mode(path) == 0o644
    assert store.update_json(str(path), add("a"))
    assert mode(path) == 0o600
    assert path.read_text() == '{"a":  1}'


def test_a_broken_file_stays_as_it_is(path):
    path.write_text('{"auths": ')
    with pytest.raises(DeployError, match="not valid JSON"):
        store.update_json(str(path), add("a"))
    assert path.read_text() == '{"auths": '


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path, path):
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    path.symlink_to("../dotfiles.json")
    assert store.update_json(str(path), add("a"))
    assert path.is_symlink()
    assert json.loads(target.read_text()) == {"a": 1}
    assert store.read_json(str(path)) == {"a": 1}
    assert mode(target) == 0o600


def test_a_dangling_link_gets_its_target(tmp_path, path):
    path.symlink_to(tmp_path / "later.json")
    assert store.read_json(str(path)) == {}
    assert store.update_json(str(path), add("a"))
    assert path.is_symlink()
    assert (tmp_path / "later.json").exists()


def test_a_home_reached_by_a_link(tmp_path, path):
    (tmp_path / "home").symlink_to(tmp_path)
    assert store.update_json(str(tmp_path / "home" / ".docker" / "config.json"), add("a"))
    assert path.exists()


def test_no_home(tmp_path):
    with pytest.raises(DeployError, match=r"Cannot make the folder .*No such file"):
        store.update_json(str(tmp_path / "home" / ".docker" / "config.json"), add("a"))


def test_a_folder_others_may_write(path):
    path.parent.chmod(0o777)
    with pytest.raises(DeployError, match="may be written by others"):
        store.update_json(str(path), add("a"))


def test_what_docker_writes_meanwhile_is_kept(path):
    path.write_text("{}")
    written = []

    def change(config):
        if not written:
            written.append(path.write_text('{"docker": "login"}'))
        return {**config, "a": 1}

    assert store.update_json(str(path), change)
    assert store.read_json(str(path)) == {"docker": "login", "a": 1}


def test_a_file_that_never_stays_the_same(path):
    count = iter(range(100))

    def change(config):
        path.write_text(json.dumps({"other": next(count)}))
        return {**config, "a": 1}

    with pytest.raises(DeployError, match="changed by another program 5 times"):
        store.update_json(str(path), change)
    assert "a" not in path.read_text()


def _write_often(path, name):
    for number in range(40):
        store.update_json(path, add(f"{name}{number}"))


def test_two_writers_lose_nothing(path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(str(path), name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(store.read_json(str(path))) == 80
    assert os.listdir(path.parent) == ["config.json"]


def test_a_user_without_an_entry(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(DeployError, match="no user 4000000"):
        store.own_user()


@as_root
class TestUsers:
    @pytest.fixture
    def home(self, tmp_path_factory):
        """A home of nobody's, in folders nobody may pass."""
        home = tmp_path_factory.mktemp("home")
        home.parent.chmod(0o755)
        home.parent.parent.chmod(0o755)
        os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
        return home

    def test_an_ordinary_user_writes_the_own_file(self, home):
        path = home / ".docker" / "config.json"
        assert as_user(NOBODY, lambda: store.update_json(str(path), add("a")))
        assert (path.stat().st_uid, path.parent.stat().st_uid) == (NOBODY.pw_uid, NOBODY.pw_uid)

    def test_a_folder_the_user_may_not_write(self, home):
        folder = home / ".docker"
        folder.mkdir()
        with pytest.raises(DeployError, match=r"Cannot write .*Permission denied"):
            as_user(NOBODY, lambda: store.update_json(str(folder / "config.json"), add("a")))
        assert os.listdir(folder) == []

    def test_the_file_of_another_user_is_left_alone(self, home):
        with pytest.raises(DeployError, match="belongs to user"):
            store.update_json(str(home / "config.json"), add("a"))


class TestHelpers:
    @pytest.fixture
    def kept(self, tmp_path, monkeypatch):
        kept = make_helper(tmp_path)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return kept

    def test_a_credential_goes_there_and_back(self, kept):
        credentials = Credentials("AWS", "secret-canary")
        assert store.get_from_helper("stub", OWN) is None
        store.store_in_helper("stub", OWN, credentials)
        assert json.loads((kept / OWN).read_text()) == {"ServerURL": OWN, "Username": "AWS", "Secret": "secret-canary"}
        assert store.get_from_helper("stub", OWN) == credentials
        calls = (kept / "calls").read_text().splitlines()
        assert calls == [f"1 {action} home={ME.pw_dir}" for action in ("get", "store", "get")]

    @pytest.mark.parametrize(
        "call",
        [
            lambda: store.get_from_helper("stub", OWN),
            lambda: store.store_in_helper("stub", OWN, Credentials("AWS", "CANARY")),
        ],
    )
    def test_a_helper_that_fails(self, kept, monkeypatch, call):
        monkeypatch.setenv("HELPER_FAILS", "1")
        with pytest.raises(DeployError, match=r"docker-credential-stub \w+ failed with exit status 7") as caught:
            call()
        assert "CANARY" not in str(caught.value)

    @pytest.mark.parametrize("answer", ["CANARY", "[]", "{}", '{"Username": "u"}'])
    def test_a_helper_that_babbles(self, kept, answer):
        (kept / OWN).write_text(answer)
        with pytest.raises(DeployError, match="no credentials") as caught:
            store.get_from_helper("stub", OWN)
        assert "CANARY" not in str(caught.value)

    def test_a_helper_with_empty_credentials(self, kept):
        (kept / OWN).write_text('{"ServerURL": "x", "Username": "", "Secret": ""}')
        assert store.get_from_helper("stub", OWN) is None

    def test_a_helper_that_is_not_there(self):
        with pytest.raises(DeployError, match="docker-credential-nowhere, which is not on PATH"):
            store.get_from_helper("nowhere", OWN)

    def test_a_helper_that_hangs(self, tmp_path, monkeypatch):
        program = tmp_path / "docker-credential-slow"
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(store, "_HELPER_TIMEOUT_SECONDS", 0.1)
        with pytest.raises(DeployError, match=r"did not end within 0\.1 s"):
            store.get_from_helper("slow", OWN)

    def test_a_helper_that_can_not_run(self, tmp_path, monkeypatch):
        program = tmp_path / "docker-credential-bad"
        program.write_text("#!/no/such/interpreter\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(DeployError, match="Cannot run docker-credential-bad"):
            store.get_from_helper("bad", OWN)
