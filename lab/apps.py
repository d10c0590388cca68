"""Puts an app of the user's own into the lab: its files, its images and a place for its settings."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import engine, gitops, images, seed, state
from .config import APPS_PATH, LAB, REGISTRY
from .console import LabError, run, say

#: Variables of each app, for the playbooks.
_VARIABLES = state.STATE / "apps"
#: Those that compose looks for, the first of them wins.
_COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_CONTRACT = ".env.example"
#: What the sample app has.
_TAKEN = ("main", "popcon")
#: Of an app without a setting, so that its path has something.
_MARKER = "LAB_APP"
_COMPOSE_SECONDS = 60


@dataclass(frozen=True)
class App:
    """An app in a folder.

    :param name: of its project, of its folder on the hosts and of its path in Parameter Store.
    :param files: compose files, relative to the folder.
    """

    folder: Path
    branch: str
    name: str
    files: tuple[str, ...]

    @property
    def path(self) -> str:
        """Of its parameters."""
        return f"{APPS_PATH}/{self.name}"

    @property
    def contract(self) -> str:
        """Relative to the folder; empty if there is none."""
        beside = Path(self.files[0]).parent / _CONTRACT
        return str(beside) if (self.folder / beside).is_file() else ""

    @property
    def variables(self) -> dict[str, object]:
        """What the inventory has of the sample app, for this one."""
        return {
            "gitops_checkout_ref": self.branch,
            "gitops_checkout_dest": f"/opt/popcon/{self.name}",
            "compose_deploy_project": self.name,
            "compose_deploy_files": list(self.files),
            "compose_deploy_contract": self.contract,
            "compose_deploy_parameter_paths": [self.path],
        }


def app_of(folder: str, branch: str | None, files: Sequence[str]) -> App:
    """The app in a folder. Raises LabError where there is none, or its name is taken."""
    path = Path(folder).resolve()
    if not path.is_dir():
        raise LabError(f"{folder} is not a folder; name the one that is to be the root of the repository")
    branch = branch or re.sub(r"[^a-z0-9_-]+", "-", path.name.lower()).strip("-_")
    # As compose wants the names of projects.
    name = re.sub(r"[^a-z0-9_-]+", "-", branch.lower()).strip("-_")
    if not name or run("git", "check-ref-format", "--branch", branch, check=False).returncode != 0:
        raise LabError(f"{branch!r} can't be the name of a branch and of a compose project; choose one with --branch")
    if name in _TAKEN:
        raise LabError(f"{branch} is the lab's own app; choose another name with --branch")
    found = tuple(files) or next(((file,) for file in _COMPOSE_FILES if (path / file).is_file()), ())
    if not found:
        raise LabError(f"{folder} has no {' or '.join(_COMPOSE_FILES)}; name the compose files with --file")
    for file in found:
        if not (path / file).is_file():
            raise LabError(f"{folder} has no file {file}; --file is relative to the folder")
    return App(path, branch, name, found)


def put(app: App) -> None:
    """Put an app into the lab, or what changed of it since, and say how to deploy it."""
    if not state.exists():
        raise LabError("there is no lab here; start one: python -m lab up")
    commit = gitops.push_folder(app.folder, app.branch)
    say(f"{app.folder} is commit {commit[:12]} of branch {app.branch} on the lab's git server")
    values = _settings(app)
    for image in _images(app, values):
        say(f"{image}: {images.push_local(image)}")
    _VARIABLES.mkdir(mode=0o700, exist_ok=True)
    file = _VARIABLES / f"{app.name}.yml"
    # JSON is YAML.
    file.write_text(json.dumps(app.variables, indent=1) + "\n")
    deploy = f"ansible-playbook playbooks/deploy.yml -i inventories/lab -e @{_shown(file)}"
    say(f"See what a deploy would do, then deploy:\n  . {_shown(state.ENV)}\n  {deploy} --check --diff\n  {deploy}")


def _settings(app: App) -> dict[str, str]:
    """The parameters of an app; those that it requires and nobody set get a value that is made up here."""
    if app.contract:
        text = (app.folder / app.contract).read_text()
        required = re.findall(r"""^(?:export[ \t]+)?([\w.-]+)=(?:''|"")?[ \t]*$""", text, re.MULTILINE)
    else:
        required = []
    values = seed.parameters_below(app.path)
    made_up = {
        name: REGISTRY if name == "ECR_REGISTRY" else f"lab-{secrets.token_hex(8)}"
        for name in required
        if name not in values
    }
    if not values and not made_up:
        made_up = {_MARKER: app.name}
    for name, value in made_up.items():
        seed.set_parameter(name, value, app.path)
    if said := [name for name in made_up if name != _MARKER]:
        say(
            f"Made up: {', '.join(said)}. For other values: python -m lab set --app {app.name} {said[0]}=VALUE,"
            f" which is the parameter {app.path}/{said[0]}"
        )
    return {**values, **made_up}


def _images(app: App, values: Mapping[str, str]) -> list[str]:
    """The images that an app's services name, as compose reads what was pushed; none where it can't."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch)
        gitops.clone(app.branch, clone)
        # As a deploy has it there, for services that take the whole of it.
        env_file = clone / Path(app.files[0]).parent / ".env"
        if not env_file.exists():
            env_file.write_text((clone / app.contract).read_text() if app.contract else "")
        options = [option for file in app.files for option in ("--file", file)]
        options += ["--env-file", str(env_file), "--profile", "*", "config", "--format", "json"]
        env = {**values, "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}
        done = run(*engine.compose(), *options, env=env, cwd=clone, check=False, timeout=_COMPOSE_SECONDS)
    if done.returncode != 0:
        say(f"Compose can't read it, so its images were not looked at: {' '.join(done.stderr.split())}")
        return []
    services: dict[str, dict[str, Any]] = json.loads(done.stdout).get("services") or {}
    return sorted({service["image"] for service in services.values() if "image" in service})


def _shown(path: Path) -> str:
    return os.path.relpath(path, LAB.parent)
