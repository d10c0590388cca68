"""One difference between what is wanted of a host and what it has: the reason, and a sentence for people."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import enum
import typing as t


class Reason(enum.Enum):
    """What kind of difference it is. Code decides by this, never by the text."""

    #: The project has no successful release.
    NO_RELEASE = enum.auto()
    #: The newest release failed, or did not end.
    UNFINISHED = enum.auto()
    #: Another run holds the deploy lock.
    LOCKED = enum.auto()
    # What a new release would be made of.
    OPTIONS = enum.auto()
    COMMIT = enum.auto()
    PARAMETER = enum.auto()
    SETTING = enum.auto()
    IMAGE = enum.auto()
    # Drift: the host is not as its last successful release left it.
    FILES = enum.auto()
    ENV_FILE = enum.auto()
    CONTAINER = enum.auto()
    DEFINITION = enum.auto()
    #: Something could not be read, so it was not compared.
    UNREADABLE = enum.auto()


class Difference(t.NamedTuple):
    """One difference.

    `subject` is what differs: a service, a parameter, a key, a path; empty for the release as a whole. `text` is what to say
    of it. Settings are named, their values never are.
    """

    reason: Reason
    subject: str
    text: str


def texts(differences: t.Iterable[Difference]) -> list[str]:
    """The sentences alone, for people."""
    return [difference.text for difference in differences]
