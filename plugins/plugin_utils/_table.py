"""Tables as lines of text, and the cells that several of them have."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import SHORT

NOTHING = "-"
UNKNOWN = "could not be asked"

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


#: The cells of a row by their headings.
Columns = t.Mapping[str, t.Callable[[Json], object]]


@dataclass(frozen=True)
class Rows:
    """A table of a list, with a row for each element."""

    columns: Columns

    def __call__(self, found: list[Json]) -> list[str]:
        return _aligned(self.columns, ([cell(one) for cell in self.columns.values()] for one in found))


@dataclass(frozen=True)
class ByHost:
    """A table of what is on several hosts, with at least one row for each host."""

    columns: Columns
    #: What is on a host, from the value that the input has for it; None if the host could not be asked.
    on_host: t.Callable[[t.Any], list[Json] | None]
    #: The column that says why a host has no other cells, and its text if there is nothing on the host.
    reason: str
    nothing: str
    #: Lines on a host, below the table.
    notes: t.Callable[[t.Any], t.Iterable[str]] = lambda found: ()

    def __call__(self, hosts: dict[str, t.Any]) -> list[str]:
        rows, notes = [], []
        for host, found in hosts.items():
            there = self.on_host(found)
            reason = UNKNOWN if there is None else self.nothing
            rows += [[host, *(cell(one) for cell in self.columns.values())] for one in there or []] or [
                [host, *(reason if heading == self.reason else "" for heading in self.columns)]
            ]
            notes += [f"{host}: {note}" for note in self.notes(found)]
        return [*_aligned(["HOST", *self.columns], rows), *notes]


def _aligned(headings: t.Iterable[str], rows: t.Iterable[t.Sequence[object]]) -> list[str]:
    cells = [[*headings], *([NOTHING if cell in (None, "") else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]


def commit(whole: str | None) -> str:
    """A commit as people know it."""
    return (whole or "")[:SHORT]


def digest(whole: str) -> str:
    """A digest (`sha256:…`) as people know it."""
    return whole[: len("sha256:") + SHORT]


def age(seconds: int | None) -> str:
    """A time in seconds, in the largest unit that it fills, such as `3h`."""
    if seconds is None:
        return ""
    return next((f"{seconds // size}{unit}" for unit, size in _UNITS if seconds >= size), "0s")


def deed(action: str | None, restores: int | None) -> str | None:
    """What was done; of a rollback, to which release."""
    return f"{action} to {restores}" if action == "rollback" and restores else action
