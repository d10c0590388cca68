"""Apps besides the sample one, each a project of its own on the lab's host."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab import config, gitops, state
from lab.apps import App

from .controller import Controller, Run, python_m_lab
from .inputs import CONTRACT, IDLE, Input, Json

PROJECTS = "/var/lib/popcon/projects"


def write(folder: Path, files: Mapping[str, str | Json]) -> Path:
    """Write files into a folder; compose files are given as what is in them."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return folder


def service(**keys: object) -> Json:
    """A service that does nothing, with these keys besides."""
    return {**IDLE, **keys}


class Project:
    """An app of a folder, put into the lab and deployed as a user does it.

    :param name: of its branch and its project.
    """

    def __init__(self, controller: Controller, name: str, folder: Path) -> None:
        self.controller = controller
        self.name = name
        self.folder = folder
        self.root = f"/opt/popcon/{name}"

    def put(self, *options: str) -> str:
        """The lab's command; its output."""
        return python_m_lab("app", str(self.folder), "--branch", self.name, *options)

    @property
    def arguments(self) -> list[str]:
        """For each playbook, once it was put there."""
        return ["-e", f"@{state.STATE / 'apps' / self.name}.yml"]

    def push(self, *files: str) -> list[str]:
        """Put the files alone there, which nothing on this machine reads before; the arguments for each playbook."""
        app = App(self.folder, self.name, self.name, files or ("docker-compose.yml",))
        gitops.push_folder(self.folder, self.name)
        contract = app.contract or CONTRACT
        variables = {**app.variables, "compose_deploy_contract": contract}
        return ["-e", json.dumps({**variables, "compose_deploy_parameter_paths": [config.PARAMETER_PATH]})]

    def deploy(self, *arguments: str) -> Run:
        """Deploy it."""
        return self.controller.deploy(*self.arguments, *arguments)

    def containers(self) -> dict[str, str]:
        """Its running containers: ids by name."""
        label = f"label=com.docker.compose.project={self.name}"
        template = "{{.Names}} {{.ID}}"
        lines = self.controller.on_host("docker", "ps", "--no-trunc", "--filter", label, "--format", template)
        return dict(line.split() for line in lines.splitlines())

    def containers_of(self, services: set[str]) -> dict[str, str]:
        """Those of some services."""
        containers = self.containers()
        return {name: container for name, container in containers.items() if self.service_of(name) in services}

    def service_of(self, container: str) -> str:
        """The service that a container is of, by its name, unless the compose file gives it one."""
        return re.sub(rf"^{self.name}-(.*)-\d+$", r"\1", container)

    def seen(self, inputs: Iterable[Input]) -> dict[str, str]:
        """What the containers have of these inputs, by the inputs' names."""
        script = [f"p={self.name}"]
        for one in inputs:
            filters = f"label=com.docker.compose.project=$p --filter label=com.docker.compose.service={one.name}"
            first = "label=com.docker.compose.container-number=1"
            script += [
                f"echo; echo '=== {one.name}'",
                f"c=$(docker ps -q --filter {filters} --filter {first})",
                one.look,
            ]
        output = self.controller.on_host("sh", "-c", "\n".join(script), check=False)
        sections = re.split(r"^=== (.*)\n", output, flags=re.MULTILINE)[1:]
        return {name: text.strip() for name, text in zip(sections[::2], sections[1::2])}

    def planned(self, run: Run) -> set[str]:
        """The services of which a run says that something happens to them."""
        made = re.findall(r"\b(?:re)?create ([\w.-]+)", run.words)
        gone = re.findall(rf"\bremove container (?:\w+_)?{self.name}-([\w.-]+)-\d+", run.words)
        return {*made, *gone}

    def remove(self) -> None:
        """Leave nothing of it on the host."""
        compose = "docker ps -aq --filter label=com.docker.compose.project=$0 | xargs -r docker rm -fv"
        things = "for kind in volume network; do docker $kind ls -q --filter label=com.docker.compose.project=$0 |"
        things += " xargs -r docker $kind rm; done"
        files = f"rm -rf /opt/popcon/$0 {PROJECTS}/$0"
        self.controller.on_host("sh", "-c", f"{compose}; {things}; {files}", self.name, check=False)
