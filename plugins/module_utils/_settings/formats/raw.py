"""The format `raw`: what docker and, with `format: raw`, compose read.

The rules follow docker's source (`https://github.com/docker/cli`, `pkg/kvfile`).
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.base import KEY

# bufio.MaxScanTokenSize of Go, line feed included: docker refuses the whole file beyond it.
LINE_LIMIT = 64 * 1024


class Raw:
    """Each line holds a value as it is."""

    written: t.ClassVar[re.Pattern[str]] = re.compile(rf"^(?P<key>{KEY.pattern})=[^\n]*$", re.MULTILINE)

    def refusal(self, key: str, value: str) -> str | None:
        """Line ends, and lines that docker finds too long."""
        if "\n" in value:
            return "it has a line feed"
        if value.endswith("\r"):
            return "it ends in a carriage return"
        if len(self.entry(key, value).encode()) > LINE_LIMIT:
            return f"its line is longer than {LINE_LIMIT} bytes"
        return None

    def entry(self, key: str, value: str) -> str:
        """One line, the value as it is."""
        return f"{key}={value}\n"
