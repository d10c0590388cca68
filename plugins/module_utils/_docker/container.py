"""A container as the engine describes it: its service, its image, a row for people."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import SERVICE_LABEL
from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import without_tag


def service_of(container: Json) -> str:
    """The name of its service in the compose file."""
    return t.cast(str, container["Config"]["Labels"][SERVICE_LABEL])


def number_of(container: Json) -> int:
    """Which of its service's containers it is, from 1."""
    return int(container["Config"]["Labels"].get("com.docker.compose.container-number", 1))


def image_of(container: Json) -> str:
    """The reference that it was created from, by digest where this collection made it."""
    return t.cast(str, container["Config"]["Image"])


def name_of(container: Json) -> str:
    """Its name, as the docker command shows it."""
    return t.cast(str, container["Name"].lstrip("/"))


def hash_of(container: Json) -> str:
    """Compose's hash of the service, as it was when the container was created."""
    return t.cast(str, container["Config"]["Labels"].get("com.docker.compose.config-hash", ""))


def label_of(container: Json, label: str) -> str:
    """The value of one of its labels; empty without it."""
    return t.cast(str, container["Config"]["Labels"].get(label, ""))


def row_of(container: Json) -> dict[str, t.Any]:
    """A container as a row for people: service, container, id, image, digest, state, ports."""
    state = container["State"]
    ports = container["NetworkSettings"].get("Ports") or {}
    published = {binding["HostPort"] for bindings in ports.values() for binding in bindings or []}
    return {
        "service": service_of(container),
        "container": name_of(container),
        "id": container["Id"],
        "image": without_tag(image_of(container).partition("@")[0]),
        "digest": image_of(container).partition("@")[2],
        "state": (state.get("Health") or {}).get("Status") or state["Status"],
        "ports": sorted(published, key=int),
    }
