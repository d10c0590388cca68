"""A service that can start any container."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json


def warning(service: Json) -> str | None:
    """The engine's socket is mounted, at either of its paths."""
    sources = [volume.get("source") for volume in service.get("volumes") or []]
    if "/var/run/docker.sock" in sources or "/run/docker.sock" in sources:
        return "mounts the engine's socket: a compromise of it is root on the host"
    return None
