"""The files of a release as they will be in the clone: where they can be looked at, and which are there."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import functools
import os
import re
import stat
import typing as t

#: git's mode of a submodule.
SUBMODULE = "160000"


class Files:
    """The wanted files of a clone.

    :param clone: the folder that they belong in.
    :param tree: the folder that holds the wanted content, the clone itself where that is in place.
    :param now: gives the names in the clone that git tracks now.
    :param in_place: gives git's modes of the tracked files by name, where `tree` is the clone.
    :param written: absolute paths of files that the release itself writes.
    """

    def __init__(
        self,
        clone: str,
        tree: str,
        now: t.Callable[[], t.Collection[str]],
        in_place: t.Callable[[], t.Mapping[str, str]],
        written: t.Collection[str] = (),
    ) -> None:
        self.clone = clone
        self._tree = tree
        self._now = now
        self._in_place = in_place
        self._written = written

    def will_exist(self, path: str) -> bool:
        """Whether there will be something at an absolute path of the host once the files are in place."""
        if path in self._written:
            return True
        inside = self._inside(path)
        if inside is None or self._tree == self.clone:
            return os.path.lexists(path)
        if os.path.lexists(os.path.join(self._tree, inside)):
            return True
        return os.path.lexists(path) and self._stays(path, inside)

    def is_tracked(self, path: str) -> bool:
        """Whether a path is a file of the wanted commit or of the one that is in place, or a folder with any of their files."""
        inside = self._inside(path)
        if inside is None:
            return False
        return any(_is_below(name, inside) for names in (self.tracked, self._tracked_now) for name in names)

    def tracked_below(self, path: str) -> dict[str, str]:
        """git's modes by name of the wanted files at or below an absolute path, and of a submodule that the path is in."""
        inside = self._inside(path)
        if inside is None:
            return {}
        return {
            name: mode
            for name, mode in self.tracked.items()
            if _is_below(name, inside) or (mode == SUBMODULE and _is_below(inside, name))
        }

    def wanted(self, name: str) -> str:
        """Where the wanted content of a tracked file is."""
        return os.path.join(self._tree, name)

    @functools.cached_property
    def tracked(self) -> t.Mapping[str, str]:
        """git's modes of the wanted files, by their names in the clone."""
        return self._in_place() if self._tree == self.clone else _modes(self._tree)

    @functools.cached_property
    def _tracked_now(self) -> t.Collection[str]:
        return self._now()

    def _inside(self, path: str) -> str | None:
        """The name of a path in the clone, "" for the clone itself, None for a path elsewhere."""
        if path == self.clone:
            return ""
        return path[len(self.clone) + 1 :] if path.startswith(f"{self.clone}/") else None

    def _stays(self, path: str, inside: str) -> bool:
        """Whether something that is there, and not in the wanted commit, is more than what git removes with that."""
        if os.path.islink(path) or not os.path.isdir(path):
            return inside not in self._tracked_now
        is_empty = True
        for at, _folders, names in os.walk(path):
            if any(os.path.join(at, name)[len(self.clone) + 1 :] not in self._tracked_now for name in names):
                return True
            is_empty = is_empty and not names
        return is_empty


def _is_below(name: str, folder: str) -> bool:
    return not folder or name == folder or name.startswith(f"{folder}/")


def _modes(tree: str) -> dict[str, str]:
    """git's modes of what was exported to a folder, by name."""
    found = dict.fromkeys(_submodules(tree), SUBMODULE)
    for at, _folders, names in os.walk(tree):
        for name in names:
            path = os.path.join(at, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode) or stat.S_ISREG(mode):
                found[os.path.relpath(path, tree)] = "120000" if stat.S_ISLNK(mode) else "100644"
    return found


def _submodules(tree: str) -> list[str]:
    """The names of the submodules of an exported commit. Source: gitmodules(5)."""
    path = os.path.join(tree, ".gitmodules")
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        return re.findall(r'^\s*path\s*=\s*"?([^"\n]*?)"?\s*$', file.read(), re.MULTILINE)
