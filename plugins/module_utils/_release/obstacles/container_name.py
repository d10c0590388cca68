"""A container's name that something else on the host has."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import name_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import PROJECT_LABEL
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find the `container_name` that a container of none of this project's services holds."""
    own = {name_of(container) for container in look.containers}
    for service, entry in look.services.items():
        name = entry.get("container_name")
        holder = look.engine.container(name) if name and name not in own else None
        if not holder:
            continue
        project = (holder["Config"].get("Labels") or {}).get(PROJECT_LABEL)
        if project != look.project:
            whose = f"a container of the project {project}" if project else "a container that no compose project has"
            yield Obstacle(
                Kind.FAILS,
                f"Service {service} has container_name: {name}, which {whose} holds: remove or rename that one"
                f" (docker rename {name} ...), take container_name: out of the file, or, if it is the same app, set"
                " compose_deploy_project to its project.",
            )
