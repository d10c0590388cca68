"""The scan for secrets finds those that are planted. They are put together here, so that it finds none in this file."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


def scan(folder: Path, name: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run what `check` runs, on a repository with this file."""
    (folder / "scripts").mkdir()
    for script in ("test", "parts.py", "summary.py"):
        shutil.copy(SCRIPTS / script, folder / "scripts")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "clean.yml").write_text("a: b\n")
    (folder / name).write_text(text)
    environment = {name: value for name, value in os.environ.items() if name != "VENV" and not name.startswith("GIT_")}
    for command in (["git", "init", "--quiet"], ["git", "add", name, "clean.yml"]):
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return subprocess.run(
        ["scripts/test", "secrets"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.py", 'KEY = "' + "AKIA" + 'QYLPMN5HHHFPZAM2"\n', "AWS Access Key"),
        ("a.pem", "-----BEGIN " + "PRIVATE KEY-----\n", "Private Key"),
        ("a.md", "token: " + "ghp_" + "a1B2" * 9 + "\n", "GitHub Token"),
        ("a.yml", "db_" + "password: " + "correct-horse\n", "Secret Keyword"),
        ("a.py", 'x = "' + "q8Zt3LmW0vRk7YbN" + 'd5HsJ1xUo9CeG2fP"\n', "Base64 High Entropy String"),
    ],
)
def test_a_planted_secret_is_refused(tmp_path: Path, name: str, text: str, kind: str) -> None:
    done = scan(tmp_path, name, text)
    assert (done.returncode, done.stderr) == (1, "FAILED: secrets\n")
    assert f"Secret Type: {kind}" in done.stdout
    assert f"Location:    {name}:1" in done.stdout


def test_what_tests_use_for_one_is_not(tmp_path: Path) -> None:
    done = scan(tmp_path, "a.py", 'password = "hunter2"\n')
    assert (done.returncode, done.stderr) == (0, "")
