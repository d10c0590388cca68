"""What an obstacle is, and what the checks get to find one."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.files import Files


class Kind(enum.Enum):
    """What an obstacle does to a release."""

    #: Compose or the engine would fail half-way: a deploy and a rollback are refused.
    FAILS = enum.auto()
    #: The containers would start, but not as the files mean: a deploy is refused, a rollback only warned of.
    MISLEADS = enum.auto()
    #: Worth a warning.
    SURPRISES = enum.auto()


class Obstacle(t.NamedTuple):
    """One obstacle: a sentence that names the thing, and the cure where there is one."""

    kind: Kind
    text: str


@dataclasses.dataclass(frozen=True)
class Situation:
    """What is to run, and what the host has.

    `model` is as `Compose.model` gives it. `containers` are those of the project now. `settings` are the keys of the wanted
    settings, `compose_files` where the wanted compose files can be read. `is_project_of_ours` says whether this collection has
    released a project of that name. `drop_volumes` are volumes and folders whose data need not be used any more.
    """

    project: str
    model: Json
    engine: Engine
    containers: t.Sequence[Json]
    files: Files
    settings: t.Collection[str]
    compose_files: t.Sequence[str]
    is_project_of_ours: t.Callable[[str], bool]
    drop_volumes: t.Collection[str] = ()

    @property
    def services(self) -> dict[str, Json]:
        """The services of the model by name."""
        return t.cast("dict[str, Json]", self.model["services"])

    def bind_mounts(self) -> list[tuple[str, Json]]:
        """Every mount of a path of the host, with the name of its service."""
        return [
            (name, volume)
            for name, service in self.services.items()
            for volume in service.get("volumes") or []
            if volume["type"] == "bind"
        ]
