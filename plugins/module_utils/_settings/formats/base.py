"""What a format of an env file is, and what those with double quotes share.

Adding one takes a file with its class and a line in the table.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

#: A key, in every format.
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Format(t.Protocol):
    """How a file carries the values of its keys. Its reader reads back exactly what `entry` wrote."""

    #: An entry in a file, its key as `key`. It also finds what looks like an entry in a file that another program wrote.
    written: t.ClassVar[re.Pattern[str]]

    def refusal(self, key: str, value: str) -> str | None:
        """Why the format can't carry the value, as the rest of a sentence; None if it can."""

    def entry(self, key: str, value: str) -> str:
        """The line or lines of a key, with the line feed."""


class DoubleQuoted:
    """The base of formats that carry every value in double quotes."""

    # Quoted values may span lines.
    written: t.ClassVar[re.Pattern[str]] = re.compile(
        rf"""^(?P<key>{KEY.pattern})=(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\n]*)$""", re.MULTILINE | re.DOTALL
    )
    #: What is written instead of a character, as str.maketrans makes it.
    escapes: t.ClassVar[dict[int, str]]

    def refusal(self, key: str, value: str) -> str | None:
        """None: it carries every value."""
        return None

    def entry(self, key: str, value: str) -> str:
        """One entry, its value in double quotes."""
        return f'{key}="{value.translate(self.escapes)}"\n'
