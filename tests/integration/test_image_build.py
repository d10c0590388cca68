# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook build, with buildx and a registry of its own: what it builds, what it leaves alone, what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import ansible_collections
import pytest
import yaml

if not shutil.which("docker"):
    pytest.skip("no docker command", allow_module_level=True)

from ansible_collections.popcon.deploy.tests.integration.builder import Builder, docker, serve_builder

COLLECTION = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Builder]:
    with serve_builder(tmp_path_factory.mktemp("builder")) as builder:
        yield builder


class Project:
    """A git repository with one small image, an inventory, and the playbook."""

    def __init__(self, folder: Path, builder: Builder) -> None:
        self.builder = builder
        self.source = folder / "source"
        self.folder = folder
        self.image: dict[str, t.Any] = {"name": "front", "source": "source"}
        # Its name is in those of the images that the engine keeps, which are removed by it.
        self.repository = f"{builder.mark}/{folder.name}"
        self.source.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("Dockerfile", "FROM scratch\nARG NEXT_PUBLIC_API_URL\nLABEL url=$NEXT_PUBLIC_API_URL\nCOPY . /app\n")
        self.commit()

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.source, capture_output=True, text=True, check=True
        )  # fmt: skip
        return done.stdout.strip()

    def write(self, name: str, content: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def commit(self) -> str:
        """The new commit, as tags have it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Change", "--allow-empty")
        return self.git("rev-parse", "HEAD")[:12]

    def run(self, *arguments: str, **variables: t.Any) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Run the playbook; gives the totals, and the results of its tasks by name."""
        everything = {
            "image_build_images": [self.image],
            "image_build_registry": self.builder.registry,
            "image_build_repository": self.repository,
            "image_build_pull": False,
            **variables,
        }
        # As a user has it: variables of an inventory that needs no host, and so doesn't name this one.
        inventory = self.folder / "inventory"
        (inventory / "group_vars").mkdir(parents=True, exist_ok=True)
        (inventory / "hosts.yml").write_text("all: {hosts: {}}\n")
        (inventory / "group_vars/all.yml").write_text(yaml.safe_dump(everything))
        (self.folder / "ansible.cfg").touch()
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventory", *arguments, str(COLLECTION / "playbooks/build.yml")],
            cwd=self.folder,
            env={
                **self.builder.environment,
                "PWD": str(self.folder),
                "ANSIBLE_COLLECTIONS_PATH": ":".join(str(Path(path).parent) for path in ansible_collections.__path__),
                "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "ansible"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            },
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        answer = json.loads(done.stdout)
        tasks = {task["task"]["name"].rpartition(" : ")[2]: task["hosts"]["localhost"] for task in answer["plays"][0]["tasks"]}
        return answer["stats"]["localhost"], tasks

    def built(self, *arguments: str, **variables: t.Any) -> list[str]:
        """Run the playbook, which must work; gives RESULT of each image."""
        stats, tasks = self.run(*arguments, **variables)
        assert stats["failures"] == 0, [task for task in tasks.values() if task.get("failed")]
        self.table = tasks["What the registry has"]["msg"]
        images = tasks["Keep the result"]["ansible_facts"]["image_build_result"]["images"]
        assert bool(stats["changed"]) == any(image["action"] != "none" for image in images)
        return [image["action"] for image in images]

    def tags(self) -> list[str]:
        return self.builder.tags(self.repository)


@pytest.fixture
def project(tmp_path: Path, builder: Builder) -> Project:
    return Project(tmp_path, builder)


def test_a_commit_is_built_once(project: Project) -> None:
    commit = project.git("rev-parse", "HEAD")[:12]
    assert project.built("--check") == ["build"]
    assert "to be built" in project.table[1]
    assert project.tags() == []
    assert project.built() == ["build"]
    assert project.tags() == [f"front-{commit}", "front-latest"]
    own, latest = (project.builder.manifest(project.repository, tag) for tag in project.tags())
    assert own == latest
    name, tag, result, digest, *size = project.table[1].split()
    assert (name, tag, result, size) == ("front", f"front-{commit}", "built", ["0.0", "MB"])
    assert digest.startswith("sha256:")
    labels = project.builder.configuration(project.repository, "front-latest")["config"]["Labels"]
    assert labels["org.opencontainers.image.revision"].startswith(commit)
    # Neither needs an image here, nor buildx, nor the engine.
    docker("image", "rm", "--force", f"{project.builder.registry}/{project.repository}:front-{commit}")
    assert project.built() == ["none"]
    assert project.built("--check") == ["none"]
