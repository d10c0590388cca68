"""Texts and times as records have them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

COMMIT_DIGITS = 12
# Above this, only the number of the rest is shown.
NAMES_SHOWN = 10


def now(ago: float = 0) -> str:
    """The time, or that of so many seconds ago, as records have it: UTC, to the second, like `2026-11-23T07:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))


def first_line(text: str | None) -> str | None:
    """The first line of a text that has something in it, or None."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), None)


def json_line(value: Json) -> bytes:
    """A line of JSON."""
    # Escaped to ASCII, it has no line ends but the last one.
    return json.dumps(value).encode() + b"\n"


def json_object(data: bytes) -> Json | None:
    """The object that some JSON stands for; None if it is damaged or no object."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def short_commit(commit: str | None) -> str:
    """A commit as people see it everywhere: as many digits as the tags of images that were built from it."""
    return commit[:COMMIT_DIGITS] if commit else "none"


def some(names: t.Sequence[str]) -> str:
    """Names in a sentence, not too many of them."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
