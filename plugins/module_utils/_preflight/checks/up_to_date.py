"""Whether a deploy would change nothing, and which of its work is done."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look, Unchecked
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import texts
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host
from ansible_collections.popcon.deploy.plugins.module_utils._status.up_to_date import Sources, changes


def check(look: Look, project: Host) -> None:
    """Find the differences between what there is and what is wanted."""
    found, options = look.found, look.options
    if found.missing:
        found.differences = [f"the host lacks {', '.join(found.missing)}"]
        raise Unchecked
    versions = {} if options["parameter_paths"] is None else found.parameters
    sources = Sources(options["options_digest"], options["repository"], found.commit, versions, found.digests)
    found.differences = texts(changes(sources, project))
    found.up_to_date = not found.differences
    checkout = project.checkout
    if found.commit and found.commit == checkout.commit and not (checkout.edits or checkout.interrupted):
        where = {name: options[name] for name in ("repository", "ref")}
        found.checkout = {**where, "after": checkout.commit, "tree": options["project_dir"]}
