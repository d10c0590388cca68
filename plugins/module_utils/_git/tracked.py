"""What a commit tracks, by git's own ids: whether a file changed is known without opening it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import hashlib
import os
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import GitFailure, private_git

_SECONDS = 60
_LINK = "120000"


class Tracked(t.NamedTuple):
    """What a commit tracks, by absolute path: `ids` has "mode id" of every file and link, `links` where the links lead."""

    ids: t.Mapping[str, str]
    links: t.Mapping[str, str]


def tracked(clone: str, commit: str, tree: str) -> Tracked:
    """What the commit, given in full, tracks. Changes nothing in the clone, and waits for nobody. Errors: DeployError.

    :param tree: a folder with its files, where the clone may not have the commit yet, as in a dry run.
    """
    git_dir = os.path.join(clone, ".git")
    try:
        with private_git("", _SECONDS) as git:
            try:
                listing = git.run("ls-tree", "-r", "-z", "--full-tree", commit, git_dir=git_dir)
            except GitFailure:
                if tree == clone:
                    raise
                return _of_files(tree, clone)
            ids: dict[str, str] = {}
            for line in filter(None, listing.split(b"\0")):
                about, _tab, name = line.partition(b"\t")
                mode, _kind, object_id = about.decode().split()
                ids[os.path.join(clone, os.fsdecode(name))] = f"{mode} {object_id}"
            links = {path: one.partition(" ")[2] for path, one in ids.items() if one.startswith(_LINK)}
            asked = "".join(f"{object_id}\n" for object_id in links.values()).encode()
            rest = git.run("cat-file", "--batch", git_dir=git_dir, stdin=asked) if links else b""
            for path in links:
                # "<id> blob <size>", the content, an end of line.
                head, _end, rest = rest.partition(b"\n")
                size = int(head.split()[2])
                links[path], rest = os.fsdecode(rest[:size]), rest[size + 1 :]
            return Tracked(ids, links)
    except GitFailure as failure:
        raise DeployError(f"The files of commit {commit} in {clone} are not known: {failure}.") from None


def _of_files(tree: str, clone: str) -> Tracked:
    """The same, made from a folder with the files of a commit, as git makes it."""
    ids: dict[str, str] = {}
    links: dict[str, str] = {}
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if name != ".git"]
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))]:
            path = os.path.join(folder, name)
            mode, content = os.lstat(path).st_mode, b""
            place = clone + path[len(tree) :]
            if stat.S_ISLNK(mode):
                links[place] = os.readlink(path)
                content = os.fsencode(links[place])
            elif stat.S_ISREG(mode):
                with open(path, "rb") as stream:
                    content = stream.read()
            else:
                continue
            kind = _LINK if stat.S_ISLNK(mode) else "100755" if mode & stat.S_IXUSR else "100644"
            header = b"blob %d\0" % len(content)
            ids[place] = f"{kind} {hashlib.sha1(header + content, usedforsecurity=False).hexdigest()}"
    return Tracked(ids, links)
