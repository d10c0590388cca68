"""Programs that are run, limited, and ended with the process that runs them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common import process


def test_what_it_reads_and_writes() -> None:
    assert process.run(["sh", "-c", "cat; echo b >&2; exit 3"], b"a") == (3, b"a", b"b\n")


@pytest.mark.parametrize("trap", ["exec sleep 60", "trap : TERM; sleep 60 & wait; sleep 60"])
def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, trap: str) -> None:
    """Also where it does not listen."""
    monkeypatch.setattr(process, "_END_SECONDS", 0.2)
    begin = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        process.run(["sh", "-c", trap], timeout=0.2, end=lambda one: one.terminate())
    assert time.monotonic() - begin < 30


def test_what_takes_too_much_memory_is_refused_it() -> None:
    command = [sys.executable, "-c", "bytearray(200 * 1024**2)"]
    assert process.run(command)[0] == 0
    status, _out, err = process.run(command, memory=100 * 1024**2)
    assert status == 1 and b"MemoryError" in err


def test_what_is_run_ends_with_a_killed_parent(tmp_path: Path) -> None:
    run = (
        "from ansible_collections.popcon.deploy.plugins.module_utils._common import process;"
        f"process.run(['sh', '-c', 'echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 60'])"
    )
    with subprocess.Popen([sys.executable, "-c", run]) as parent:
        pid = _eventually(lambda: (tmp_path / "pid").exists() and int((tmp_path / "pid").read_text()))
        parent.kill()
    assert _eventually(lambda: not Path(f"/proc/{pid}/fd/0").exists())


def _eventually(seen: t.Callable[[], t.Any]) -> t.Any:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = seen()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("not within 30 s")
