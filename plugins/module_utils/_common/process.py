"""Other programs. A module's own `run_command` isn't used, as it writes what it runs to the system's log.

Each ends with the process that started it, also where that is killed: nothing works on that nobody waits for or limits any more.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import typing as t
from subprocess import PIPE

# Source: prctl(2).
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

_END_SECONDS = 10


def run(
    command: t.Sequence[str],
    data: bytes = b"",
    timeout: float | None = None,
    end: t.Callable[[subprocess.Popen[bytes]], object] = lambda process: process.kill(),
    memory: int | None = None,
    **options: t.Any,
) -> tuple[int, bytes, bytes]:
    """Run a program to its end, and return its exit status and what it wrote, to stdout and to stderr.

    :param data: what it reads from stdin.
    :param timeout: seconds that it may take.
    :param end: what ends it where it takes longer, or where this process is interrupted.
    :param memory: bytes that it and each of its children may have of their own.
    :param options: of subprocess.Popen.
    :raises OSError: it can't be started.
    :raises subprocess.TimeoutExpired: it took longer.
    """
    parent = os.getpid()

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        if memory:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    options = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, "preexec_fn": prepare, **options}
    with subprocess.Popen(command, **options) as process:  # pylint: disable=ansible-bad-function
        try:
            out, err = process.communicate(data, timeout)
        except BaseException:
            end(process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()
            raise
    return process.returncode, out or b"", err or b""
