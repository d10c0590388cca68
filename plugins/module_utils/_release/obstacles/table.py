"""The obstacles to a release that are looked for before anything is touched.

Each is a file with a function that gets the `Situation` and yields what it finds.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles import (
    build,
    container_name,
    external,
    mounted_paths,
    only_referenced,
    platform,
    project_name,
    secret_sources,
    volumes,
)
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation

CHECKS: tuple[t.Callable[[Situation], t.Iterator[Obstacle]], ...] = (
    project_name.check,
    external.check,
    container_name.check,
    volumes.check,
    mounted_paths.check,
    secret_sources.check,
    only_referenced.check,
    platform.check,
    build.check,
)


def refuse(look: Situation, is_rollback: bool) -> list[str]:
    """Make all checks, and return what to warn of.

    :raises DeployError: there are obstacles that keep it from being done; the text has them all.
    """
    found = [obstacle for check in CHECKS for obstacle in check(look)]
    refused = {Kind.FAILS} if is_rollback else {Kind.FAILS, Kind.MISLEADS}
    problems = [obstacle.text for obstacle in found if obstacle.kind in refused]
    if problems:
        raise DeployError(" ".join(dict.fromkeys(problems)))
    return list(dict.fromkeys(obstacle.text for obstacle in found))
