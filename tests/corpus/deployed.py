"""An app that is deployed to the machine's own engine, as the module does it but without Ansible, and what runs of it then."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import types
import typing as t
from pathlib import Path

from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release.module import project_of
from ansible_collections.popcon.deploy.plugins.module_utils._release.rollout import Rollout
from ansible_collections.popcon.deploy.plugins.modules import compose_release
from ansible_collections.popcon.deploy.tests.corpus.apps import git

Json = dict[str, t.Any]
_DEFAULTS = {name: spec.get("default") for name, spec in compose_release.ARGUMENT_SPEC.items()}


def docker(*arguments: str, cwd: Path | None = None, check: bool = True) -> str:
    """Run the docker command and give what it printed."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    if cwd:
        env["PWD"] = str(cwd)
    done = subprocess.run(["docker", *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout.strip()


class Deployed:
    """A project whose files are in a clone; its settings are the `.env` that is there.

    :param state: the folder for what is remembered of projects.
    :param image: the reference that the files have, of an image that the engine has from a registry.
    """

    def __init__(
        self,
        name: str,
        clone: Path,
        state: Path,
        image: str,
        files: t.Sequence[str],
        profiles: t.Sequence[str] = (),
    ) -> None:
        self.name, self.clone, self.files, self.profiles = name, clone, files, profiles
        self.folder = clone / os.path.dirname(files[0])
        self._state = state
        pinned = json.loads(docker("image", "inspect", "--format={{json .RepoDigests}}", image))
        # The registry isn't asked: the logins that would be used are those of the user who runs this.
        self._digests = {image: next(one for one in pinned if one.startswith(f"{image.rpartition(':')[0]}@"))}
        self._run = 0

    def deploy(self, commit: str) -> Json:
        """Deploy a commit, which must work; gives the module's result."""
        result = self._carried_out(commit, check_mode=False)
        assert "failure" not in result, result["failure"]
        return result

    def dry_run(self, commit: str, scratch: Path) -> Json:
        """What a deploy of the commit would do."""
        tree = scratch / f"tree-{self._run}"
        checkout.export(str(self.clone), commit, str(tree))
        return self._carried_out(commit, check_mode=True, tree=str(tree))

    def _carried_out(self, commit: str, *, check_mode: bool, tree: str | None = None) -> Json:
        self._run += 1
        params = {
            **_DEFAULTS, "project": self.name, "project_dir": str(self.clone), "state_dir": str(self._state),
            "files": list(self.files), "profiles": list(self.profiles), "commit": commit, "tree": tree,
            "wait_seconds": 120, "digests": self._digests, "run": f"run-{self._run}",
        }  # fmt: skip
        module: t.Any = types.SimpleNamespace(params=params, check_mode=check_mode)
        project, said = project_of(params), list[str]()
        rollout = Rollout(project, said.append)
        target = compose_release.wanted(module, project)
        return rollout.dry_run(target) if check_mode else rollout.run(target)

    def ids(self) -> dict[str, set[str]]:
        """The ids of its containers, by service."""
        found: dict[str, set[str]] = {}
        for container in self.containers():
            found.setdefault(container["Config"]["Labels"]["com.docker.compose.service"], set()).add(container["Id"])
        return found

    def containers(self) -> list[Json]:
        """All of them, as the engine shows them."""
        ids = docker("ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={self.name}").split()
        return t.cast("list[Json]", json.loads(docker("inspect", *ids))) if ids else []

    def model(self) -> Json:
        """What `docker compose config` in the folder makes of what is there."""
        files = [f"--file={os.path.relpath(self.clone / name, self.folder)}" for name in self.files]
        options = [f"--project-name={self.name}", *files, *(f"--profile={name}" for name in self.profiles)]
        model = docker("compose", *options, "config", "--format", "json", cwd=self.folder)
        # So that what it prints can be read by compose again, it doubles every dollar.
        return t.cast(Json, json.loads(model.replace("$$", "$")))

    def disagreements(self) -> list[str]:
        """What is otherwise in the containers than the files and settings in the folder have it, a line each."""
        return list(self._disagreements())

    def remove(self) -> None:
        """Take away its containers, networks and volumes."""
        for kind, remove in (("container", "rm"), ("network", "rm"), ("volume", "rm")):
            options = ["--all"] if kind == "container" else []
            force = ["--force", "--volumes"] if kind == "container" else []
            listed = [kind, "ls", "--quiet", f"--filter=label=com.docker.compose.project={self.name}", *options]
            names = docker(*listed, check=False).split()
            if names:
                docker(kind, remove, *force, *names, check=False)

    def _disagreements(self) -> t.Iterator[str]:
        model, ids = self.model(), self.ids()
        wanted = {name: service for name, service in model["services"].items() if _replicas(service)}
        if ids.keys() != wanted.keys():
            yield f"containers of {sorted(ids)}, not of {sorted(wanted)}"
        for container in self.containers():
            name = container["Config"]["Labels"]["com.docker.compose.service"]
            if name in wanted:
                yield from (f"{name}: {text}" for text in self._otherwise(container, wanted[name], model))
        for name, service in wanted.items():
            if len(ids.get(name, ())) != _replicas(service):
                yield f"{name}: {len(ids.get(name, ()))} containers"

    def _otherwise(self, container: Json, service: Json, model: Json) -> t.Iterator[str]:
        state, config = container["State"], container["Config"]
        if state["Status"] != "running" and (state["Status"], state["ExitCode"]) != ("exited", 0):
            yield f"{state['Status']} {state['ExitCode']}"
        if container["Image"] != docker("image", "inspect", "--format={{.Id}}", service["image"]):
            yield "another image"
        # A variable that nothing fills is a bare name there, and the container has none.
        environment = dict(line.partition("=")[::2] for line in config["Env"] if "=" in line)
        for key, value in (service.get("environment") or {}).items():
            if environment.get(key) != value:
                yield f"{key} is {environment.get(key)!r}, not {value!r}"
        for key, value in (service.get("labels") or {}).items():
            if config["Labels"].get(key) != value:
                yield f"label {key} is {config['Labels'].get(key)!r}, not {value!r}"
        if service.get("command") is not None and config["Cmd"] != service["command"]:
            yield f"command is {config['Cmd']}"
        if "networks" in service:
            networks = {(model["networks"][name] or {})["name"] for name in service["networks"]}
            if networks != container["NetworkSettings"]["Networks"].keys():
                yield f"networks are {sorted(container['NetworkSettings']['Networks'])}"
        if state["Status"] == "running":
            yield from self._other_content(container, self._contents(service, model))

    def _contents(self, service: Json, model: Json) -> dict[str, bytes]:
        """What is to be in files of the container: of all that is mounted and that git tracks, and of secrets and configs."""
        found = {}
        for kind, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
            for item in service.get(kind) or []:
                target = os.path.join(folder, item.get("target") or item["source"])
                found[target] = self._content(model[kind][item["source"]])
        tracked = git(self.clone, "ls-files", "-z").split("\0")
        for volume in service.get("volumes") or []:
            if volume["type"] != "bind":
                continue
            source = os.path.realpath(volume["source"])
            for path in (os.path.join(self.clone, name) for name in tracked):
                if path == source or path.startswith(f"{source}/"):
                    with contextlib.suppress(FileNotFoundError):
                        found[volume["target"] + path[len(source) :]] = Path(path).read_bytes()
        return found

    def _content(self, one: Json) -> bytes:
        if "file" in one:
            return Path(one["file"]).read_bytes()
        if "content" in one:
            return t.cast(str, one["content"]).encode()
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines)[one["environment"]].encode()

    @staticmethod
    def _other_content(container: Json, wanted: dict[str, bytes]) -> t.Iterator[str]:
        if not wanted:
            return
        script = 'for file; do sha256sum "$file" || echo missing; done'
        paths = list(wanted)
        lines = docker("exec", "--user=0", container["Id"], "sh", "-c", script, "sh", *paths).splitlines()
        for path, line in zip(paths, lines):
            if line.split()[0] != hashlib.sha256(wanted[path]).hexdigest():
                yield f"{path} has other content"


def _replicas(service: Json) -> int:
    count = service.get("scale", (service.get("deploy") or {}).get("replicas"))
    return 1 if count is None else int(count)
