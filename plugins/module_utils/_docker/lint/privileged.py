"""A service that may do what root on the host may."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json


def warning(service: Json) -> str | None:
    """The service is privileged."""
    return "is privileged: a compromise of it is root on the host" if service.get("privileged") else None
