"""A service that should stay up and is not started again."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json


def warning(service: Json) -> str | None:
    """A service with a health check is no job that ends."""
    lasts = (service.get("restart") or "no") not in ("no", "on-failure")
    has_check = bool(service.get("healthcheck")) and not service["healthcheck"].get("disable")
    if has_check and not lasts:
        return "has no restart policy: it stays down after a reboot or a crash"
    return None
