"""Whether a host is where a deploy would bring it, told from its last good release without planning a new one.

The same commit, settings and digests make the same release. So what must be compared is where those come from, and whether
the host still is as that release left it.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import read_regular_file
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker import readiness
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import pinned
from ansible_collections.popcon.deploy.plugins.module_utils._git.clone import inspect
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import Git, GitFailure
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records

_ENDS = {"started": "did not end", "failed": "failed", "interrupted": "was interrupted"}


class Wanted(t.NamedTuple):
    """Where a deploy would take things from now.

    `commit` is what the ref stands for, and `parameters` are versions by name; both None if they are not known.
    """

    inputs: str
    repository: str | None
    commit: str | None
    parameters: t.Mapping[str, int] | None


class Present(t.NamedTuple):
    """What is on the host, and what the registries hold.

    `newest` is the newest record, `locked` whether a deploy is at it. `head` is the commit of the checkout, None without
    one; `edited` whether its files are otherwise. `env_kept` tells whether the env file is as the release left it.
    `digests` has the recorded references as they are by digest now, without those that no registry told.
    """

    newest: Json
    locked: bool
    head: str | None
    edited: bool
    env_kept: bool
    digests: t.Mapping[str, str]
    containers: t.Sequence[Json]


def differences(release: Json, wanted: Wanted, present: Present) -> list[str]:
    """Why a deploy would change something, in a few words each; empty if it would not.

    :param release: the record of the last good release.
    """
    found = []
    if present.newest["number"] != release["number"]:
        found.append(f"release {present.newest['number']} {_ENDS[present.newest['result']]}")
    if present.locked:
        found.append("a deploy is at it")
    if (wanted.inputs, wanted.repository) != (release["inputs"], release["repository"]):
        found.append("the options of the deploy")
    if wanted.commit != release["commit"]:
        found.append(f"commit {_short(release['commit'])} -> {_short(wanted.commit)}")
    if present.head != release["commit"]:
        found.append(f"the checkout is at {_short(present.head)}")
    if present.edited:
        found.append("files of the checkout were edited")
    found += _changed_parameters(release, wanted.parameters)
    if not present.env_kept:
        found.append("the env file is not as the release left it")
    for service, image in release["images"].items():
        if present.digests.get(image["reference"]) != image["pinned"]:
            found.append(f"image of {service}")
    return found + _changed_containers(release, present.containers)


def _changed_parameters(release: Json, versions: t.Mapping[str, int] | None) -> list[str]:
    if versions is None:
        return ["the parameters are not known"]
    recorded = {key["name"]: key["version"] for key in release["parameters"] if key["source"] == "parameter"}
    said = []
    for name in sorted({*recorded, *versions}):
        if name not in recorded:
            said.append(f"parameter {name} is new")
        elif name not in versions:
            said.append(f"parameter {name} is gone")
        elif recorded[name] != versions[name]:
            said.append(f"parameter {name} changed")
    return said


def _changed_containers(release: Json, containers: t.Sequence[Json]) -> list[str]:
    said = []
    here = set()
    for container in containers:
        about = row_of(container)
        service = about["service"]
        here.add(service)
        verdict = readiness.judge(container)
        if service not in release["images"]:
            said.append(f"container {about['container']} is not of the release")
        elif container["Config"]["Image"] != release["images"][service]["pinned"]:
            said.append(f"{service} runs another image")
        elif verdict.state != readiness.READY:
            said.append(f"{service} {verdict.reason}")
    return said + [f"{service} has no container" for service in release["images"] if service not in here]


def _short(commit: str | None) -> str:
    return commit[:7] if commit else "none that is known"


def look(
    release: Json,
    records: Records,
    engine: Engine,
    git: Git | None,
    project_dir: str,
    auths: t.Sequence[t.Callable[[str], str | None]],
) -> Present:
    """See what is there, without changing or waiting for anything.

    :param git: for a project that comes from a repository.
    :param auths: ways to get the `X-Registry-Auth` header for a registry's name, as for `_release.Release`.
    :raises DeployError: the engine does not answer, or files are there that a deploy would stumble over too.
    """
    head, edited = _checkout(git, project_dir) if git else (None, False)
    return Present(
        newest=records.all()[-1],
        locked=records.holder() is not None,
        head=head,
        edited=edited,
        env_kept=_env_is_kept(os.path.join(project_dir, ".env"), records, release["number"]),
        digests=pinned(engine, {image["reference"] for image in release["images"].values()}, auths)[0],
        containers=engine.containers(records.project),
    )


def _checkout(git: Git, folder: str) -> tuple[str | None, bool]:
    """The commit that is checked out in a folder, if any, and whether its files are otherwise."""
    state = inspect(git, folder)
    if state.kind != "checkout":
        return None, False
    try:
        # Whoever only looks must not write the index, which a deploy may be at.
        said = git.run(
            "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--ignore-submodules",
            git_dir=os.path.join(folder, ".git"), work_tree=folder,
        )  # fmt: skip
    except GitFailure:
        return state.before, True
    return state.before, bool(said or state.target)


def _env_is_kept(path: str, records: Records, number: int) -> bool:
    try:
        recorded = records.env_of(number)
    except DeployError:
        return False
    content = read_regular_file(path)
    return content == recorded and stat.S_IMODE(os.lstat(path).st_mode) == 0o600
