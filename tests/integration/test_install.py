"""The collection as users have it: built and installed by the commands of the README, which the workflows run too."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import yaml
from ansible_collections.popcon.deploy.tests.integration.emulators import environment_without_aws

ROOT = Path(__file__).parents[2]


def test_what_is_installed_is_all_that_is_needed(tmp_path: Path) -> None:
    """From a copy, as the archive is put where it is built."""
    source = tmp_path / "source"
    not_sources = shutil.ignore_patterns(".venv", ".git", "build", ".state", "__pycache__", ".*_cache", ".ansible")
    shutil.copytree(ROOT, source, ignore=not_sources)
    action = yaml.safe_load((source / ".github/actions/controller/action.yml").read_text())
    (install,) = (step["run"] for step in action["runs"]["steps"] if step.get("name", "").startswith("Install"))
    requirements, *commands = install.strip().splitlines()
    assert requirements == "pip install --requirement requirements/controller.txt"
    assert (source / requirements.split()[-1]).is_file()

    environment = {**environment_without_aws(), "HOME": str(tmp_path)}
    environment.pop("PYTHONPATH", None)

    def run(command: str, folder: Path) -> str:
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for command in commands:
        run(command, source)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("app: {hosts: {one: {}}}\n")
    for playbook in sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")):
        run(f"ansible-playbook popcon.deploy.{playbook} -i {inventory} --syntax-check", tmp_path)
    documented = json.loads(run("ansible-doc -t role -l --json popcon.deploy", tmp_path))
    assert {f"popcon.deploy.{path.name}" for path in (ROOT / "roles").iterdir()} == set(documented)
