"""Files that git has only a reference to: submodules, and what is kept in Git LFS."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.files import SUBMODULE

# Source: the specification of Git LFS, docs/spec.md, "The Pointer": less than 1024 bytes, beginning with the version.
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find the submodules and pointers that services would get in the place of files."""
    for name, source in _used(look):
        # Who mounts all of a repository need not use all of it.
        kind = Kind.SURPRISES if source == look.files.clone else Kind.MISLEADS
        for path, mode in look.files.tracked_below(source).items():
            if mode == SUBMODULE:
                yield Obstacle(
                    kind,
                    f"{name} uses {source}, and {path} is a submodule, which is not checked out:"
                    " add its files to the repository itself (git subtree add), or put them into an image.",
                )
            elif _is_pointer(look.files.wanted(path)):
                yield Obstacle(
                    kind,
                    f"{name} uses {source}, and {path} is kept in Git LFS, which is not fetched: take it out"
                    " of LFS (git lfs untrack, then git add --renormalize), or put it into an image.",
                )


def _used(look: Situation) -> list[tuple[str, str]]:
    """The paths that services use, with who uses each."""
    mounted = [(f"Service {name}", mount["source"]) for name, mount in look.bind_mounts()]
    given = [
        (f"The {kind[:-1]} {name}", entry["file"])
        for kind in ("secrets", "configs")
        for name, entry in (look.model.get(kind) or {}).items()
        if "file" in entry
    ]
    return mounted + given


def _is_pointer(path: str) -> bool:
    """Whether a file is what git has of one that is kept in LFS. A device or a FIFO in its place is not opened."""
    try:
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_size >= _POINTER_BYTES:
            return False
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with open(fd, "rb") as file:
        return stat.S_ISREG(os.fstat(fd).st_mode) and file.read(len(_POINTER)) == _POINTER
