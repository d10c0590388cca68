"""What tests of the playbook build start from: a registry and buildx, both Debian's packages, and a repository to build.

Everything made here is called `popcon-buildtest-…`.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from ansible_collections.popcon.deploy.tests.integration.emulators import environment_without_aws
from ansible_collections.popcon.deploy.tests.integration.plays import ansible_settings

from lab import engine
from lab.console import LabError
from lab.images import ensure_base

PREFIX = "popcon-buildtest-"
_DOCKERFILE = """
FROM popcon-lab/base
RUN apt-get update \\
    && apt-get install -y --no-install-recommends apache2-utils docker-registry docker-buildx \\
    && htpasswd -Bbc /etc/docker/registry/users AWS {token} \\
    && install -d -o docker-registry -g docker-registry /var/lib/docker-registry
COPY config.yml /etc/docker/registry/config.yml
ENV REGISTRY_AUTH=htpasswd REGISTRY_AUTH_HTPASSWD_REALM=tests REGISTRY_AUTH_HTPASSWD_PATH=/etc/docker/registry/users
USER docker-registry
CMD ["docker-registry", "serve", "/etc/docker/registry/config.yml"]
"""
_PLUGIN = "/usr/libexec/docker/cli-plugins/docker-buildx"
_COLLECTION = Path(__file__).parents[2]
_REGISTRY_CONFIG = _COLLECTION / "lab/images/registry/config.yml"
_ACCEPT = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


def docker(*arguments: str, check: bool = True, **environment: str) -> str:
    """Run the docker command and give what it printed."""
    done = subprocess.run(
        ["docker", *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Builder:
    """A registry's address, a folder for DOCKER_CONFIG with buildx and a login, and a mark in the names of this run's images."""

    registry: str
    config: Path
    mark: str
    basic: str

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to build."""
        return {**environment_without_aws(), "DOCKER_CONFIG": str(self.config)}

    def build(self, tag: str, context: Path) -> None:
        """Build a local image, for others to stand on."""
        docker("buildx", "build", "--load", "--tag", tag, str(context), DOCKER_CONFIG=str(self.config))

    def tags(self, repository: str) -> list[str]:
        """What the registry has, sorted."""
        return sorted(json.loads(self._get(f"{repository}/tags/list") or b"{}").get("tags") or [])

    def manifest(self, repository: str, tag: str) -> dict[str, t.Any]:
        """The manifest behind a tag."""
        return t.cast("dict[str, t.Any]", json.loads(self._get(f"{repository}/manifests/{tag}")))

    def configuration(self, repository: str, tag: str) -> dict[str, t.Any]:
        """What an image says of itself: user, command, labels, history."""
        digest = self.manifest(repository, tag)["config"]["digest"]
        return t.cast("dict[str, t.Any]", json.loads(self._get(f"{repository}/blobs/{digest}")))

    def pushes(self, repository: str) -> dict[str, int]:
        """How often each tag was pushed, as the registry's own log has it."""
        lines = docker("logs", f"{self.mark}-registry").splitlines()
        tags = [
            tag for line in lines for tag in re.findall(rf'"PUT /v2/{repository}/manifests/(\S+) HTTP/1.1" 201', line)
        ]
        return dict(Counter(tags))

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(
            f"http://{self.registry}/v2/{path}", headers={"Accept": _ACCEPT, "Authorization": f"Basic {self.basic}"}
        )
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
                return t.cast(bytes, response.read())
        except urllib.error.HTTPError as exc:
            assert exc.code == 404, (path, exc.code)
            return b""


@contextlib.contextmanager
def serve_builder(folder: Path) -> t.Iterator[Builder]:
    """Start a registry on a loopback port, which wants a login, and have buildx; take away all that this run made in the engine.

    The test is skipped where there is no engine and none can be started.
    """
    try:
        engine.ensure()
    except LabError as exc:
        pytest.skip(str(exc))
    mark = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    ensure_base()
    context = folder / "tools"
    context.mkdir()
    token = secrets.token_urlsafe(32)
    (context / "Dockerfile").write_text(_DOCKERFILE.format(token=token))
    shutil.copy(_REGISTRY_CONFIG, context)
    try:
        docker("build", "--quiet", "--force-rm", "--tag", f"{mark}-tools", str(context), BUILDX_BUILDER="default")
        docker("run", "--detach", "--name", f"{mark}-registry", "--publish", "127.0.0.1::5000", f"{mark}-tools")
        plugins = folder / "docker/cli-plugins"
        plugins.mkdir(parents=True)
        docker("cp", f"{mark}-registry:{_PLUGIN}", str(plugins))
        address = docker("port", f"{mark}-registry", "5000/tcp").splitlines()[0]
        basic = base64.b64encode(f"AWS:{token}".encode()).decode()
        # As ecr_login stores one.
        (plugins.parent / "config.json").write_text(json.dumps({"auths": {address: {"auth": basic}}}))
        builder = Builder(address, plugins.parent, mark, basic)
        end = time.monotonic() + 30
        while True:
            try:
                builder.tags("none")
                break
            except OSError:
                assert time.monotonic() < end, docker("logs", f"{mark}-registry")
                time.sleep(0.1)
        yield builder
    finally:
        docker("rm", "--force", "--volumes", f"{mark}-registry", check=False)
        images = docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
        for image in sorted(image for image in images if mark in image):
            docker("image", "rm", "--force", image, check=False)


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

    @property
    def variables(self) -> dict[str, t.Any]:
        """What the inventory has."""
        return {
            "image_build_images": [self.image],
            "image_build_registry": self.builder.registry,
            "image_build_repository": self.repository,
            "image_build_pull": False,
        }

    @property
    def environment(self) -> dict[str, str]:
        """For a process that runs the playbook; it changes nothing of the user's."""
        return {**self.builder.environment, **ansible_settings(self.folder)}

    def run(
        self, *arguments: str, environment: dict[str, str] | None = None, **variables: t.Any
    ) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Run the playbook; gives the totals, and the results of its tasks by name."""
        # As a user has it: variables of an inventory that needs no host, and so doesn't name this one.
        inventory = self.folder / "inventory"
        (inventory / "group_vars").mkdir(parents=True, exist_ok=True)
        (inventory / "hosts.yml").write_text("all: {hosts: {}}\n")
        (inventory / "group_vars/all.yml").write_text(yaml.safe_dump({**self.variables, **variables}))
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventory", *arguments, str(_COLLECTION / "playbooks/build.yml")],
            cwd=self.folder,
            env={
                **self.environment,
                "PWD": str(self.folder),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                **(environment or {}),
            },
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        _verbose, brace, rest = done.stdout.partition("{\n")
        assert brace, done.stdout + done.stderr
        answer = json.loads(brace + rest)
        self.shown = done.stdout + done.stderr
        tasks = {
            task["task"]["name"].rpartition(" : ")[2]: task["hosts"]["localhost"]
            for task in answer["plays"][0]["tasks"]
        }
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
