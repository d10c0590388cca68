"""Whether the host reaches the repository, and which commit the ref stands for."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import os

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git.clone import complete, inspect, trusted
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import (
    Git,
    GitFailure,
    check_ref,
    check_repository,
    find_ref,
    is_commit,
    parse_refs,
    private_git,
)
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look


def check(look: Look, _git: str, token: str | None) -> None:
    """Find the commit.

    :param token: None for a public repository.
    :raises DeployError: as `commit_of`, or the options are wrong.
    """
    options = look.options
    check_repository(options["repository"])
    check_ref(options["ref"])
    with opened(look, token) as git:
        look.found.commit = commit_of(git, options["ref"], options["project_dir"])


def opened(look: Look, token: str | None) -> contextlib.AbstractContextManager[Git]:
    """The host's git for the repository."""
    options = look.options
    access = {
        "username": options["token_username"],
        "token": (lambda: token) if token else None,
        "token_name": options["token_parameter"],
    }
    return private_git(options["repository"], options["git_timeout"], look.module.tmpdir, **access)


def commit_of(git: Git, ref: str, folder: str | None) -> str | None:
    """The commit that a ref stands for in the repository now; None where only fetching can tell, as for part of an id.

    :param folder: where a clone may be, which makes a full id that was there before independent of the network, as it
        does for `_checkout.synchronise`.
    :raises DeployError: the repository can't be asked, or has no such ref.
    """
    try:
        if folder and is_commit(ref) and inspect(git, folder).kind == "checkout":
            git_dir = os.path.join(folder, ".git")
            if ref in trusted(git, git_dir) and complete(git, git_dir, ref):
                return ref
        refs = parse_refs(git.remote("ls-remote", "--heads", "--tags", git.url))
    except GitFailure as failure:
        raise DeployError(f"{git.url} could not be asked for {ref}: {failure}.") from None
    if is_commit(ref):
        return ref
    name = find_ref(ref, refs, git.url)
    return refs[name] if name else None
