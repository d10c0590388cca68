"""Files that a deploy writes, such as the env file: a commit that tracks one is refused.

git would bring the file back to what the commit has, and the values of the host would come into git's objects.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git.clone import holds, scratch
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import Git


def tracked_of(git: Git, git_dir: str, commit: str, paths: t.Sequence[str]) -> list[str]:
    """Which of the paths a commit has, as a file or as a folder. Errors: GitFailure."""
    if not paths:
        return []
    listing = git.run("ls-tree", "--name-only", "-z", "--full-tree", commit, "--", *paths, git_dir=git_dir)
    return sorted(os.fsdecode(name) for name in listing.split(b"\0") if name)


def tracked_before_fetch(git: Git, dest: str, ref: str, commit: str, paths: t.Sequence[str]) -> list[str]:
    """The same, where the clone `dest` may not have the commit of `ref` yet, or may not be there. Changes nothing in it.

    Errors: GitFailure, or DeployError when the repository can't be read.
    """
    git_dir = os.path.join(dest, ".git")
    if os.path.isdir(git_dir) and holds(git, git_dir, commit):
        return tracked_of(git, git_dir, commit, paths)
    git_dir = scratch(git, None)
    # Names are all that is asked for; a server without filters sends the files too.
    git.remote("fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "origin", ref, git_dir=git_dir)
    return tracked_of(git, git_dir, "FETCH_HEAD", paths)


def refuse(where: str, commit: str, tracked: t.Sequence[str]) -> None:
    """Refuse a commit of the repository `where` if it has any `tracked` files that a deploy writes. Errors: DeployError."""
    if tracked:
        raise DeployError(
            f"Commit {commit[:12]} of {where} tracks {' and '.join(tracked)}, which a deploy writes with the values of Parameter "
            f"Store. Nothing was changed. In the repository, run `git rm --cached {' '.join(tracked)}`, add it to .gitignore, "
            "commit and push. Put its values into Parameter Store, and replace the secrets among them, which stay in the "
            "repository's history."
        )
