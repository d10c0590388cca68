"""The one look at a host: what it has, what would keep a deploy from working there, and whether it needs one."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import host, table
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Check, Found, Look, Unchecked

_RETURNED = (
    "distribution",
    "engine",
    "compose",
    "missing",
    "daemon_config",
    "identity",
    "parameters",
    "commit",
    "logged_in",
    "release",
    "lock",
    "services",
    "differences",
    "digests",
    "checkout",
)


def run(module: t.Any) -> tuple[Json, list[str]]:
    """The result of a module with the options of `deploy_host_info`, and warnings."""
    found = Found()
    host.find_clients(found)
    near, far = Look(module, found), Look(module, found)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # The host is looked at while AWS and the repository are asked, which takes as long.
        asking = pool.submit(make, table.OVER_NETWORK, far)
        host.find_docker(found)
        make(table.ON_HOST, near)
        asking.result()
    last = Look(module, found, near.findings.joined(far.findings))
    make(table.AT_LAST, last)
    result: Json = {name: getattr(found, name) for name in _RETURNED}
    result["up_to_date"] = found.up_to_date if last.given("options_digest") else None
    result.update(changed=False, problems=last.findings.problems, unchecked=last.findings.unchecked)
    return result, last.findings.warnings


def make(checks: t.Sequence[Check], look: Look) -> None:
    """Make those of the checks that the options ask for, and note which of them can't be made."""
    asked = [check for check in checks if not check.asked_by or any(map(look.given, check.asked_by))]
    not_asked = {check.name for check in checks} - {check.name for check in asked}
    for check in asked:
        needed = {name: getattr(look.found, name) for name in check.needs}
        if any(value is None for name, value in needed.items() if name not in not_asked):
            look.findings.unchecked.append(check.name)
        else:
            look.findings.tried(_make_one, check, look, *needed.values())


def _make_one(check: Check, look: Look, *needed: object) -> None:
    try:
        check.run(look, *needed)
    except Unchecked:
        look.findings.unchecked.append(check.name)
