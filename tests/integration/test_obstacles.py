"""Obstacles to a release, with models that compose prints and an engine that has volumes, networks and containers.

Without an engine with the lab's image of Redis they are skipped.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
import uuid
from pathlib import Path

import pytest
import yaml
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles import table
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Situation
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.files import Files

IMAGE = "popcon-lab/app-redis"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def run(*command: str, folder: Path | None = None) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


class App:
    """A compose project in a git repository, and what its compose file would meet."""

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = f"popcon-test-{uuid.uuid4().hex[:8]}", folder
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> None:
        settings = ("-c", "user.name=x", "-c", "user.email=x", "-c", "protocol.file.allow=always")
        run("git", *settings, *arguments, folder=self.folder)

    def compose(self, *arguments: str) -> str:
        return run("docker-compose", "--project-name", self.name, *arguments, folder=self.folder)

    def write(self, service: dict[str, t.Any], **rest: t.Any) -> None:
        """The compose file with one service; what else is in the folder is committed too."""
        content = {"services": {"db": {"image": IMAGE, **service}}, **rest}
        self.folder.joinpath("docker-compose.yml").write_text(yaml.safe_dump(content))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    def refuse(
        self, tree: Path | None = None, drop_volumes: t.Sequence[str] = (), is_rollback: bool = False
    ) -> list[str]:
        def modes() -> dict[str, str]:
            entries = checkout.tracked(str(self.folder), checkout.head(str(self.folder)))
            return {name: entry.split()[0] for name, entry in entries.items()}

        situation = Situation(
            project=self.name,
            model=json.loads(self.compose("config", "--format", "json")),
            engine=Engine(),
            containers=Engine().containers(self.name),
            files=Files(str(self.folder), str(tree or self.folder), modes, modes),
            settings={},
            compose_files=[f"{self.folder}/docker-compose.yml"],
            is_project_of_ours=lambda _name: False,
            drop_volumes=drop_volumes,
        )
        return table.refuse(situation, is_rollback)


@pytest.fixture
def app(tmp_path: Path) -> t.Iterator[App]:
    if shutil.which("docker") is None or not run("docker", "image", "ls", "--quiet", IMAGE):
        pytest.skip(f"no Docker engine with the image {IMAGE} (make lab-up builds it)")
    made = App(tmp_path)
    yield made
    made.compose("down", "--timeout", "0")
    for name in ("data", "other"):
        # Compose leaves a volume that it did not make.
        run("docker", "volume", "rm", "--force", f"{made.name}_{name}")


def up(app: App) -> str:
    """Run an app with something in its volume, and return the volume's name."""
    app.write({"volumes": ["data:/data"]}, volumes={"data": None})
    assert app.refuse() == []
    app.compose("up", "--detach", "--pull", "never")
    app.compose("exec", "--no-TTY", "db", "sh", "-c", "echo x > /data/file")
    assert app.refuse() == []
    return f"{app.name}_data"


def test_a_volume_that_is_renamed_dropped_or_left_over(app: App) -> None:
    volume = up(app)
    app.write({"volumes": ["other:/data"]}, volumes={"other": None})
    with pytest.raises(
        DeployError, match=rf"the volume {volume}, and would get the volume {app.name}_other, which is empty"
    ):
        app.refuse()
    assert app.refuse(drop_volumes=[volume]) == []
    assert len(app.refuse(is_rollback=True)) == 1
    app.compose("down", "--timeout", "0")
    with pytest.raises(DeployError, match=rf"the volume {volume} of this project"):
        app.refuse()
    app.compose("up", "--detach", "--pull", "never")
    assert app.refuse() == []


def test_a_renamed_volume_that_the_data_was_copied_to(app: App) -> None:
    up(app)
    run("docker", "volume", "create", f"{app.name}_other")
    run(
        "docker",
        "run",
        "--rm",
        "--volume",
        f"{app.name}_other:/x",
        "--entrypoint",
        "touch",
        "--user",
        "0",
        IMAGE,
        "/x/file",
    )
    app.write({"volumes": ["other:/data"]}, volumes={"other": None})
    (told,) = app.refuse()
    assert told.endswith("Both hold data.")


def test_what_is_external(app: App) -> None:
    name = f"{app.name}-outer"
    external = {"outer": {"external": True, "name": name}}
    app.write(
        {"networks": ["outer"], "volumes": ["outer:/data"], "container_name": name}, networks=external, volumes=external
    )
    try:
        run("docker", "create", "--name", name, IMAGE)
        with pytest.raises(DeployError) as error:
            app.refuse()
        for words in (f"external network {name}", f"external volume {name}", f"container_name: {name}"):
            assert words in str(error.value)
        run("docker", "rm", name)
        run("docker", "network", "create", name)
        run("docker", "volume", "create", name)
        assert app.refuse() == []
    finally:
        for kind in ("container", "network", "volume"):
            subprocess.run(["docker", kind, "rm", name], check=False, capture_output=True)


def test_the_name_of_a_project_that_is_there(app: App) -> None:
    up(app)
    second = App(app.folder)
    second.write({}, name=app.name)
    with pytest.raises(DeployError, match=f"set compose_deploy_project to {app.name}"):
        second.refuse()
    app.write({}, name=second.name)
    assert app.refuse(drop_volumes=[f"{app.name}_data"])[0].endswith("name: is not used.")


def test_submodules_and_lfs_in_the_clone_and_in_an_export(app: App, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = App(tmp_path_factory.mktemp("other"))
    other.folder.joinpath("style.css").write_text("x")
    other.write({})
    app.git("submodule", "--quiet", "add", str(other.folder), "theme")
    app.folder.joinpath("logo.png").write_text(POINTER)
    app.write({"volumes": ["./theme/style.css:/theme/style.css:ro", "./logo.png:/logo.png:ro"]})
    tree = tmp_path_factory.mktemp("export") / "files"
    checkout.export(str(app.folder), checkout.head(str(app.folder)), str(tree))
    for wanted in (None, tree):
        with pytest.raises(DeployError) as error:
            app.refuse(wanted)
        assert "theme is a submodule" in str(error.value) and "logo.png is kept in Git LFS" in str(error.value)
