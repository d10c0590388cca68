"""What a release does to the containers, and why."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import enum
import typing as t


class Why(enum.Enum):
    """Why a service is recreated."""

    IMAGE = enum.auto()
    SETTINGS = enum.auto()
    DEFINITION = enum.auto()
    #: Its container is not what it was made to be; compose itself sees no difference.
    DRIFT = enum.auto()
    #: What it depends on is recreated, and the compose file asks for `restart`.
    RESTART = enum.auto()


class Cause(t.NamedTuple):
    """One reason to recreate a service, and how to say it."""

    why: Why
    text: str


class Plan(t.NamedTuple):
    """What a release does, by service name; `recreate` gives the causes, `remove` names containers."""

    create: list[str]
    recreate: dict[str, list[Cause]]
    start: list[str]
    remove: list[str]

    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(self)

    def lines(self) -> list[str]:
        """One line a service, for people."""
        lines = [f"create {name}" for name in self.create]
        lines += [
            f"recreate {name}: {', '.join(cause.text for cause in causes)}" for name, causes in self.recreate.items()
        ]
        lines += [f"start {name}" for name in self.start]
        return lines + [f"remove container {name}" for name in self.remove]
