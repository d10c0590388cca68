"""Whether the wanted commit tracks a file that the deploy writes, before anything of the commit is on the host."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import GitFailure
from ansible_collections.popcon.deploy.plugins.module_utils._git.written import refuse, tracked_before_fetch
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look, Unchecked
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.repository import opened
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host


def check(look: Look, commit: str, project: Host) -> None:
    """Refuse such a commit.

    :raises DeployError: it does.
    """
    options = look.options
    written, here = options["written_files"], project.checkout
    if here.commit == commit:
        # A tracked file that a deploy has written is an edit: this needs no command.
        found = [path for path in written if path in here.edits]
    else:
        try:
            with opened(look, look.found.token) as git:
                found = tracked_before_fetch(git, options["project_dir"], options["ref"], commit, written)
        except (DeployError, GitFailure):
            # Some servers give no single commit; the checkout, which fetches a branch whole, refuses it then.
            raise Unchecked from None
    refuse(options["repository"], commit, found)
