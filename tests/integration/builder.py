# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry and buildx for tests that build images, both Debian's packages, and what they leave taken away again.

Everything made here is called `popcon-buildtest-…`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
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

from ansible_collections.popcon.deploy.tests.integration.emulators import environment_without_aws

from lab.images import ensure_base

PREFIX = "popcon-buildtest-"
_DOCKERFILE = """
FROM popcon-lab/base
RUN apt-get update \\
    && apt-get install -y --no-install-recommends docker-registry docker-buildx \\
    && install -d -o docker-registry -g docker-registry /var/lib/docker-registry
COPY config.yml /etc/docker/registry/config.yml
USER docker-registry
CMD ["docker-registry", "serve", "/etc/docker/registry/config.yml"]
"""
_PLUGIN = "/usr/libexec/docker/cli-plugins/docker-buildx"
_REGISTRY_CONFIG = Path(__file__).parents[2] / "lab/images/registry/config.yml"
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
    """A registry's address, a folder for DOCKER_CONFIG with buildx in it, and a mark in the names of this run's images."""

    registry: str
    config: Path
    mark: str

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
        request = urllib.request.Request(f"http://{self.registry}/v2/{path}", headers={"Accept": _ACCEPT})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
                return t.cast(bytes, response.read())
        except urllib.error.HTTPError as exc:
            assert exc.code == 404, (path, exc.code)
            return b""


@contextlib.contextmanager
def serve_builder(folder: Path) -> t.Iterator[Builder]:
    """Start a registry on a loopback port and have buildx; take away all that this run made in the engine."""
    mark = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    ensure_base()
    context = folder / "tools"
    context.mkdir()
    (context / "Dockerfile").write_text(_DOCKERFILE)
    shutil.copy(_REGISTRY_CONFIG, context)
    try:
        docker("build", "--quiet", "--force-rm", "--tag", f"{mark}-tools", str(context), BUILDX_BUILDER="default")
        docker("run", "--detach", "--name", f"{mark}-registry", "--publish", "127.0.0.1::5000", f"{mark}-tools")
        plugins = folder / "docker/cli-plugins"
        plugins.mkdir(parents=True)
        docker("cp", f"{mark}-registry:{_PLUGIN}", str(plugins))
        address = docker("port", f"{mark}-registry", "5000/tcp").splitlines()[0]
        builder = Builder(address, plugins.parent, mark)
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
