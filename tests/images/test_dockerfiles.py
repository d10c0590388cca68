"""The Dockerfiles to copy, each with a small app of its kind: built by the playbook, pushed, pulled and run.

The base images are made from Debian's packages, since not every machine can pull the ones that the Dockerfiles name.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import time
import typing as t
import urllib.request
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.tests.integration.builder import Builder, Project, docker, serve_builder

HERE = Path(__file__).parent
FILES = HERE.parents[1] / "roles/image_build/files"
INSTALL = "RUN apt-get update && apt-get install -y --no-install-recommends"
# What this machine reaches registries with may be its own certificate authority.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Builder]:
    with serve_builder(tmp_path_factory.mktemp("builder")) as builder:
        yield builder


@pytest.fixture
def base(builder: Builder, tmp_path: Path) -> t.Callable[[str, str], str]:
    """Make an image of Debian packages; gives its name."""

    def base(name: str, packages: str) -> str:
        context = tmp_path / name
        context.mkdir()
        shutil.copy(CERTIFICATES, context)
        (context / "Dockerfile").write_text(
            f"FROM popcon-lab/base\n{INSTALL} {packages} && rm -rf /var/lib/apt/lists/*\n"
            f"COPY {CERTIFICATES.name} {CERTIFICATES}\nENV NODE_EXTRA_CA_CERTS={CERTIFICATES}\n"
        )
        builder.build(f"{builder.mark}-{name}", context)
        return f"{builder.mark}-{name}"

    return base


def project_of(kind: str, tmp_path: Path, builder: Builder) -> Project:
    """The app of this kind, with the Dockerfile that is to be copied to it."""
    folder = tmp_path / f"{kind}-project"
    folder.mkdir()
    project = Project(folder, builder)
    app = {"nextjs": "next-app", "gradle": "gradle-app"}[kind]
    shutil.copytree(HERE / app, project.source, dirs_exist_ok=True)
    shutil.copy(FILES / f"{kind}.Dockerfile", project.source / "Dockerfile")
    shutil.copy(FILES / f"{kind}.dockerignore", project.source / ".dockerignore")
    project.commit()
    return project


class Container:
    """What was pushed, run as a deploy would."""

    def __init__(self, project: Project, port: int, *options: str) -> None:
        self.image = f"{project.builder.registry}/{project.repository}:front-latest"
        # So that it comes from the registry.
        docker("image", "rm", "--force", self.image)
        self.name = f"{project.builder.mark}-app"
        run = ("run", "--detach", "--name", self.name, "--publish", f"127.0.0.1::{port}", *options, self.image)
        docker(*run, DOCKER_CONFIG=str(project.builder.config))
        self.address = docker("port", self.name, f"{port}/tcp").splitlines()[0]

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_exception: object) -> None:
        docker("rm", "--force", self.name)

    def inspect(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(docker("inspect", self.name))[0])

    def wait_until_healthy(self) -> None:
        """By its own health check."""
        end = time.monotonic() + 90
        while (state := self.inspect()["State"])["Health"]["Status"] != "healthy":
            assert state["Running"] and time.monotonic() < end, (state, docker("logs", self.name))
            time.sleep(1)

    def get(self, path: str) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.address}{path}", timeout=10) as response:
            return t.cast(str, response.read().decode())

    def run(self, command: str) -> str:
        return docker("exec", self.name, "sh", "-c", command)


def test_nextjs(base: t.Callable[[str, str], str], builder: Builder, tmp_path: Path) -> None:
    project = project_of("nextjs", tmp_path, builder)
    url = "http://203.0.113.10:8080"
    project.image["args"] = {"NODE_IMAGE": base("node", "nodejs npm"), "NEXT_PUBLIC_API_URL": url}
    # In whose network npm reaches its registry as this machine does.
    network = {"image_build_network": "host"}
    assert project.built(**network) == ["build"]
    print(*project.table, sep="\n")
    assert project.built(**network) == ["none"]
    with Container(project, 3000) as container:
        container.wait_until_healthy()
        assert url in container.get("/").replace("<!-- -->", "")
        assert container.run("id -u") == "10001"
        assert container.run("ls -a /app") == ".\n..\n.next\nnode_modules\npackage.json\npublic\nserver.js"
        # Neither the compiler nor the sources.
        assert container.run("find /app/node_modules/next -maxdepth 0") != ""
        assert container.run("find /app -path '*/swc-linux-*' -o -path '/app/app/*'") == ""
        docker("stop", "--time", "10", container.name)
        # Of the signal's own accord and not killed for being deaf to it.
        assert container.inspect()["State"]["ExitCode"] in (0, 143)


def test_gradle(base: t.Callable[[str, str], str], builder: Builder, tmp_path: Path) -> None:
    project = project_of("gradle", tmp_path, builder)
    project.image["args"] = {
        "JDK_IMAGE": base("jdk", "gradle openjdk-21-jdk-headless"),
        "JRE_IMAGE": base("jre", "openjdk-21-jre-headless"),
    }
    assert project.built() == ["build"]
    print(*project.table, sep="\n")
    with Container(project, 8080, "--env", "JAVA_OPTS=-Xms16m -Xmx64m") as container:
        container.wait_until_healthy()
        assert json.loads(container.get("/actuator/health"))["memory"] <= 64 * 1024 * 1024
        assert container.run("id -u") == "10001"
        assert container.run("ls /app") == "app.jar"
        assert container.run("command -v javac gradle || true") == ""
        docker("stop", "--time", "10", container.name)
        assert container.inspect()["State"]["ExitCode"] == 143
