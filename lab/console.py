"""What the lab's commands share: errors for people, progress lines, and running programs."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_printing = threading.Lock()


class LabError(Exception):
    """Something the user has to know: one line that names the thing and its cure."""


def say(text: str) -> None:
    """One line of progress, at once even into a pipe; safe from several threads."""
    with _printing:
        print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce something that takes time, then tell how long it took."""
    say(f"{title} ...")
    started = time.monotonic()
    yield
    say(f"{title}: done in {time.monotonic() - started:.1f} s")


def run(
    *command: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and capture what it prints.

    Its standard input is empty; `env` is added to the environment. Raises LabError, with the program's last words, when
    it is missing, takes more than `timeout` seconds, or fails and `check` is set.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            text=True,
            errors="replace",
            capture_output=True,
            check=False,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise LabError(f"{command[0]}: no such program here; install it and try again") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command[:3])} ...` did not end within {timeout:.0f} s") from None
    if check and done.returncode != 0:
        words = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise LabError(f"`{' '.join(command[:3])} ...` failed with status {done.returncode}: {' | '.join(words[-3:])}")
    return done
