"""`docker compose` on one project: what it makes of the files, what it would do, and doing it.

Which container must be recreated is compose's own decision, which `parse_recreated` reads from a dry run: it can't be made
again from outside, as `config --hash` of Compose 2.26 differs from the hash that `up` stores where there is an `env_file`.

Compose runs in the folder of the first compose file and with that as `PWD`, so that it makes of the files what
`cd FOLDER && docker compose` does, also while they are not there yet: see the overlay.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common import process as _process
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker import overlay as _overlay

# Compose gives a variable of its process more weight than the env file, so it gets only what it needs to run.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PASSED_VARIABLES = ("PATH", "HOME", "DOCKER_CONFIG", *_PROXIES, *(name.lower() for name in _PROXIES))

# What other servers have is not part of the commit, and would be fetched as root.
_NOTHING_REMOTE = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}

# Some files take compose for ever, or all memory: an include of a server that is silent, nested aliases.
_READ_SECONDS = 60
_READ_BYTES = 1024**3
_READ_CURE = "see what the files include, and that no aliases in them multiply"
# It asks the engine too.
_DRY_RUN_SECONDS = 180
_REMOVE_SECONDS = 120

_UP = ("up", "--detach", "--no-build", "--pull", "never")

MOUNTS_LABEL = "popcon.deploy.mounts"

# A label that names variables which a service only reads at its first start, separated by commas.
INITIAL_LABEL = "popcon.deploy.initial-environment"

_RECREATED = re.compile(r"Container (\S+)\s+Recreated?\s*$", re.MULTILINE)
_REMOTE = re.compile(r"""[^\s"'\[,]*(?:oci://|git://|git@|\.git\b|github\.com[:/])[^\s"'\],]*""")
_NO_SERVICE = re.compile(r"no such service: ([\w.-]+)")
_NO_MEMORY = re.compile(r"out of memory|cannot allocate memory")
_UNSET = re.compile(r'The \\?"(\w+)\\?" variable is not set')


class ComposeError(Exception):
    """Compose refused or failed; `output` is what it wrote to stderr and may quote settings: redact it before it is shown."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(command)
        self.command = command
        self.output = output

    def engine_was_lost(self) -> bool:
        """Whether the engine went away meanwhile, as when it is restarted, rather than refused."""
        return (
            re.search(r"Cannot connect to the Docker daemon|error during connect|EOF|connection re", self.output)
            is not None
        )


class NoSuchService(DeployError):
    """The files have no service of this name."""


class Compose:
    """One project: its name, the compose files, the env file that fills them, and the profiles that are asked for.

    :param files: absolute paths of the compose files, later ones over earlier ones; relative paths start from the folder of the
        first.
    :param env_file: absolute path of the file that `${NAME}` is filled from.
    :param overlays: files that are not in place yet; see `in_place`.
    """

    def __init__(
        self,
        project: str,
        files: t.Sequence[str],
        env_file: str,
        profiles: t.Iterable[str] = (),
        overlays: t.Sequence[_overlay.Overlay] = (),
    ) -> None:
        self.overlays = overlays
        self._folder = os.path.dirname(files[0])
        self._files = files
        self._env_file = env_file
        options = ["--project-name", project, *(f"--profile={name}" for name in profiles)]
        self._options = [*options, *(argument for path in files for argument in ("--file", path))]

    def in_place(self) -> None:
        """From now on, the files are where they belong."""
        self.overlays = ()

    def model(self, services: t.Sequence[str] = ()) -> Json:
        """The files as compose understands them, filled in; holds every value.

        :param services: with these, the model of these services and what they depend on, whatever their profiles.
        :raises DeployError: a variable that nothing fills. Compose itself would only warn, and start the app with a blank.
        """
        done = self._read(["config", "--format", "json", *services])
        unset = sorted(set(_UNSET.findall(done.stderr)))
        if unset:
            raise DeployError(
                f"The compose files use {', '.join(unset)}, which the settings don't have: add it to Parameter Store,"
                " or give it a default in the compose file with ${NAME:-default}."
            )
        return t.cast(Json, json.loads(done.stdout))

    def raw_model(self) -> Json:
        """The files as compose understands them, with `${NAME}` left as it stands."""
        return t.cast(Json, json.loads(self._read(["config", "--format", "json", "--no-interpolate"]).stdout))

    def pull(self, override: Json, services: t.Iterable[str], seconds: int) -> None:
        """Pull the images of some services, all at once, in so many seconds: the engine would wait for a silent registry for ever."""
        self._run(["pull", "--quiet", *services], override, timeout=seconds)

    def up(self, override: Json, wait_seconds: int, service: str | None = None, *, force: bool = False) -> None:
        """Create, recreate and start what differs, of one service or of all; pull and build nothing.

        With all services, containers that the files no longer name are removed.

        :param wait_seconds: how long it may take, waiting for dependencies to become healthy included.
        :param force: recreate the service even if nothing differs.
        """
        options = ["--force-recreate"] if force else []
        which = [service] if service else ["--remove-orphans"]
        self._run([*_UP, *options, *which], override, timeout=wait_seconds)

    def up_command(self, override_file: str) -> list[str]:
        """The command that `up` of all services runs, with the override in a file."""
        environment = {"PWD": self._folder, **_NOTHING_REMOTE}
        variables = [f"{name}={value}" for name, value in environment.items()]
        return ["env", *variables, *self._command(), "--file", override_file, *_UP, "--remove-orphans"]

    def remove(self, containers: t.Sequence[str], wait_seconds: int) -> None:
        """Stop and remove containers, as `up` leaves those of services whose profiles are not asked for."""
        for arguments in (["stop", *containers], ["rm", "--force", *containers]):
            _docker(arguments, wait_seconds)

    def start_missing(self, override: Json, services: t.Sequence[str], wait_seconds: int) -> None:
        """Create and start those of the services that don't run, wait for them, and leave the others as they are."""
        self._run([*_UP, "--no-recreate", "--wait", *services], override, timeout=wait_seconds)

    def run_job(self, override: Json, job: str, service: str, command: t.Sequence[str], wait_seconds: int) -> None:
        """Run a command in a container of its own, made as the service's would be, and remove the container.

        :param job: name of the container.
        :raises ComposeError: it exits with another status than 0, or not in time; `output` is the end of what it wrote.
        """
        try:
            self._run(
                ["run", "--rm", "--no-deps", "--no-TTY", "--name", job, service, *command],
                override,
                timeout=wait_seconds,
            )
        finally:
            # What was cut short may still run.
            with contextlib.suppress(ComposeError):
                _docker(["rm", "--force", job], _REMOVE_SECONDS)

    def recreated(self, override: Json) -> set[str]:
        """The names of the containers that `up` of all services would recreate now."""
        # A dry run that starts waits for dependencies to become healthy, which a stopped one never does in it.
        arguments = ["--dry-run", *_UP, "--no-start"]
        return parse_recreated(self._run(arguments, override, timeout=_DRY_RUN_SECONDS).stderr)

    def hashes(self, override: Json) -> dict[str, str]:
        """Compose's hash of every service's settings, by service; not that of its container where there is an `env_file`."""
        lines = self._read(["config", "--hash", "*"], override).stdout.splitlines()
        return dict(t.cast("tuple[str, str]", tuple(line.split())) for line in lines)

    def _command(self) -> list[str]:
        # Compose wants a file, and a project without settings may have none.
        there = os.path.isfile(_overlay.source(self.overlays, self._env_file))
        env_file = self._env_file if there else os.devnull
        return ["docker", "compose", "--ansi", "never", "--env-file", env_file, *self._options]

    def _read(self, arguments: t.Sequence[str], override: Json | None = None) -> subprocess.CompletedProcess[str]:
        """Have compose read the files and do nothing else, which needs little time and memory."""
        try:
            return self._run(arguments, override, timeout=_READ_SECONDS, memory=_READ_BYTES, cure=_READ_CURE)
        except ComposeError as error:
            if "_REMOTE" in error.output:
                named = ", ".join(self._named_remotes()) or "a file from a git server or a registry"
                raise DeployError(
                    f"The compose files include or extend {named}, which is not part of the commit: copy it into the"
                    " repository and name it there."
                ) from None
            unknown = _NO_SERVICE.search(error.output)
            if unknown:
                raise NoSuchService(unknown.group(1)) from None
            if _NO_MEMORY.search(error.output):
                needs = f"it needs more than {_READ_BYTES // 1024**2} MiB of memory: {_READ_CURE}"
                raise ComposeError(error.command, needs) from None
            raise

    def _named_remotes(self) -> list[str]:
        found = set()
        for path in self._files:
            with open(_overlay.source(self.overlays, path), encoding="utf-8", errors="replace") as file:
                found |= set(_REMOTE.findall(file.read()))
        return sorted(found)

    def _run(
        self,
        arguments: t.Sequence[str],
        override: Json | None = None,
        *,
        timeout: float,
        memory: int | None = None,
        cure: str = "see what it waits for, or give it longer",
    ) -> subprocess.CompletedProcess[str]:
        command = [*self._command(), *(["--file", "-"] if override else []), *arguments]
        env = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
        env.update(_NOTHING_REMOTE, PWD=self._folder)
        seen = {"env": env, "cwd": None if self.overlays else self._folder}
        data = json.dumps(override).encode() if override else b""
        try:
            # Terminated, not killed: docker ends its plugin then, which would go on otherwise.
            status, *wrote = _process.run(
                _overlay.seen_by(self.overlays, self._folder, command),
                data,
                timeout,
                end=lambda process: process.terminate(),
                memory=memory,
                **seen,
            )
        except FileNotFoundError:
            raise DeployError(
                "The docker command is not installed on this host: run the role popcon.deploy.docker first."
            ) from None
        except subprocess.TimeoutExpired:
            raise ComposeError(arguments[0], f"it did not end within {timeout:.0f} s: {cure}") from None
        out, err = (text.decode(errors="replace") for text in wrote)
        if status != 0:
            raise ComposeError(arguments[0], f"{out}\n{err}" if arguments[0] == "run" else err)
        return subprocess.CompletedProcess(command, status, out, err)


def _docker(arguments: t.Sequence[str], seconds: int) -> None:
    try:
        status, _out, err = _process.run(["docker", *arguments], timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ComposeError(arguments[0], f"it did not end within {seconds} s") from None
    if status != 0:
        raise ComposeError(arguments[0], err.decode(errors="replace"))


def parse_recreated(output: str) -> set[str]:
    """The names of the containers that compose says it recreates.

    Read from its lines `Container NAME Recreate`, the same from Compose 2.20 to 5.6, with or without the mark of a dry run.
    """
    return set(_RECREATED.findall(output))


def in_dependency_order(model: Json, names: t.Iterable[str]) -> list[str]:
    """These services, each after those it depends on, directly or through others."""
    wanted, ordered = set(names), []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for dependency in model["services"].get(name, {}).get("depends_on") or {}:
            visit(dependency)
        if name in wanted:
            ordered.append(name)

    for name in model["services"]:
        visit(name)
    return ordered


def dependencies(model: Json, name: str) -> set[str]:
    """The services that a service depends on, directly or through others."""
    found: set[str] = set()
    rest = [name]
    while rest:
        new = set(model["services"].get(rest.pop(), {}).get("depends_on") or {}) - found
        found |= new
        rest += new
    return found


def replicas(service: Json) -> int:
    """How many containers a service is to have."""
    count = service.get("scale", (service.get("deploy") or {}).get("replicas"))
    return 1 if count is None else int(count)


def shares(service: Json) -> set[str]:
    """The services whose containers it lives in: it uses their network, processes or volumes, and must be recreated with them."""
    modes = [str(service.get(key) or "") for key in ("network_mode", "ipc", "pid", "uts", "cgroup")]
    named = [mode.partition(":")[2] for mode in modes if mode.startswith("service:")]
    volumes = [source.partition(":")[0] for source in service.get("volumes_from") or []]
    return {*named, *volumes} - {"container"}


def services_using(raw_model: Json, keys: t.Collection[str], env_file: str) -> dict[str, list[str]]:
    """Which services depend on which of the keys: by `${KEY}` somewhere in them or in a secret or config of theirs, by such a one
    that has the variable's value, or by taking the whole env file.

    :param raw_model: as `Compose.raw_model` gives it.
    :returns: sorted key names by service name; services that use none are left out.
    """
    whole = os.path.realpath(env_file)
    used = {
        (kind, name): set(keys)
        if one.get("file") and os.path.realpath(one["file"]) == whole
        else _named_in(one, keys) | {key for key in keys if key == one.get("environment")}
        for kind in ("secrets", "configs")
        for name, one in (raw_model.get(kind) or {}).items()
    }
    using: dict[str, list[str]] = {}
    for name, service in raw_model.get("services", {}).items():
        read = [_env_file_path(item) for item in service.get("env_file") or []]
        read += [v["source"] for v in service.get("volumes") or [] if isinstance(v, dict) and v.get("type") == "bind"]
        found = set(keys) if any(os.path.realpath(path) == whole for path in read) else _named_in(service, keys)
        for kind in ("secrets", "configs"):
            for item in service.get(kind) or []:
                found |= used.get((kind, item["source"] if isinstance(item, dict) else item), set())
        if found:
            using[name] = sorted(found)
    return using


def _named_in(part: Json, keys: t.Iterable[str]) -> set[str]:
    text = json.dumps(part).replace("$$", "")
    return {key for key in keys if re.search(rf"\$(?:{key}\b|\{{{key}[^A-Za-z0-9_])", text)}


def initial_environment(model: Json) -> dict[str, list[str]]:
    """The variables that `INITIAL_LABEL` names, by service."""
    named = {name: (service.get("labels") or {}).get(INITIAL_LABEL, "") for name, service in model["services"].items()}
    return {name: [part.strip() for part in text.split(",") if part.strip()] for name, text in named.items() if text}


def without_environment(model: Json, variables: t.Mapping[str, t.Collection[str]]) -> Json:
    """The model without some variables of some services."""
    services = dict(model["services"])
    for name in variables.keys() & services.keys():
        kept = {k: v for k, v in (services[name].get("environment") or {}).items() if k not in variables[name]}
        services[name] = {**services[name], "environment": kept}
    return {**model, "services": services}


def _env_file_path(item: t.Any) -> str:
    return t.cast(str, item["path"] if isinstance(item, dict) else item)


def override_for(model: Json, images: t.Mapping[str, str], project_dir: str, tree: str) -> Json:
    """The compose file laid over the app's own: images by digest, and a label that makes changed mounted files count.

    Compose compares a container's settings, not the content of the files mounted into it. With a digest over those in a
    label, a service is recreated when one changes, and only then.

    :param model: as `Compose.model` gives it.
    :param images: image references by service name.
    :param project_dir: the folder that mounted paths in `model` lie in.
    :param tree: the folder that holds the wanted content of `project_dir`, often the same.
    """
    services: Json = {}
    for name, service in model["services"].items():
        entry: Json = {"image": images[name]} if name in images else {}
        inside = _mounted(service, project_dir)
        if inside:
            entry["labels"] = {MOUNTS_LABEL: _content_digest([tree + s[len(project_dir) :] for s in inside])}
        if entry:
            services[name] = entry
    return {"services": services}


def mounted_files(model: Json, project_dir: str) -> list[str]:
    """The visible files below `project_dir` that are mounted into any service, by their names in it; sorted."""
    sources = {source for service in model["services"].values() for source in _mounted(service, project_dir)}
    files = {file for source in sources for file in _visible_files(source) or [source]}
    return sorted(file[len(project_dir) + 1 :] for file in files)


def _mounted(service: Json, project_dir: str) -> list[str]:
    sources = [volume["source"] for volume in service.get("volumes") or [] if volume["type"] == "bind"]
    return sorted(source for source in sources if source.startswith(project_dir + "/"))


def _content_digest(paths: t.Iterable[str]) -> str:
    """A digest over files and whole folders: names, content and whether they may be executed; a missing path counts too.

    Hidden files are left out: `.git` changes with every commit, and nothing derived from the values in `.env` may be seen.
    """
    digest = hashlib.sha256()
    for path in paths:
        for file in _visible_files(path) or [path]:
            digest.update(f"{os.path.basename(path)}{file[len(path) :]}\0".encode())
            if os.path.isfile(file) and not os.path.basename(file).startswith("."):
                digest.update(b"x" if os.access(file, os.X_OK) else b"-")
                with open(file, "rb") as stream:
                    digest.update(hashlib.sha256(stream.read()).digest())
    return digest.hexdigest()


def _visible_files(folder: str) -> list[str]:
    found = []
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(path, name) for name in names if not name.startswith(".")]
    return sorted(found)
