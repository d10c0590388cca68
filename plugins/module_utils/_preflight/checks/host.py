"""What a host has: its distribution, and the tools that a release needs. That one is missing is no problem."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import importlib.util
import re
import shutil

from ansible_collections.popcon.deploy.plugins.module_utils._common.process import run
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Found


def find_clients(found: Found) -> None:
    """Look for what AWS and the repository are asked with."""
    found.git = version_of("git", "--version")
    found.boto3 = importlib.util.find_spec("boto3")


def find_docker(found: Found) -> None:
    """Look for the engine and Compose, and see what system it is."""
    found.engine = version_of("docker", "version", "--format", "{{.Server.Version}}")
    found.compose = version_of("docker", "compose", "version", "--short")
    found.distribution = distribution(read("/etc/os-release"))


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
