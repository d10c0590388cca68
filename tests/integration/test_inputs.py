"""What containers are made of besides their definition, with a real engine and a real compose: what changes recreates what, and what a
container is seen to have, also if it is hostile.

The containers are of the lab's Redis image: without it, and without an engine on this machine, the tests are skipped.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import Compose
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import service_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._docker.inputs import (
    Inputs,
    label,
    override_for,
    without_copies,
)
from ansible_collections.popcon.deploy.plugins.module_utils._git.tracked import tracked
from ansible_collections.popcon.deploy.plugins.module_utils._release.expected import Expected, differences, expected
from ansible_collections.popcon.deploy.tests.integration.test_strategies import docker, need
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import git

IMAGE = "popcon-lab/app-redis"
KEY = b"key of the project"


class App:
    """A project in a clone, deployed step by step as a release does it."""

    def __init__(self, root: Path) -> None:
        self.name = f"popcon-inputs-{secrets.token_hex(4)}"
        self.folder = root / "app"
        self.folder.mkdir()
        self.env = self.folder / ".env"
        self.commit = ""
        git(self.folder, "init", "-q")

    def write(self, settings: str, files: dict[str, str], untracked: dict[str, str] | None = None) -> None:
        """Make this the commit, all in place, as a checkout does it: what changes is a new file."""
        self.env.write_text(settings)
        for name, content in {**files, **(untracked or {})}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text() != content:
                path.with_name("new").write_text(content)
                path.with_name("new").rename(path)
        git(self.folder, "add", "--force", *files)
        git(self.folder, "-c", "user.name=a", "-c", "user.email=a", "commit", "-q", "--allow-empty", "-m", "x")
        self.commit = git(self.folder, "rev-parse", "HEAD")

    @property
    def compose(self) -> Compose:
        return Compose(self.name, [str(self.folder / "docker-compose.yml")], str(self.env))

    def look(self) -> tuple[dict[str, Expected], dict[str, t.Any]]:
        """What is expected of the services, and the file laid over the project's."""
        folder, compose, model = str(self.folder), self.compose, self.compose.model()
        inputs = Inputs(
            KEY,
            folder,
            lambda: tracked(folder, self.commit, folder),
            str(self.env),
            self.env.read_bytes(),
            compose.filled,
        )
        wanted = expected(model, inputs)
        labels = {name: label(KEY, one.inputs) for name, one in wanted.items()}
        return wanted, override_for(model, {}, labels)

    def up(self) -> dict[str, Expected]:
        wanted, override = self.look()
        self.compose.up(override, 120)
        return wanted

    def containers(self) -> dict[str, t.Any]:
        return {service_of(container): container for container in Engine().containers(self.name)}

    def differences(self, wanted: dict[str, Expected]) -> dict[str, list[str]]:
        found = {name: differences(wanted[name], one, KEY) for name, one in self.containers().items() if name in wanted}
        return {name: texts for name, texts in found.items() if texts}

    def recreated(self) -> set[str]:
        found = self.compose.recreated({**self.look()[1], **without_copies(self.compose.model())})
        return {name.removeprefix(f"{self.name}-").rpartition("-")[0] for name in found}

    def shell(self, service: str, script: str) -> str:
        return docker("exec", self.containers()[service]["Id"], "sh", "-c", script)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[App]:
    need(IMAGE)
    if os.geteuid() != 0:
        pytest.skip("only root sees what containers have mounted")
    binary = Path(sys.executable).parent / "docker-compose"
    plugins = tmp_path / "docker/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(binary if binary.exists() else shutil.which("docker-compose") or "/none")
    monkeypatch.setenv("DOCKER_CONFIG", str(plugins.parent))
    made = App(tmp_path)
    yield made
    for container in made.containers().values():
        docker("rm", "--force", "--volumes", container["Id"])
    docker("network", "rm", f"{made.name}_default", check=False)


def compose_file(services: dict[str, t.Any], **rest: t.Any) -> str:
    """A compose file in which every service sleeps."""
    common = {"image": IMAGE, "entrypoint": ["sleep"], "command": ["600"], "user": "0", "stop_grace_period": "0s"}
    return json.dumps({"services": {name: {**common, **one} for name, one in services.items()}, **rest})


#: By service: its entry, what changed by name, a path in the container, and its content before and after.
TABLE: dict[str, tuple[dict[str, t.Any], str, str, str, str]] = {
    "secret-environment": ({"secrets": ["tok"]}, "secret tok", "/run/secrets/tok", "va$lue 1", "va$lue 2"),
    "secret-target": ({"secrets": [{"source": "tok", "target": "/opt/t"}]}, "secret tok", "/opt/t", "va$lue 1", "va$lue 2"),
    "secret-file": ({"secrets": ["file"]}, "secret file", "/run/secrets/file", "one", "two"),
    "secret-untracked": ({"secrets": ["own"]}, "secret own", "/run/secrets/own", "one", "two"),
    "secret-link": ({"secrets": ["link"]}, "secret link", "/run/secrets/link", "one", "two"),
    "secret-env-file": ({"secrets": ["env"]}, "secret env", "/run/secrets/env", "TOK='va$lue 1'\n", "TOK='va$lue 2'\n"),
    "config-file": ({"configs": ["file"]}, "config file", "/file", "one", "two"),
    "config-content": ({"configs": ["text"]}, "config text", "/text", "a va$lue 1 $x", "a va$lue 2 $x"),
    "config-environment": ({"configs": [{"source": "tok", "target": "sub/t"}]}, "config tok", "/sub/t", "va$lue 1", "va$lue 2"),
    "hidden-file": ({"volumes": ["./.hidden:/h:ro"]}, "mount /h", "/h", "one", "two"),
    "single-file": ({"volumes": ["./conf/plain:/etc/plain"]}, "mount /etc/plain", "/etc/plain", "one", "two"),
    "folder": ({"volumes": ["./conf:/conf"]}, "mount /conf", "/conf/plain", "one", "two"),
    "hidden-in-folder": ({"volumes": ["./deep:/deep"]}, "mount /deep", "/deep/.d/.f", "one", "two"),
    "env-file-mounted": ({"volumes": ["./.env:/e:ro"]}, "mount /e", "/e", "TOK='va$lue 1'\n", "TOK='va$lue 2'\n"),
    "environment": ({"environment": {"A": "${TOK}"}}, "environment A", "", "", ""),
    "variable-is-new": ({"env_file": ["app.env"]}, "environment B", "", "", ""),
}  # fmt: skip
TOP = {
    "secrets": {
        "tok": {"environment": "TOK"},
        "file": {"file": "./conf/plain"},
        "own": {"file": "./own.txt"},
        "link": {"file": "./link"},
        "env": {"file": "./.env"},
    },
    "configs": {
        "file": {"file": "./conf/plain"},
        "text": {"content": "a ${TOK} $$x"},
        "tok": {"environment": "TOK"},
    },
}
UNCHANGED = {"plain": {}, "data": {"volumes": ["./data:/data"]}, "steady": {"volumes": ["./steady:/s:ro"], "secrets": ["file2"]}}  # fmt: skip


def files(word: str) -> dict[str, str]:
    services = {**{name: row[0] for name, row in TABLE.items()}, **UNCHANGED}
    top = {**TOP, "secrets": {**TOP["secrets"], "file2": {"file": "./steady"}}}
    return {
        "docker-compose.yml": compose_file(services, **top),
        "conf/plain": word,
        ".hidden": word,
        "deep/.d/.f": word,
        "steady": "as ever",
        "data/.gitkeep": "",
        "app.env": f"B={word}\n",
    }


def test_a_change_of_any_input_recreates_the_services_that_use_it(app: App) -> None:
    (app.folder / "link").symlink_to("conf/plain")
    git(app.folder, "add", "link")
    app.write("TOK='va$lue 1'\n", files("one"), {"own.txt": "one"})
    before = app.up()
    assert app.differences(before) == {} and app.recreated() == set()
    for name, (_entry, _what, path, old, _new) in TABLE.items():
        assert not path or app.shell(name, f"cat {path}") == old, name
    assert {name for name, one in before.items() if one.inputs} == {*TABLE, "data", "steady"} - {
        "environment",
        "variable-is-new",
    }
    # What the app does with its data is nobody's business.
    app.shell("data", "truncate -s 3G /data/big; ln -s /dev/zero /data/zero; mkfifo /data/fifo; ln -s zero /data/.l")
    begin = time.monotonic()
    assert app.look()[0] == before and app.recreated() == set()
    assert time.monotonic() < begin + 10

    ids = {name: one["Id"] for name, one in app.containers().items()}
    app.write("TOK='va$lue 2'\n", files("two"), {"own.txt": "two"})
    wanted = app.look()[0]
    assert {name: one.changes(before[name]) for name, one in wanted.items() if one.changes(before[name])} == {
        name: [row[1]] for name, row in TABLE.items()
    }
    assert app.recreated() == set(TABLE)
    told = app.differences(wanted)
    assert told.keys() == set(TABLE)
    assert told["secret-environment"][-1] == "secret tok has other content"
    assert "mount /h is an older file" in told["hidden-file"]
    assert told["environment"] == ["runs with another value of A"]
    assert "va$lue" not in repr(told)

    app.up()
    assert app.differences(wanted) == {} and app.recreated() == set()
    for name, (_entry, _what, path, _old, new) in TABLE.items():
        assert not path or app.shell(name, f"cat {path}") == new, name
    now = {name: one["Id"] for name, one in app.containers().items()}
    assert {name for name in ids if now[name] == ids[name]} == set(UNCHANGED)

    # All of it is taken out again.
    services = {name: {} for name in [*TABLE, *UNCHANGED]}
    app.write("TOK='va$lue 2'\n", {**files("two"), "docker-compose.yml": compose_file(services)})
    removed = app.look()[0]
    assert {name: one.changes(wanted[name]) for name, one in removed.items() if name in TABLE} == {
        name: [row[1]] for name, row in TABLE.items()
    }
    app.up()
    assert app.differences(removed) == {}


#: What a container does to what it was given, and what is said of it.
HOSTILE = [
    ("rm /run/secrets/tok", "secret tok is missing"),
    ("rm /run/secrets/tok; ln -s /dev/zero /run/secrets/tok", "secret tok has other content"),
    ("rm /run/secrets/tok; mkfifo /run/secrets/tok", "secret tok has other content"),
    ("rm /run/secrets/tok; truncate -s 3G /run/secrets/tok", "secret tok has other content"),
    # As it says on the host, not in the container.
    ("rm /run/secrets/tok; ln -s {host} /run/secrets/tok", "secret tok is missing"),
    ("rm /run/secrets/tok; ln -s ../../../../../../..{host} /run/secrets/tok", "secret tok is missing"),
    ("rm /run/secrets/tok; ln -s /proc/self/root{host} /run/secrets/tok", "secret tok is missing"),
    ("rm /run/secrets/tok; ln -s /proc/kmsg /run/secrets/tok", "secret tok has other content"),
    ("rm /run/secrets/tok; ln -s tok /run/secrets/tok", "secret tok is missing"),
    ("rm /run/secrets/tok; mkdir /run/secrets/tok", "secret tok has other content"),
    ("mv /run/secrets /x; ln -s /x /run/secrets", None),
    ("mv /m /n; ln -s / /m", "mount /m/plain is missing"),
    ("mv /m /n; mkdir /m; cp /n/plain /m/plain", "mount /m/plain is an older file"),
    ("mv /m /n; mkdir /m; ln -s /dev/zero /m/plain", "mount /m/plain is an older file"),
]


def test_a_hostile_container_has_nothing_opened(app: App, tmp_path: Path) -> None:
    services = {
        f"c{number}": {"secrets": ["tok"], "volumes": ["./conf/plain:/m/plain:ro"]} for number in range(len(HOSTILE))
    }
    app.write("TOK=one\n", {"docker-compose.yml": compose_file(services, **TOP), "conf/plain": "one"})
    wanted = app.up()
    assert app.differences(wanted) == {}
    # It has the very content, so it would be taken for the secret.
    host = tmp_path / "host"
    host.write_text("one")
    begin = time.monotonic()
    for number, (script, _text) in enumerate(HOSTILE):
        app.shell(f"c{number}", script.format(host=host))
    told = app.differences(wanted)
    assert told == {f"c{number}": [text] for number, (_script, text) in enumerate(HOSTILE) if text}
    assert time.monotonic() < begin + 60


def test_what_was_done_to_a_container_by_hand(app: App) -> None:
    service = {"volumes": ["./conf:/conf:ro"], "environment": {"A": "1"}}
    app.write("", {"docker-compose.yml": compose_file({"web": service}), "conf/plain": "one"})
    wanted = app.up()
    assert app.differences(wanted) == {}
    web = app.containers()["web"]
    other = f"{app.name}-other"
    docker("network", "create", other)
    try:
        docker("network", "connect", other, web["Id"])
        docker("network", "disconnect", f"{app.name}_default", web["Id"])
        assert app.differences(wanted)["web"] == [
            f"is not in the network {app.name}_default",
            f"is also in the network {other}",
        ]
        docker("network", "disconnect", other, web["Id"])
    finally:
        docker("network", "rm", other)
    (app.folder / "conf").rename(app.folder / "old")
    shutil.copytree(app.folder / "old", app.folder / "conf")
    assert "mount /conf is an older folder" in app.differences(wanted)["web"]
    labels = [f"--label={name}={value}" for name, value in web["Config"]["Labels"].items()]
    docker("rm", "--force", web["Id"])
    docker("run", "--detach", "--name", f"{app.name}-web-1", *labels, "--env=A=2", "--entrypoint=sleep", IMAGE, "600")
    assert app.differences(wanted)["web"][:2] == ["runs with another value of A", "mount /conf is not mounted"]
