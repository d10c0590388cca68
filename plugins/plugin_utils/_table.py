"""Tables as lines of text, and the cells that several of them have."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import SHORT

NOTHING = "-"
UNKNOWN = "could not be asked"

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def table(headings: t.Sequence[str], rows: t.Iterable[t.Sequence[object]]) -> list[str]:
    """The lines of a table, headings first, each column as wide as it must be. None and empty cells are shown as `-`."""
    cells = [headings, *([NOTHING if cell in (None, "") else str(cell) for cell in row] for row in rows)]
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
