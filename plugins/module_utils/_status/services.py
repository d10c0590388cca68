"""What runs on a host and what should, a row a container, for people."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import epoch
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import texts
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host, container_drift
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Record


def rows(host: Host, now: float) -> list[Json]:
    """A row a container, and a row a service of the release without one, in the order of the record.

    :param now: seconds since 1970.
    :returns: the columns of `row_of`, and `uptime_seconds`, `restarts`, `recorded_digest` and `drift`, which is what to say of the
        service, without a subject.
    """
    images: t.Mapping[str, Image] = host.release.images if host.release else {}
    idle = host.release.idle if host.release else ()
    made = [_row(container, host, now) for container in host.containers]
    there = {row["service"] for row in made}
    made += [
        _absent(service, image) for service, image in images.items() if service not in there and service not in idle
    ]
    order = {service: index for index, service in enumerate(images)}
    return sorted(made, key=lambda row: (order.get(row["service"], len(order)), row["container"] or ""))


def _row(container: Json, host: Host, now: float) -> Json:
    row = row_of(container)
    running = container["State"].get("Running")
    return {
        **row,
        "uptime_seconds": _age(container["State"]["StartedAt"], now) if running else None,
        "restarts": container["RestartCount"],
        "recorded_digest": _recorded_digest(host.release, row["service"]),
        "drift": texts(container_drift(host.release, container, host.recorded)) if host.release else [],
    }


def _absent(service: str, image: Image) -> Json:
    nothing: Json = {"container": None, "id": None, "image": None, "digest": "", "state": "missing", "ports": []}
    known = {"uptime_seconds": None, "restarts": 0, "recorded_digest": _digest(image), "drift": ["is missing"]}
    return {"service": service, **nothing, **known}


def _age(started: str, now: float) -> int:
    """Whole seconds since a time as the engine writes it."""
    return max(0, int(now - int(epoch(started))))


def _recorded_digest(release: Record | None, service: str) -> str:
    image = release.images.get(service) if release else None
    return _digest(image) if image else ""


def _digest(image: Image) -> str:
    return image.pinned.partition("@")[2]
