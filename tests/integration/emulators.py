"""Two emulators of AWS, each in a process of its own: where they agree, it is probably so."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

REGION = "ap-northeast-2"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret-at-all"}
_BIN = Path(sys.executable).parent


def environment_without_aws() -> dict[str, str]:
    """This process's environment without settings of AWS and Ansible, with the programs of this Python first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
    return {**kept, "PATH": f"{_BIN}:{os.environ['PATH']}", "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def serve(emulator: str, folder: Path) -> t.Iterator[str]:
    """Run `moto` or `ministack` in this folder; gives its URL.

    :raises AssertionError: it ended, or did not answer within half a minute; the text is what it printed.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = {"moto": [str(_BIN / "moto_server"), "-p", str(port)], "ministack": [str(_BIN / "ministack")]}[emulator]
    environment = {**environment_without_aws(), "GATEWAY_PORT": str(port), "HOME": str(folder)}
    log = folder / f"{emulator}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, cwd=folder)
    try:
        end = time.monotonic() + 30
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
