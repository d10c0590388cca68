"""The format `systemd`: what `EnvironmentFile=` reads.

The rules follow systemd's source (`src/basic/env-file.c`).
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.base import DoubleQuoted

# systemd takes no Unicode noncharacter for UTF-8 (unichar_is_valid in src/basic/utf8.c) and then drops the whole file.
_NONCHARACTER = re.compile(
    "[\ufdd0-\ufdef"
    + "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)


class Systemd(DoubleQuoted):
    """Values in double quotes, escaped for systemd."""

    escapes: t.ClassVar[dict[int, str]] = str.maketrans({"\\": r"\\", '"': r"\"", "$": r"\$", "`": r"\`"})

    def refusal(self, key: str, value: str) -> str | None:
        """Values for which systemd drops the file."""
        return "it has a Unicode noncharacter" if _NONCHARACTER.search(value) else None
