"""The tarball of a release, built as `make release` does, and installed where nothing else is."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> Path:
    """Build the tarball from a copy of the tree of its own."""
    folder.mkdir()
    return Path(last_line("scripts/release", str(folder)))


def last_line(*command: str) -> str:
    """Run a command in the root of the repository; the last line it prints."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("release") / "first")


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has installed it, and works somewhere else."""
    folder = tmp_path_factory.mktemp("installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "PYTHON"))}
    environment.update(ANSIBLE_COLLECTIONS_PATH=str(folder), ANSIBLE_HOME=str(folder / "home"), PWD=str(folder))
    command = ["ansible-galaxy", "collection", "install", "--offline", "-p", str(folder), str(tarball)]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return environment
