"""Ansible's commands, with the collection that is tested and without what the user has of settings."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import ansible_collections
import yaml

COLLECTIONS_PATH = ":".join(str(Path(path).parent) for path in ansible_collections.__path__)


def ansible_settings(folder: Path) -> dict[str, str]:
    """The environment variables for it; what Ansible keeps is in the folder."""
    (folder / "ansible.cfg").touch()
    return {
        "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS_PATH,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }


def play(folder: Path, tasks: list[dict], environment: dict[str, str], *options: str, **more: t.Any) -> list[dict]:
    """Run tasks as a play on this machine and return their results, in order; `more` is the play's besides."""
    everything = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks, **more}
    (folder / "play.yml").write_text(yaml.safe_dump([everything]))
    done = subprocess.run(
        ["ansible-playbook", "play.yml", *options],
        cwd=folder,
        env={**environment, **ansible_settings(folder), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    assert "canary" not in done.stdout + done.stderr
    return [task["hosts"]["localhost"] for task in json.loads(done.stdout)["plays"][0]["tasks"]]
