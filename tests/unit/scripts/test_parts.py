"""Parts of the tests run side by side, the lab's one by one, and what they came to is told at the end."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
#: Instead of the parts: each says when it begins and ends, and with which options.
PARTS = """#!/bin/sh
echo "begin $2" >> order; sleep 0.3; echo "end $2" >> order
echo "printed by $2 $3"
report() { echo "<testsuites><testsuite tests='3' failures='$2' errors='0' skipped='1'>
  <testcase classname='tests.a.test_it' name='one' time='$3'/><testcase classname='tests.a.test_it' name='two' time='0.5'/>
  <testcase classname='tests.a.test_it' name='three' time='0'><skipped message='no aws'/></testcase></testsuite></testsuites>" \
    > "$REPORTS/$1.xml"; }
case $2 in
    unit) report unit 0 7.25 ;;
    e2e) report e2e 1 9 ; exit 1 ;;
    lint) exit 1 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "reports").mkdir()
    for name in ("parts.py", "summary.py"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    (tmp_path / "scripts/test").write_text(PARTS)
    (tmp_path / "scripts/test").chmod(0o755)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/parts.py", *arguments],
        cwd=folder, env={**os.environ, "REPORTS": "reports", "AT_A_TIME": "2"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_summary_names_times_the_slowest_and_all_numbers(folder: Path) -> None:
    (folder / "reports/lint.xml").write_text("of an earlier run")
    done = run(folder, "check", "unit", "e2e", "lint")
    assert done.returncode == 1 and re.fullmatch(r"FAILED: (e2e lint|lint e2e)\n", done.stderr)
    lines = done.stdout.splitlines()
    told = [" ".join(line.split()) for line in lines]
    # The part that left no report counts as one that failed.
    assert lines[-1] == "3 passed, 2 failed, 2 skipped"
    assert "skipped 2: no aws" in told
    assert [line for line in told if " s " in line and ": test_it" in line][:2] == [
        "9.0 s e2e: test_it one",
        "7.2 s unit: test_it one",
    ]
    for row in (r"check ok \d+ s", r"lint FAILED \d+ s", r"unit ok \d+ s 2 passed 0 failed 1 skipped"):
        assert any(re.fullmatch(row, line) for line in told), told


def test_two_run_at_a_time_but_never_two_in_the_lab(folder: Path) -> None:
    done = run(folder, "all", "e2e", "empty", "check", "faults", "docs")
    order = (folder / "order").read_text().splitlines()
    assert {order[0], order[1]} == {"begin e2e", "begin check"}
    lab = [line for line in order if line.split()[1] in ("e2e", "empty", "faults")]
    assert lab == ["begin e2e", "end e2e", "begin empty", "end empty", "begin faults", "end faults"]
    # Whole, with the option that was given for all.
    assert re.search(r"^==> docs: ok, \d+ s\nprinted by docs all$", done.stdout, re.MULTILINE)


def test_one_part_is_seen_as_it_runs(folder: Path) -> None:
    assert run(folder, "check").stdout.startswith("\n==> check\nprinted by check ")
