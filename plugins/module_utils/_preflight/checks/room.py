"""Whether the disks have room for images, containers and the project."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look

_DATA_FOLDER = "/var/lib/docker"

GIGABYTE = 1024**3
# A base image alone has some ten thousand files.
DOCKER_FILES = 20_000
# For the checkout, its settings and the records of releases, a small volume of their own is enough.
PROJECT_BYTES = GIGABYTE // 5
PROJECT_FILES = 1_000


def check_docker(look: Look) -> None:
    """:raises DeployError: too little room where the engine keeps images and containers, or will once it runs."""
    folder = str(look.found.daemon_config.get("data-root", _DATA_FOLDER))
    if look.found.engine:
        folder = look.findings.tried(Engine().data_folder) or folder
    refuse_smaller(folder, int(look.options["min_free_gb"] * GIGABYTE), DOCKER_FILES)


def check_project(look: Look) -> None:
    """:raises DeployError: too little room for the files of the project."""
    refuse_smaller(look.options["project_dir"], PROJECT_BYTES, PROJECT_FILES)


def refuse_smaller(path: str, size: int, files: int) -> None:
    """Refuse a file system that a path lies in, or will lie in, if it has too little room.

    :param size: bytes that must be free.
    :param files: files that it must still take.
    :raises DeployError: it has less.
    """
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    room = os.statvfs(path)
    free = room.f_bavail * room.f_frsize
    cure = "Make room there, for example with docker image prune, or enlarge the volume."
    if free < size:
        raise DeployError(f"{path} has {free / GIGABYTE:.1f} GB free, and {size / GIGABYTE:.1f} GB are needed. {cure}")
    # Some file systems, such as btrfs, have no limit and say 0 of 0.
    if room.f_files and room.f_favail < files:
        raise DeployError(f"{path} has inodes for {room.f_favail} more files, and {files} are needed. {cure}")
