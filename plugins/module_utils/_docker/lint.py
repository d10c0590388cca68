"""What a compose file should not have, or lacks, seen by who runs it in production."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t


def warnings(model: dict[str, t.Any]) -> list[str]:
    """What makes a release less safe than it could be, a sentence each.

    :param model: as `Compose.model` gives it.
    """
    said = []
    for name, service in model["services"].items():
        lasts = (service.get("restart") or "no") not in ("no", "on-failure")
        has_check = bool(service.get("healthcheck")) and not service["healthcheck"].get("disable")
        if not lasts and has_check:
            said.append(f"Service {name} has no restart policy: it stays down after a reboot or a crash.")
        sources = [volume.get("source") for volume in service.get("volumes") or []]
        if "/var/run/docker.sock" in sources or "/run/docker.sock" in sources:
            said.append(f"Service {name} mounts the engine's socket: whoever gets into it has the host.")
        if service.get("privileged"):
            said.append(f"Service {name} is privileged: whoever gets into it has the host.")
        if any(volume["type"] == "volume" and not volume.get("source") for volume in service.get("volumes") or []):
            said.append(f"Service {name} has a volume without a name: what it holds is lost when it is removed.")
    return said
