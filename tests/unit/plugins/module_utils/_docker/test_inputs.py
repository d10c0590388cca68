"""Inputs of services by digest: what counts, and what is never opened. With a real engine: tests/integration/test_inputs.py."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker import inputs as _inputs

KEY = b"key"
CLONE = "/srv/app"
IDS = {
    f"{CLONE}/conf/a": "100644 1",
    f"{CLONE}/conf/.hidden": "100644 2",
    f"{CLONE}/config": "100644 3",
    f"{CLONE}/link": "120000 4",
    f"{CLONE}/current": "120000 5",
    f"{CLONE}/out": "120000 6",
}
LINKS = {f"{CLONE}/link": "current/a", f"{CLONE}/current": "conf", f"{CLONE}/out": "/etc/hostname"}


def bind(source, target="/t", read_only=False):
    return {"type": "bind", "source": source, "target": target, "read_only": read_only}


def model(*volumes, secrets=(), configs=(), **rest):
    uses = {"secrets": [{"source": name} for name in secrets], "configs": [{"source": name} for name in configs]}
    return {"services": {"web": {"volumes": list(volumes), **uses}, "db": {}}, **rest}


def of_web(wanted, ids=None, settings=b"A=1\n", key=KEY, values=None, folder=CLONE, commit=True):
    def track():
        return SimpleNamespace(ids={**IDS, **(ids or {})}, links=LINKS)

    made = _inputs.Inputs(
        key, folder, track if commit else None, f"{folder}/.env", settings, lambda _names: values or {}
    )
    found = made.of_services(wanted, made.copied(wanted))
    assert found["db"] == {}
    return found["web"]


@pytest.mark.parametrize(
    ("volume", "changed", "counts"),
    [
        (bind(f"{CLONE}/conf"), "conf/a", True),
        (bind(f"{CLONE}/conf"), "conf/.hidden", True),
        (bind(f"{CLONE}/conf"), "conf/new", True),
        (bind(f"{CLONE}/conf"), "config", False),
        (bind(f"{CLONE}/config"), "config", True),
        (bind(f"{CLONE}/config"), "conf/a", False),
        (bind(f"{CLONE}/current"), "conf/a", True),
        (bind(f"{CLONE}/link"), "conf/a", True),
        (bind(f"{CLONE}/link"), "conf/.hidden", False),
        (bind(f"{CLONE}/current/a"), "conf/a", True),
        (bind(CLONE), "config", True),
        # What has the clone in it is not of the project.
        (bind("/srv"), "config", False),
        (bind("/"), "config", False),
        ({"type": "volume", "source": "v", "target": "/t"}, "conf/a", True),
        ({"type": "volume", "source": "data", "target": "/t"}, "conf/a", False),
        ({"type": "tmpfs", "target": "/t"}, "conf/a", False),
    ],
)
def test_mounted_files_count_by_their_ids(volume, changed, counts):
    volumes = {"v": {"driver_opts": {"type": "none", "o": "bind,ro", "device": f"{CLONE}/conf"}}, "data": {}}
    wanted = model(volume, volumes=volumes)
    before, after = (of_web(wanted, {f"{CLONE}/{changed}": number} if number else {}) for number in (None, "7"))
    assert (before != after) is counts
    assert set(before) <= {"mount /t"}


@pytest.mark.parametrize(
    ("source", "counts"), [(f"{CLONE}/.env", True), (CLONE, True), (f"{CLONE}/conf", False), ("/", False)]
)
def test_the_settings_count_where_their_file_is_mounted(source, counts):
    found = [of_web(model(bind(source)), settings=settings) for settings in (b"A=1\n", b"A=2\n")]
    assert (found[0] != found[1]) is counts


def test_secrets_and_configs_count_by_content():
    top = {
        "secrets": {"tok": {"environment": "TOK"}, "file": {"file": f"{CLONE}/conf/a"}},
        "configs": {"text": {"content": "a $$b"}},
    }
    wanted = {**model(secrets=["tok", "file"], configs=["text"]), **top}
    found = of_web(wanted, values={"TOK": "1"})
    assert found.keys() == {"secret tok", "secret file", "config text"}
    assert _differing(found, of_web(wanted, values={"TOK": "2"})) == {"secret tok"}
    assert _differing(found, of_web(wanted, {f"{CLONE}/conf/a": "9"}, values={"TOK": "1"})) == {"secret file"}
    top["configs"]["text"]["content"] = "a $$c"
    assert _differing(found, of_web(wanted, values={"TOK": "1"})) == {"config text"}
    # Without the key, a digest tells nothing; nothing is the same under another one.
    assert _differing(found, of_web(wanted, values={"TOK": "1"}, key=b"other")) == set(found)


def _differing(one, other):
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}


def test_where_secrets_and_configs_are_in_the_container():
    wanted = {
        "services": {
            "web": {
                "secrets": [{"source": "a"}, {"source": "a", "target": "b"}, {"source": "a", "target": "/c"}],
                "configs": [{"source": "a"}, {"source": "a", "target": "b/c"}],
            }
        },
        "secrets": {"a": {"file": "/x"}},
        "configs": {"a": {"content": ""}},
    }
    found = _inputs.attached(wanted, "web")
    assert [one.target for one in found] == ["/run/secrets/a", "/run/secrets/b", "/c", "/a", "/b/c"]
    assert [one.is_copied for one in found] == [False, False, False, True, True]


def test_a_variable_is_asked_for_once_and_only_where_one_is_used():
    asked = []

    def filled(names):
        asked.append(sorted(names))
        return dict.fromkeys(names, "x")

    made = _inputs.Inputs(KEY, CLONE, None, f"{CLONE}/.env", b"", filled)
    assert made.copied(model(secrets=["a"]))["web"] == {"/run/secrets/a": b""}
    assert asked == []
    top = {"a": {"environment": "A"}, "b": {"environment": "B"}}
    found = made.copied({**model(secrets=["a", "b"]), "secrets": top})
    assert found["web"] == {"/run/secrets/a": b"x", "/run/secrets/b": b"x"} and asked == [["A", "B"]]


@pytest.fixture
def opened(monkeypatch):
    """The files whose content was read."""
    found = []
    real = _inputs.plain_content

    def read(descriptor):
        found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        return real(descriptor)

    monkeypatch.setattr(_inputs, "plain_content", read)
    return found


def secret_file(path, *volumes):
    return {**model(*volumes, secrets=["own"]), "secrets": {"own": {"file": str(path)}}}


def test_a_secret_that_is_not_tracked_counts_by_content(tmp_path, opened):
    path = tmp_path / "own"
    found = []
    for word in ("one", "two", "two"):
        path.write_text(word)
        found.append(of_web(secret_file(path)))
    assert found[0] != found[1] == found[2] and opened == [str(path)] * 3
    path.chmod(0o755)
    assert of_web(secret_file(path)) != found[2]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: None])
def test_a_secret_that_is_no_file_is_not_opened(tmp_path, make):
    make(tmp_path / "own")
    wanted = secret_file(tmp_path / "own")
    assert of_web(wanted) == of_web(wanted) and of_web(wanted).keys() == {"secret own"}


def test_nothing_that_a_service_can_write_is_opened(tmp_path, opened):
    data, path = tmp_path / "data", tmp_path / "data/own"
    data.mkdir()
    path.write_text("one")
    (tmp_path / "link").symlink_to("data/own")
    writable = bind(str(data))
    for source in (path, tmp_path / "link", tmp_path / "data/../data/own"):
        before = of_web(secret_file(source, writable))
        path.write_text("two")
        assert of_web(secret_file(source, writable)) == before and opened == []
        assert of_web(secret_file(source, bind(str(data), read_only=True))) != before and opened.pop() == str(path)


def test_a_tracked_folder_is_not_opened_and_data_in_it_does_not_count(tmp_path, opened):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/big").write_text("x")
    before = of_web(model(bind(f"{tmp_path}/data")), {f"{tmp_path}/data/.gitkeep": "1"}, folder=str(tmp_path))
    (tmp_path / "data/more").write_text("x")
    after = of_web(model(bind(f"{tmp_path}/data")), {f"{tmp_path}/data/.gitkeep": "1"}, folder=str(tmp_path))
    assert before == after and before.keys() == {"mount /t"} and opened == []
    assert of_web(model(bind(f"{tmp_path}/data")), folder=str(tmp_path)) == {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder without a commit."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/a").write_text("1")
    (tmp_path / "conf/.b").write_text("1")
    (tmp_path / ".env").write_text("A=1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda conf: (conf / "a").write_text("2"), True),
        (lambda conf: (conf / ".b").write_text("2"), True),
        (lambda conf: (conf / "a").chmod(0o755), True),
        (lambda conf: (conf / "a").rename(conf / "b"), True),
        (lambda conf: (conf / "new").write_text(""), True),
        (lambda conf: os.utime(conf / "a", (0, 0)), False),
        (lambda conf: (conf.parent / "other").write_text("x"), False),
    ],
)
def test_without_a_commit_what_is_mounted_read_only_counts_by_content(folder, change, counts):
    wanted = model(bind(f"{folder}/conf", read_only=True))
    before = of_web(wanted, folder=str(folder), commit=False)
    change(folder / "conf")
    assert (of_web(wanted, folder=str(folder), commit=False) != before) is counts


def test_without_a_commit_nothing_else_is_opened(folder, opened):
    for volumes in (
        [bind(f"{folder}/conf")],
        [bind("/etc", read_only=True)],
        [bind(f"{folder}/conf", read_only=True), bind(str(folder), "/all")],
        [bind(f"{folder}/conf", read_only=True), bind(f"{folder}/conf/a", "/a")],
    ):
        of_web(model(*volumes), folder=str(folder), commit=False)
    assert opened == []
    made = _inputs.Inputs(KEY, str(folder), None, f"{folder}/.env", b"", dict)
    assert made.files(model(bind(str(folder), read_only=True))) == ["conf/.b", "conf/a"]
    assert made.files(model(bind(f"{folder}/conf"))) == []


def test_the_label_and_the_override():
    assert _inputs.label(KEY, {}) == ""
    first, second = (_inputs.label(KEY, {"secret a": digest}) for digest in "12")
    assert first != second and len(first) == 64
    services = {"services": {"web": {}, "db": {}, "job": {}}}
    assert _inputs.override_for(services, {"web": "w@1", "db": "d@1"}, {"web": first, "db": ""}) == {
        "services": {
            "web": {"image": "w@1", "pull_policy": "missing", "labels": {_inputs.LABEL: first}},
            "db": {"image": "d@1", "pull_policy": "missing"},
        }
    }


def test_for_a_dry_run_nothing_is_copied():
    wanted = {
        "services": {},
        "secrets": {"a": {"environment": "A", "name": "app_a"}, "b": {"file": "/b"}},
        "configs": {"c": {"content": "x"}},
    }
    assert _inputs.without_copies(wanted) == {
        "secrets": {"a": {"file": "/dev/null", "environment": "!reset null"}},
        "configs": {"c": {"file": "/dev/null", "content": "!reset null"}},
    }
    assert _inputs.without_copies({"services": {}}) == {}
