"""The warnings about a compose file: what makes a service in production less safe than it could be.

Each is a file with a function that takes a service and returns the rest of the sentence "Service <name> ...", or None.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.lint import (
    engine_socket,
    privileged,
    restart_policy,
    unnamed_volume,
)

WARNINGS: tuple[t.Callable[[Json], str | None], ...] = (
    restart_policy.warning,
    engine_socket.warning,
    privileged.warning,
    unnamed_volume.warning,
)


def warnings(model: Json) -> list[str]:
    """The warnings about all services, one sentence each.

    :param model: as `Compose.model` gives it.
    """
    said = [(name, warning(service)) for name, service in model["services"].items() for warning in WARNINGS]
    return [f"Service {name} {text}." for name, text in said if text]
