"""A situation for the checks of obstacles: a model as compose prints it, a folder as the clone, and a played engine."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Situation
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.files import Files

FAILS, MISLEADS, SURPRISES = Kind.FAILS, Kind.MISLEADS, Kind.SURPRISES


@dataclasses.dataclass
class FakeEngine:
    """What an engine has, by name; `asked` is what it was asked for."""

    networks: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    held: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    stored: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    projects: dict[str, list[t.Any]] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)

    def network(self, name: str) -> t.Any:
        self.asked.append(name)
        return self.networks.get(name, {})

    def container(self, name: str) -> t.Any:
        self.asked.append(name)
        return self.held.get(name, {})

    def volume(self, name: str) -> t.Any:
        self.asked.append(name)
        return self.stored.get(name, {})

    def volumes(self, project: str) -> list[t.Any]:
        return [volume for volume in self.stored.values() if volume["Name"].startswith(f"{project}_")]

    def containers(self, project: str) -> list[t.Any]:
        return self.projects.get(project, [])

    def platform(self) -> tuple[str, str]:
        self.asked.append("platform")
        return "linux", "amd64"


class Look:
    """What a test of a check says of its host; `folder` is the clone, `tree` the wanted files where they are elsewhere."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "app"
        self.folder.mkdir()
        self.tree: Path | None = None
        self.engine = FakeEngine()
        #: git's modes of what is tracked in the clone now.
        self.now: dict[str, str] = {}
        self.root = root

    def volume(self, name: str, *files: str, **fields: t.Any) -> None:
        """Have a volume with these files."""
        point = self.root / "volumes" / name
        point.mkdir(parents=True)
        for file in files:
            (point / file).write_text("x")
        self.engine.stored[name] = {
            "Name": name,
            "Driver": "local",
            "Mountpoint": str(point),
            "Options": None,
            **fields,
        }

    def commit(self, *names: str) -> None:
        """Have tracked files in the clone."""
        for name in names:
            write(self.folder / name)
            self.now[name] = "100644"

    def stage(self, *names: str) -> Path:
        """Have the wanted files in a folder of their own."""
        self.tree = self.root / "tree"
        self.tree.mkdir()
        for name in names:
            write(self.tree / name)
        return self.tree

    def situation(self, model: t.Any, **fields: t.Any) -> Situation:
        tree = self.tree or self.folder
        files = Files(str(self.folder), str(tree), lambda: self.now, lambda: self.now, [f"{self.folder}/.env"])
        # As compose prints it.
        model = json.loads(json.dumps(model).replace("$HERE", str(self.folder)))
        defaults: dict[str, t.Any] = {
            "project": "shop",
            "containers": [],
            "settings": {"TOKEN": "x"},
            "compose_files": [],
            "is_project_of_ours": lambda _name: False,
        }
        return Situation(model=model, engine=self.engine, files=files, **{**defaults, **fields})

    def found(self, check: t.Any, model: t.Any, **fields: t.Any) -> list[tuple[Kind, str]]:
        """What a check finds."""
        return [tuple(obstacle) for obstacle in check(self.situation(model, **fields))]


def write(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def container(service: str, *mounts: t.Any, name: str = "", project: str = "shop") -> t.Any:
    """A container as the engine describes it."""
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": service} if project else None
    return {"Name": f"/{name or f'{project}-{service}-1'}", "Config": {"Labels": labels}, "Mounts": list(mounts)}


def volume_mount(name: str, target: str, writable: bool = True) -> t.Any:
    return {"Type": "volume", "Name": name, "Source": f"/v/{name}/_data", "Destination": target, "RW": writable}


def bind_mount(source: object, target: str, writable: bool = True) -> t.Any:
    return {"Type": "bind", "Source": str(source), "Destination": target, "RW": writable}
