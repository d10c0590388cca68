"""What a compose file takes as given and the host lacks: external networks, volumes and containers."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation

_CONTAINER = "container:"


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find what `external:` and `container:` name and the engine has not."""
    for network in _used(look, "networks", lambda service: service.get("networks") or {}):
        # A node of a swarm doesn't know an overlay network before a container uses it.
        if network.get("driver") != "overlay" and not look.engine.network(network["name"]):
            yield _missing("network", network["name"])
    for volume in _used(
        look, "volumes", lambda service: [mount.get("source") for mount in service.get("volumes") or []]
    ):
        if not look.engine.volume(volume["name"]):
            yield _missing("volume", volume["name"])
    for name, service in look.services.items():
        given = [service.get(key) or "" for key in ("network_mode", "ipc", "pid")] + (service.get("volumes_from") or [])
        for container in sorted({text[len(_CONTAINER) :] for text in given if text.startswith(_CONTAINER)}):
            # volumes_from may end with a mode.
            container = container.partition(":")[0]
            if not look.engine.container(container):
                yield Obstacle(
                    Kind.FAILS,
                    f"Service {name} uses the container {container}, which is not on the host: start that first.",
                )


def _used(look: Situation, kind: str, names: t.Callable[[t.Any], t.Iterable[t.Any]]) -> list[t.Any]:
    """The external networks or volumes that any service uses."""
    used = {name for service in look.services.values() for name in names(service)}
    return [entry for name, entry in (look.model.get(kind) or {}).items() if name in used and entry.get("external")]


def _missing(kind: str, name: str) -> Obstacle:
    return Obstacle(
        Kind.FAILS,
        f"The compose files use the external {kind} {name}, which is not on the host:"
        f" make it there (docker {kind} create {name}), or take external: out of the files.",
    )
