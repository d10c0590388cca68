"""A session's shell: ``sh`` on a terminal in the host's container, as amazon-ssm-agent starts it.

Source: ``agent/session/shell/shell_unix.go`` — user ssm-user, not a login shell, ``TERM=xterm-256color``,
``LANG=C.UTF-8``, ``HOME=/home/ssm-user``, no terminal size until the client sends one, cwd ``/usr/bin``.

**What ends with a session.** The agent hangs up the terminal. Here that means: every process of the shell's kernel
session (the ``session`` field of ``/proc/PID/stat``) gets SIGHUP and SIGCONT, and SIGKILL if it is still there a
second later. That reaches background jobs, jobs under ``nohup`` (which on AWS would live on) and, through it,
whatever ``sudo`` runs on a terminal of its own. What made itself a kernel session of its own (``setsid``, a daemon,
Ansible's ``async`` wrapper, a systemd unit) does not belong to the session any more and lives on, as on AWS.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from . import engine

#: The shell's user and surroundings.
USER = "ssm-user"
_ENVIRONMENT = ["TERM=xterm-256color", "LANG=C.UTF-8", f"HOME=/home/{USER}"]
_DIRECTORY = "/usr/bin"

# The first line tells the shell's pid in the container's own count, which no API call does.
_START = ["sh", "-c", "echo $$; exec sh"]

# Builtins only: the host needs no procps. $1 is the kernel session, fields after the command's ")" are state ppid
# pgrp session.
_END = r"""
sweep() {
    left=
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        set -- "$1" "$2" ${line##*) }
        [ "$6" = "$2" ] && [ "$3" != Z ] || continue
        left=yes pid=${stat#/proc/}
        [ "$1" = none ] || kill -"$1" "${pid%/stat}" 2>/dev/null
    done
}
sweep HUP "$1"
sweep CONT "$1"
for wait in 0.05 0.1 0.15 0.2 0.2 0.3; do
    sweep none "$1"
    [ "$left" ] || exit 0
    sleep "$wait"
done
sweep KILL "$1"
"""


class Shell(Protocol):
    """What the gateway wants of a shell."""

    async def read(self) -> bytes:
        """Some output of the terminal; empty once the shell has ended."""

    async def write(self, data: bytes) -> None:
        """Type on the terminal."""

    async def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size."""

    async def end(self) -> None:
        """End whatever of the session still runs; returns when nothing does."""


class ContainerShell:
    """A ``Shell`` in a container."""

    def __init__(
        self, container: str, exec_id: str, pid: int, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ):
        self._container = container
        self._exec_id = exec_id
        self._pid = pid
        self._reader, self._writer = streams

    @classmethod
    async def start(cls, container: str) -> ContainerShell:
        """Start a shell in the container; ``engine.EngineError`` when that is impossible."""
        options = {"User": USER, "Env": _ENVIRONMENT, "WorkingDir": _DIRECTORY, "Tty": True}
        attach = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
        exec_id = await asyncio.to_thread(engine.create_exec, container, _START, **options, **attach)
        reader, writer = await engine.attach_exec(exec_id)
        # An exec that cannot start says why in its place, e.g. that there is no such user.
        line = (await reader.readline()).decode(errors="replace").strip()
        if not line.isdigit():
            writer.close()
            raise engine.EngineError(f"no shell in {container[:12]}: {line or 'the engine closed the connection'}")
        return cls(container, exec_id, int(line), (reader, writer))

    async def read(self) -> bytes:
        """Some output of the terminal; empty once the shell has ended."""
        try:
            return await self._reader.read(4096)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Type on the terminal. Nothing happens when the shell has ended: ``read`` tells that."""
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size."""
        await asyncio.to_thread(engine.resize_exec, self._exec_id, columns, rows)

    async def end(self) -> None:
        """End whatever of the session still runs. A container that is gone has taken its processes with it."""
        with contextlib.suppress(engine.EngineError):
            await asyncio.to_thread(engine.run, self._container, ["sh", "-c", _END, "sh", str(self._pid)])
        self._writer.close()
