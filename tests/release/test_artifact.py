"""What a release is: reproducible, complete, nothing more, installable, and accepted by Galaxy's own check."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, build

PLUGIN_TYPES = {"modules": "module", "filter": "filter"}
BELONGS = {
    "CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "SECURITY.md", "changelogs", "meta", "playbooks",
    "plugins", "roles",
}  # fmt: skip


def names(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive.getmembers() if not member.isdir()}


def test_the_same_tree_gives_the_same_bytes(tarball: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "second").read_bytes() == tarball.read_bytes()


def test_it_holds_all_that_belongs_in_it_and_nothing_else(tarball: Path) -> None:
    held = names(tarball)
    assert {name.split("/")[0] for name in held} == BELONGS
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "plugins", "roles", "playbooks", "meta"]
    tree = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    assert {name for name in held if name.split("/")[0] in ("plugins", "roles", "playbooks", "meta")} == {
        name for name in tree if (ROOT / name).exists()
    }


def test_its_changelog_is_that_of_its_version(tarball: Path) -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    with tarfile.open(tarball) as archive:
        assert f"v{version}\n" in archive.extractfile("CHANGELOG.md").read().decode().replace("\\", "")


def test_what_is_installed_is_what_was_built(installed: dict[str, str]) -> None:
    command = ["ansible-galaxy", "collection", "verify", "--offline", "popcon.deploy"]
    subprocess.run(command, env=installed, check=True)


@pytest.mark.parametrize("folder", PLUGIN_TYPES)
def test_the_documentation_of_every_plugin_can_be_read(installed: dict[str, str], folder: str) -> None:
    plugins = {f"popcon.deploy.{path.stem}" for path in (ROOT / "plugins" / folder).glob("*.py")}
    assert plugins
    command = ["ansible-doc", "--json", "-t", PLUGIN_TYPES[folder], *sorted(plugins)]
    output = subprocess.run(command, env=installed, check=True, stdout=subprocess.PIPE, text=True).stdout
    pages = json.loads(output)
    assert {name for name, page in pages.items() if page["doc"]["short_description"]} == plugins


def test_the_documentation_of_every_role_can_be_read(installed: dict[str, str]) -> None:
    roles = {f"popcon.deploy.{path.name}" for path in (ROOT / "roles").iterdir()}
    command = ["ansible-doc", "--json", "-t", "role", *sorted(roles)]
    output = subprocess.run(command, env=installed, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert {name for name, page in json.loads(output).items() if page["entry_points"]} == roles


def test_every_playbook_can_be_run_by_its_name(installed: dict[str, str]) -> None:
    for path in (ROOT / "playbooks").glob("*.yml"):
        command = ["ansible-playbook", "--syntax-check", "-i", "localhost,", f"popcon.deploy.{path.stem}"]
        subprocess.run(command, env=installed, check=True)


@pytest.mark.thorough
def test_galaxy_would_take_it(tarball: Path, tmp_path: Path) -> None:
    """With Galaxy's own check, which ends well whatever it finds: so what it says is read."""
    venv = ROOT / "build/venv/importer"
    subprocess.run(["scripts/setup", "importer"], cwd=ROOT, check=True, env={**os.environ, "VENV": str(venv)})
    environment = {"PATH": f"{venv}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [f"{venv}/bin/python", "-m", "galaxy_importer.main", str(tarball)],
        cwd=tmp_path, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0
    assert not re.search(r"\berror\b", done.stdout, re.IGNORECASE)
    modules = {content["name"] for content in json.loads((tmp_path / "importer_result.json").read_text())["contents"]}
    assert {path.stem for path in (ROOT / "plugins/modules").glob("*.py")} <= modules


def test_an_execution_environment_can_be_made_of_it(installed: dict[str, str], tmp_path: Path) -> None:
    collections = installed["ANSIBLE_COLLECTIONS_PATH"]
    found = subprocess.run(
        ["ansible-builder", "introspect", "--sanitize", collections], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert "boto3>=1.35.0" in found
    command = ["ansible-builder", "create", "-f", str(ROOT / "execution-environment.yml"), "-c", str(tmp_path)]
    subprocess.run(command, check=True)
    # Its name is that of the container engine that is installed.
    (recipe,) = tmp_path.glob("*file")
    assert "session-manager-plugin" in recipe.read_text()
