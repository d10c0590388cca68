"""Images that a compose file would build."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Say of services that can be built that they are not. One without an image is refused before."""
    for name, service in look.services.items():
        if service.get("build"):
            yield Obstacle(
                Kind.SURPRISES,
                f"Service {name} has build: and image:. Its image is pulled, and never built on the host.",
            )
