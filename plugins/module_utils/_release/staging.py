"""The wanted files and settings, laid over those of the project's folder for as long as they are not in place."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.private_file import make_private_folder
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import write_secret_file
from ansible_collections.popcon.deploy.plugins.module_utils._docker.overlay import Overlay, hide
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout

# Where whiteouts can be made on a host that is itself a container, too.
_TMPFS = "/dev/shm"
_HIDDEN = "hidden"


@contextlib.contextmanager
def folder(path: str | None = None) -> t.Iterator[str]:
    """An empty folder of that name, or of a new one, for as long as something is staged; for its owner only."""
    if path:
        discard(path)
        make_private_folder(path)
    else:
        path = tempfile.mkdtemp()
    try:
        yield path
    finally:
        discard(path)


def discard(path: str) -> None:
    """Remove such a folder, also one that a killed run left."""
    with contextlib.suppress(OSError):
        shutil.rmtree(os.readlink(f"{path}/{_HIDDEN}"))
    shutil.rmtree(path, ignore_errors=True)


def exported(clone: str, commit: str, scratch: str) -> str:
    """A folder with the files of a commit that the clone has."""
    tree = f"{scratch}/files"
    checkout.export(clone, commit, tree)
    return tree


def overlays(
    clone: str, tree: str, head: str | None, commit: str | None, env_file: str, content: bytes | None, scratch: str
) -> list[Overlay]:
    """What has compose see the wanted files and settings at their places.

    :param tree: the folder with the wanted files; the clone itself if they are in place.
    :param head: the commit that is checked out in the clone.
    :param commit: the wanted commit, if the clone has it.
    :param content: what is to be in the env file, None if that is so.
    :param scratch: an empty folder, which may be that of `tree`.
    """
    over = _folder(scratch, "over")
    made, changed = [], set()
    if not os.path.isdir(clone):
        made.append(_missing_folder(clone, scratch))
    if content is not None:
        inner = os.path.relpath(env_file, clone)
        if inner.partition("/")[0] == "..":
            beside = _folder(scratch, "settings")
            write_secret_file(f"{beside}/{os.path.basename(env_file)}", content)
            made.append(Overlay(os.path.dirname(env_file), beside, changed=[env_file]))
        else:
            # A job may mount the whole folder, so it is best among the other files, if these are ours.
            beside = tree if tree.startswith(f"{scratch}/") else over
            os.makedirs(os.path.dirname(f"{beside}/{inner}"), mode=0o700, exist_ok=True)
            write_secret_file(f"{beside}/{inner}", content)
            changed.add(env_file)
    if tree == clone:
        return [*made, Overlay(clone, over, changed=changed)] if changed else made
    old = checkout.tracked(clone, head) if head else {}
    if commit:
        new = checkout.tracked(clone, commit)
        changed |= {os.path.join(clone, path) for path in {*old, *new} if old.get(path) != new.get(path)}
    gone = [path for path in old if not os.path.lexists(f"{tree}/{path}") and _only_folders_above(tree, path)]
    return [*made, Overlay(clone, over, tree, _hidden(scratch, gone), changed)]


def _hidden(scratch: str, paths: t.Sequence[str]) -> str | None:
    """A folder by which files are hidden, by their names in the clone."""
    if not paths:
        return None
    hidden = tempfile.mkdtemp(prefix="popcon.", dir=_TMPFS)
    os.symlink(hidden, f"{scratch}/{_HIDDEN}")
    for path in paths:
        hide(hidden, path)
    return hidden


def _folder(scratch: str, name: str) -> str:
    folder = f"{scratch}/{name}"
    os.mkdir(folder, 0o700)
    return folder


def _missing_folder(clone: str, scratch: str) -> Overlay:
    """What has the folder of the clone be there, empty, to lay something over."""
    base = clone
    while not os.path.isdir(base):
        base = os.path.dirname(base)
    if base == "/":
        raise DeployError(
            f"Nothing of {clone} is there yet, so what a deploy would do can't be seen: make its first folder."
        )
    skeleton = _folder(scratch, "skeleton")
    os.makedirs(os.path.join(skeleton, os.path.relpath(clone, base)))
    return Overlay(base, skeleton)


def _only_folders_above(tree: str, path: str) -> bool:
    """Whether nothing but folders stands in a tree where the path leads; else what stands there hides the path already."""
    above: t.Any = path
    while above := os.path.dirname(above):
        full = os.path.join(tree, above)
        if os.path.lexists(full) and (os.path.islink(full) or not os.path.isdir(full)):
            return False
    return True
