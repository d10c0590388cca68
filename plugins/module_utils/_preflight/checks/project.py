"""Whether the project's records and containers can be read: what was released, who deploys, and what runs."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import up_to_date
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records


def check(look: Look) -> None:
    """Find what was released and what runs.

    :raises DeployError: the records can't be read, or the engine does not answer.
    """
    found = look.found
    records, engine = Records(look.options["state_dir"], look.options["project"]), Engine()
    containers = engine.containers(records.project) if found.engine else []
    good, lock = records.last_good(), records.holder()
    present = None
    if good and look.given("options_digest") and not found.missing:
        present = up_to_date.look_at(look, good, records, engine)
    found.project = up_to_date.Project(good, present)
    found.release = good and {name: value for name, value in good.items() if name != "parameters"}
    found.lock, found.services = lock, [row_of(container) for container in containers]
