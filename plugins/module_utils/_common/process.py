"""Other programs. A module's own `run_command` isn't used, as it writes what it runs to the system's log."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import subprocess
import typing as t
from subprocess import PIPE


def run(
    command: t.Sequence[str],
    data: bytes = b"",
    timeout: float | None = None,
    end: t.Callable[[subprocess.Popen[bytes]], object] = lambda process: process.kill(),
    **options: t.Any,
) -> tuple[int, bytes, bytes]:
    """Run a program to its end, and return its exit status and what it wrote, to stdout and to stderr.

    :param data: what it reads from stdin.
    :param timeout: seconds that it may take.
    :param end: what ends it where it takes longer, or where this process is interrupted.
    :param options: of subprocess.Popen.
    :raises OSError: it can't be started.
    :raises subprocess.TimeoutExpired: it took longer.
    """
    options = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, **options}
    with subprocess.Popen(command, **options) as process:  # pylint: disable=ansible-bad-function
        try:
            out, err = process.communicate(data, timeout)
        except BaseException:
            end(process)
            raise
    return process.returncode, out or b"", err or b""
