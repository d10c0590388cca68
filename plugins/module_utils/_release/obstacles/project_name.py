"""A project's name in its compose file that is not the one it is deployed by."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation

# Of a name that is filled in, what it will be is not known here.
_NAME = re.compile(r"""^(?:name|"name"|'name')\s*:\s*["']?([a-z0-9][a-z0-9_-]*)["']?\s*(?:#.*)?$""", re.MULTILINE)


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find a second set of containers and volumes in the making, beside one that the file's own name made."""
    named = _own_name(look.compose_files)
    if named is None or named == look.project:
        return
    said = f"The compose file has name: {named}, and the project is deployed as {look.project}"
    is_new = not (look.containers or look.engine.volumes(look.project))
    is_there = bool(look.engine.containers(named) or look.engine.volumes(named))
    if is_new and is_there and not look.is_project_of_ours(named):
        yield Obstacle(
            Kind.MISLEADS,
            f"{said}. The host has containers or volumes of {named}, beside which {look.project} would start with empty"
            f" volumes of its own: set compose_deploy_project to {named}, or take name: out of the file.",
        )
    else:
        yield Obstacle(Kind.SURPRISES, f"{said}: name: is not used.")


def _own_name(paths: t.Iterable[str]) -> str | None:
    """The name that the last of the files with one gives the project."""
    found: list[str] = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            found += _NAME.findall(file.read())
    return found[-1] if found else None
