"""A service whose data does not outlast its container."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json


def warning(service: Json) -> str | None:
    """A volume has no name."""
    if any(volume["type"] == "volume" and not volume.get("source") for volume in service.get("volumes") or []):
        return "has a volume without a name: what it holds is lost when it is removed"
    return None
