"""Whether the engine can read its configuration."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import host
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look

_PATH = "/etc/docker/daemon.json"


def check(look: Look) -> None:
    """Find what the engine's configuration holds.

    :raises DeployError: it can't be parsed.
    """
    look.found.daemon_config = parse(host.read(_PATH))


def parse(text: str) -> Json:
    """What a configuration holds; an empty one holds nothing.

    :raises DeployError: it can't be parsed.
    """
    try:
        config = json.loads(text or "{}")
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise DeployError(f"{_PATH} is no valid JSON object: correct it, or the engine won't start again.")
    return config
