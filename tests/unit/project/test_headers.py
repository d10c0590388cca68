"""Every Python file says first what it is for, and then whose it is and under which licence."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEADER = """\
# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
PRIVATE = "# Private to this collection: it can change at any time.\n"
DOCSTRING = re.compile(r'r?"""[^"].*?"""\n\n', re.DOTALL)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    found = {name: (ROOT / name).read_text() for name in names if (ROOT / name).exists()}
    assert len(found) > 100
    return found


def test_the_licence_follows_the_docstring_or_begins_the_file(texts: dict[str, str]) -> None:
    assert [
        name for name, text in texts.items() if text and not DOCSTRING.sub("", text, count=1).startswith(HEADER)
    ] == []


def test_private_files_begin_with_what_they_are_for_and_say_that_they_are_private(texts: dict[str, str]) -> None:
    private = {name: text for name, text in texts.items() if re.match(r"plugins/(module|plugin)_utils/", name)}
    assert len(private) > 50
    begin = re.compile(DOCSTRING.pattern + re.escape(HEADER + PRIVATE), re.DOTALL)
    assert [name for name, text in private.items() if not begin.match(text)] == []
