"""Whether a deploy would change nothing, and which of its work is done."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import private_git
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look, Unchecked
from ansible_collections.popcon.deploy.plugins.module_utils._registry import stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._status.up_to_date import Present, Wanted, differences, look


class Project(t.NamedTuple):
    """The last good release of a project, and what there is of it.

    Both are None without a release, `present` also where a deploy is not asked about, or tools are missing.
    """

    good: Json | None
    present: Present | None


def look_at(host: Look, good: Json, records: Records, engine: Engine) -> Present:
    """See what there is of the last good release, while AWS and the repository are asked. Errors: DeployError."""
    options = host.options
    auths = [stored_logins.stored, stored_logins.minted]
    with contextlib.ExitStack() as stack:
        git = None
        if options["repository"]:
            git = stack.enter_context(private_git("", options["git_timeout"], host.module.tmpdir))
        return look(good, records, engine, git, options["project_dir"], auths)


def check(host: Look, project: Project) -> None:
    """Find the differences between what there is and what is wanted."""
    found, options = host.found, host.options
    if found.missing:
        found.differences = [f"the host lacks {', '.join(found.missing)}"]
        raise Unchecked
    good, present = project
    if good is None or present is None:
        found.differences = ["no release yet"]
        return
    versions = {} if options["parameter_paths"] is None else found.parameters
    wanted = Wanted(options["options_digest"], options["repository"], found.commit, versions)
    found.differences = differences(good, wanted, present)
    found.up_to_date = not found.differences
    found.digests = dict(present.digests)
    if wanted.commit and wanted.commit == present.head and not present.edited:
        where = {name: options[name] for name in ("repository", "ref")}
        found.checkout = {**where, "after": present.head, "tree": options["project_dir"]}
