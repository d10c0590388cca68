"""What a host has of what a deploy needs, and what of that is too old, too small or wrong, in words."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json
import os
import re
import shutil
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.process import run

MINIMUM_ENGINE = (20, 10)
MINIMUM_COMPOSE = (2, 20)

DAEMON_CONFIG = "/etc/docker/daemon.json"
_DATA_FOLDER = "/var/lib/docker"

GIGABYTE = 1024**3
# A base image alone has some ten thousand files.
DOCKER_FILES = 20_000
# For the checkout, its settings and the records of releases, a small volume of their own is enough.
PROJECT_BYTES = GIGABYTE // 5
PROJECT_FILES = 1_000

# AWS refuses signatures that are more than five minutes off: "Troubleshoot Signature Version 4 signing" (IAM User Guide).
CLOCK_LIMIT_SECONDS = 300
CLOCK_DOUBT_SECONDS = 60


def distribution(text: str) -> dict[str, str]:
    """The system's id and version from the text of an os-release file."""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return {"id": fields.get("ID", "unknown"), "version": fields.get("VERSION_ID", "")}


def version_of(*command: str) -> str | None:
    """The version number that a command prints, or None if it isn't there or fails."""
    if not shutil.which(command[0]):
        return None
    status, out, _err = run(command)
    found = re.search(r"\d+(\.\d+)+", out.decode(errors="replace"))
    return found.group() if found and status == 0 else None


def read(path: str) -> str:
    """The text of a file, empty if there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def daemon_config(path: str = DAEMON_CONFIG) -> dict[str, t.Any]:
    """What the engine's configuration holds; empty without the file.

    :raises DeployError: it can't be parsed.
    """
    try:
        config = json.loads(read(path) or "{}")
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise DeployError(f"{path} is no valid JSON object: mend it, or the engine won't start again.")
    return config


def data_folder(config: t.Mapping[str, t.Any]) -> str:
    """Where an engine that doesn't run, or isn't installed yet, will keep images and containers."""
    return str(config.get("data-root", _DATA_FOLDER))


def age_problem(name: str, found: str, least: tuple[int, int]) -> str | None:
    """What is wrong with the version found of a program, if it is older than it may be."""
    if tuple(map(int, found.split("."))) >= least:
        return None
    return (
        f"{name} is {found} on this host, and {least[0]}.{least[1]} or newer is needed: upgrade it from where it was "
        "installed from. One that is there is left as it is by the role popcon.deploy.docker."
    )


def room_problem(path: str, size: int, files: int) -> str | None:
    """What is wrong with the file system that a path lies in, or will lie in, if it has too little room.

    :param size: bytes that must be free.
    :param files: files that it must still take.
    """
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    room = os.statvfs(path)
    free = room.f_bavail * room.f_frsize
    cure = "Make room there, for example with docker image prune, or enlarge the volume."
    if free < size:
        return f"{path} has {free / GIGABYTE:.1f} GB free, and {size / GIGABYTE:.1f} GB are needed. {cure}"
    # Some file systems, such as btrfs, have no limit and say 0 of 0.
    if room.f_files and room.f_favail < files:
        return f"{path} has inodes for {room.f_favail} more files, and {files} are needed. {cure}"
    return None


def clock_verdict(ahead: float) -> tuple[str | None, str | None]:
    """What is wrong with the host's clock, as (problem, None) or (None, warning).

    :param ahead: seconds it is ahead of AWS's; behind, if negative.
    """
    if abs(ahead) <= CLOCK_DOUBT_SECONDS:
        return None, None
    off = f"The clock of this host is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} AWS's"
    cure = "Let it follow a time server (systemctl status chrony, or timedatectl set-ntp true)."
    if abs(ahead) > CLOCK_LIMIT_SECONDS:
        return f"{off}, and from {CLOCK_LIMIT_SECONDS} s on AWS refuses what it signs. {cure}", None
    return None, f"{off}. {cure}"
