"""Whether the Docker Engine and Compose are new enough."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look

_MINIMUM_ENGINE = (20, 10)
_MINIMUM_COMPOSE = (2, 20)


def check_engine(_look: Look, version: str) -> None:
    """:raises DeployError: the engine is too old."""
    refuse_older("Docker Engine", version, _MINIMUM_ENGINE)


def check_compose(_look: Look, version: str) -> None:
    """:raises DeployError: Compose is too old."""
    refuse_older("Docker Compose", version, _MINIMUM_COMPOSE)


def refuse_older(name: str, found: str, least: tuple[int, int]) -> None:
    """:raises DeployError: the version found of a program is older than it may be."""
    if tuple(map(int, found.split("."))) < least:
        raise DeployError(
            f"{name} is {found} on this host, and {least[0]}.{least[1]} or newer is needed: upgrade it from where it was "
            "installed from. One that is there is left as it is by the role popcon.deploy.docker."
        )
