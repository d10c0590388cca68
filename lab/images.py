"""Builds the lab's images, and pushes those of the sample application as a CI runner would.

An image is built again only when something it is made of has changed: the hash of its files and of the image it stands
on is kept in its label `popcon.lab.content`.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import engine, seed, state
from .config import CONTENT_LABEL, ECR_REPOSITORY, LAB, OTHER_REGISTRIES, PUSH_REGISTRY, REGISTRY
from .console import LabError, run, say, step

SUITE = "trixie"
#: What hosts can be made of besides, to test roles on them: the lab's own are of SUITE.
OTHER_SUITES = ("bookworm",)
_PACKAGES = "ca-certificates"
# docker build hands over to buildx where that is installed: its default builder is the one that sees local images, and
# an attestation would turn an image into an index with a digest of its own.
_BUILD_ENV = {"BUILDX_BUILDER": "default", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
_BUILDS_AT_ONCE = 3
_MANIFESTS = tuple(
    f"application/vnd.{kind}+json"
    for kind in (
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "oci.image.index.v1",
    )
)
# The suite's.
_PYTHON = "3.13"


@dataclass(frozen=True)
class Image:
    """A local image popcon-lab/`name`: its build context, the image it stands on, and where it is pushed, if at all.

    With `wheels`, the context given to Docker holds that folder under its own name, and beside it `wheels/` with the
    packages its requirements.txt names, fetched here: a container may not know the certificates this machine reaches
    PyPI with.
    """

    name: str
    context: Path
    base: str = "base"
    pushed_as: str | None = None
    wheels: bool = False

    @property
    def tag(self) -> str:
        """The local name."""
        return f"popcon-lab/{self.name}"


_APP = LAB / "app" / "images"
_HOST = LAB / "images" / "host"
#: In the order of what stands on what.
IMAGES = (
    Image("account", LAB / "account", wheels=True),
    Image("edge", LAB / "images" / "edge"),
    Image("registry", LAB / "images" / "registry"),
    Image("git", LAB / "images" / "git"),
    Image("host", _HOST),
    Image("python", _APP / "python"),
    Image("app-mysql", _APP / "mysql", pushed_as="library/mysql:9"),
    Image("app-redis", _APP / "redis", pushed_as="library/redis:8"),
    Image("app-backend", _APP / "backend", base="python", pushed_as=f"{ECR_REPOSITORY}:backend-latest"),
    Image("app-frontend", _APP / "frontend", base="python", pushed_as=f"{ECR_REPOSITORY}:frontend-latest"),
)
#: What an image of the application can be built to do wrong.
FAULTS = {
    "none": "nothing",
    "exit": "the process ends at its start",
    "crash": "it works for two seconds, then the process ends",
    "slow": "it takes twenty seconds to start",
    "unhealthy": "it runs and its health check fails",
}


def build_all() -> None:
    """Build what is missing or out of date."""
    hashes = {"base": ensure_base()}
    waiting = list(IMAGES)
    while waiting:
        ready = [image for image in waiting if image.base in hashes]
        for image in ready:
            hashes[image.name] = _hash([hashes[image.base].encode(), *_files(image.context)])
        stale = [image for image in ready if _content_of(image.tag) != hashes[image.name]]
        with ThreadPoolExecutor(_BUILDS_AT_ONCE) as pool:
            list(pool.map(lambda image: _build_local(image, hashes[image.name]), stale))
        waiting = [image for image in waiting if image.name not in hashes]


def ensure_host(suite: str) -> str:
    """Make the image of a host of SUITE or one of OTHER_SUITES, if it is missing or out of date; returns its name."""
    image = Image(_with_suite("host", suite), _HOST, base=_with_suite("base", suite))
    content = _hash([ensure_base(suite).encode(), *_files(image.context)])
    if _content_of(image.tag) != content:
        _build_local(image, content)
    return image.tag


def prune() -> None:
    """Free the disk of what a new build replaced or made on the way: images without a name that no container uses."""
    run("docker", "image", "prune", "--force", "--filter", f"label={CONTENT_LABEL}")


def push_all(*, public_only: bool) -> None:
    """Push what the registry lacks, or what changed here since `up` last pushed it; what `push` put there stays.

    With `public_only`, no image of the application.
    """
    seeded = state.load_seeded()
    for image, name in ((image, image.pushed_as) for image in IMAGES if image.pushed_as):
        if public_only and name.startswith(ECR_REPOSITORY):
            continue
        content = _content_of(image.tag)
        if seeded.get(image.name) == content and _is_in_registry(name):
            continue
        with step(f"Pushing {name}"):
            run("docker", "tag", image.tag, f"{PUSH_REGISTRY}/{name}")
            _push(name)
        state.save_seeded(**{image.name: content})


def push_version(service: str, version: str, fault: str, ballast: int) -> None:
    """Build `frontend` or `backend` as another version and push it under its usual tag.

    `fault` is one of FAULTS; `ballast` makes the image bigger by so many megabytes, other ones in each version.
    """
    image = next(image for image in IMAGES if image.name == f"app-{service}")
    name = f"{ECR_REPOSITORY}:{service}-latest"
    if not _content_of(image.tag):
        raise LabError("the lab's images are not built; run: python -m lab up")
    with step(f"Pushing {name}, version {version}{'' if fault == 'none' else f', fault {fault}'}"):
        arguments = {"VERSION": version, "FAULT": fault, "BALLAST": ballast}
        options = (f"--build-arg={key}={value}" for key, value in arguments.items())
        _build(image.context, f"{PUSH_REGISTRY}/{name}", *options)
        _push(name)


def push_local(reference: str) -> str:
    """Push an image of the local engine to where the hosts find it by its name; in words, what became of it."""
    name = pushed_name(reference)
    if name is None:
        others = ", ".join(("Docker Hub", REGISTRY, *OTHER_REGISTRIES))
        return f"not in the lab, which stands in for these registries only: {others}"
    if name in {image.pushed_as for image in IMAGES}:
        return "the lab's own"
    if run("docker", "image", "inspect", reference, check=False).returncode == 0:
        if reference.startswith(f"{REGISTRY}/"):
            seed.ensure_repository(name.rpartition(":")[0])
        # What has a digest in its name is found by it if the engine kept the image as it was.
        repository, _dummy, digest = name.partition("@")
        target = f"{repository}:digest-{digest[-12:]}" if digest else name
        run("docker", "tag", reference, f"{PUSH_REGISTRY}/{target}")
        _push(target)
        if _is_in_registry(name):
            return "pushed from this machine"
        return "MISSING: this machine's image has another digest; name it by a tag"
    if _is_in_registry(name):
        return "in the lab's registry from before"
    return f"MISSING: not on this machine; docker pull or docker build it as {reference}, then run this again"


def pushed_name(reference: str) -> str | None:
    """Where the lab's registry has an image that compose files name so; None if it is of a registry that the lab has not."""
    first, slash, rest = reference.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", reference if slash else f"library/{reference}"
    if first in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        rest = rest if "/" in rest else f"library/{rest}"
        first = "" if rest.startswith("library/") else "docker.io/"
    elif first == REGISTRY:
        first = ""
    elif first in OTHER_REGISTRIES:
        first += "/"
    else:
        return None
    if "@" in rest:
        repository, _dummy, digest = rest.partition("@")
        return f"{first}{repository.partition(':')[0]}@{digest}"
    return f"{first}{rest}" if ":" in rest else f"{first}{rest}:latest"


def remove_all() -> None:
    """Remove every image of the lab, the base too, but what a container of somebody else's uses."""
    bases = [_with_suite(name, suite) for name in ("host", "base") for suite in OTHER_SUITES]
    for tag in [*(image.tag for image in reversed(IMAGES)), *(f"popcon-lab/{name}" for name in [*bases, "base"])]:
        removed = run("docker", "image", "rm", tag, check=False)
        if "in use" in removed.stderr or "is using" in removed.stderr:
            say(f"Kept the image {tag}: a container that is not the lab's uses it")


def _build_local(image: Image, content: str) -> None:
    with step(f"Building the {image.name} image"), _context(image) as context:
        options = ("--label", f"{CONTENT_LABEL}={content}", "--build-arg", f"BASE=popcon-lab/{image.base}")
        _build(context, image.tag, "--file", str(image.context / "Dockerfile"), *options)


@contextmanager
def _context(image: Image) -> Iterator[Path]:
    if not image.wheels:
        yield image.context
        return
    with tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch)
        shutil.copytree(image.context, context / image.context.name, ignore=shutil.ignore_patterns("__pycache__"))
        machine = platform.machine()
        options = ["--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={_PYTHON}", "--quiet"]
        options += [f"--platform=manylinux_2_{minor}_{machine}" for minor in (34, 28, 17)]
        requirements = str(image.context / "requirements.txt")
        download = (sys.executable, "-m", "pip", "download", *options, f"--dest={context / 'wheels'}", "--requirement")
        run(*download, requirements)
        yield context


def _build(context: Path, tag: str, *options: str) -> None:
    run("docker", "build", "--quiet", "--force-rm", "--tag", tag, *options, str(context), env=_BUILD_ENV)


def _push(name: str) -> None:
    run("docker", "push", "--quiet", f"{PUSH_REGISTRY}/{name}")
    run("docker", "image", "rm", f"{PUSH_REGISTRY}/{name}")


def _content_of(tag: str) -> str:
    """The content hash of a local image; empty when there is no such image or it is not of the lab."""
    label = f'{{{{index .Config.Labels "{CONTENT_LABEL}"}}}}'
    return run("docker", "image", "inspect", "--format", label, tag, check=False).stdout.strip()


def _is_in_registry(name: str) -> bool:
    repository, tag = re.split("[:@]", name, maxsplit=1)
    request = urllib.request.Request(f"http://{PUSH_REGISTRY}/v2/{repository}/manifests/{tag}", method="HEAD")
    request.add_header("Accept", ", ".join(_MANIFESTS))
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()
    except urllib.error.HTTPError:
        return False
    return True


def _with_suite(name: str, suite: str) -> str:
    return name if suite == SUITE else f"{name}-{suite}"


def ensure_base(suite: str = SUITE) -> str:
    """Make the image all others stand on, from Docker Hub where it answers, else from Debian's packages."""
    tag = f"popcon-lab/{_with_suite('base', suite)}"
    content = _hash([suite.encode(), _PACKAGES.encode()])
    if _content_of(tag) == content:
        return content
    if _docker_hub_answers():
        with step(f"Making the base image from {_hub_image(suite)}"):
            _base_from_hub(suite, tag, content)
    else:
        if shutil.which("mmdebstrap") is None:
            say("Docker Hub does not answer: making the base image from Debian's packages")
            engine.apt_install("mmdebstrap", "debian-archive-keyring")
        if os.geteuid() != 0:
            raise LabError("Docker Hub does not answer; without it, making the base image takes root: use sudo")
        with step(f"Making the base image from Debian {suite}'s packages"):
            _base_from_packages(suite, tag, content)
    return content


def _docker_hub_answers() -> bool:
    try:
        urllib.request.urlopen("https://registry-1.docker.io/v2/", timeout=4).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _hub_image(suite: str) -> str:
    return f"debian:{suite}-slim"


def _base_from_hub(suite: str, tag: str, content: str) -> None:
    hub_image = _hub_image(suite)
    was_there = run("docker", "image", "inspect", hub_image, check=False).returncode == 0
    run("docker", "pull", "--quiet", hub_image)
    recipe = (
        f"FROM {hub_image}\n"
        f"RUN apt-get update && apt-get install -y --no-install-recommends {_PACKAGES} && rm -rf /var/lib/apt/lists/*\n"
    )
    with tempfile.TemporaryDirectory() as context:
        Path(context, "Dockerfile").write_text(recipe)
        _build(Path(context), tag, "--label", f"{CONTENT_LABEL}={content}")
    if not was_there:
        run("docker", "image", "rm", hub_image)


def _base_from_packages(suite: str, tag: str, content: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        archive = f"{scratch}/base.tar"
        # The archive's own files in /var/lib/apt/lists would be stale by the time an image is built on it.
        trim = "--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/*"
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", trim, suite, archive)
        changes = ("--change", "ENV PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        label = ("--change", f"LABEL {CONTENT_LABEL}={content}")
        run("docker", "import", *changes, *label, archive, tag)


def _files(folder: Path) -> Iterable[bytes]:
    """Name, executable bit and content of every file below `folder`, in a stable order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{path.relative_to(folder)} {path.stat().st_mode & 0o111}".encode()
            yield path.read_bytes()


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:32]
