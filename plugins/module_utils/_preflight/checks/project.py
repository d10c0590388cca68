"""Whether the project's records and containers can be read: what was released, who deploys, and what runs."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look
from ansible_collections.popcon.deploy.plugins.module_utils._registry import stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._release import host
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._status.up_to_date import digests_of


def check(look: Look) -> None:
    """Find what was released and what runs, and what the registries have now of what was released.

    :raises DeployError: the records can't be read, or the engine does not answer.
    """
    found, options = look.found, look.options
    records, engine = Records(options["state_dir"], options["project"]), Engine()
    folder = options["project_dir"].rstrip("/")
    found.project = host.look(records, engine if found.engine else None, folder)
    release = found.project.release
    if release and look.given("options_digest") and not found.missing:
        # Here, since AWS and the repository are asked at the same time.
        found.digests = digests_of(release, engine, [stored_logins.stored, stored_logins.minted])
    if release:
        found.release = {name: value for name, value in release.to_json().items() if name != "parameters"}
    found.lock, found.services = found.project.holder, [row_of(container) for container in found.project.containers]
