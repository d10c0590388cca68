"""An app that changes at random: any of the inputs that a container can have comes, changes or goes."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import random
import shutil
import typing as t
from pathlib import Path

from ansible_collections.popcon.deploy.tests.corpus.apps import commit, git

Json = dict[str, t.Any]
SERVICES = ("one", "two", "three")


class Written:
    """What a commit and its settings are made of."""

    def __init__(self) -> None:
        self.compose: Json = {"services": {}, "secrets": {}, "configs": {}, "networks": {}}
        self.files: dict[str, str] = {}
        self.settings: dict[str, str] = {"COMMON": "1"}


Add = t.Callable[[Written, Json, str, int], None]


def _environment(_written: Written, service: Json, _name: str, version: int) -> None:
    service["environment"]["PLAIN"] = f"v{version}"


def _setting(written: Written, service: Json, name: str, version: int) -> None:
    written.settings[f"{name}_SETTING"] = f"v{version}"
    service["environment"]["SETTING"] = f"${{{name}_SETTING}}"


def _env_file(written: Written, service: Json, name: str, version: int) -> None:
    written.files[f"env/{name}.env"] = f"FROM_FILE=v{version}\n"
    service["env_file"].append({"path": f"env/{name}.env", "required": version % 2 == 0})


def _label(_written: Written, service: Json, _name: str, version: int) -> None:
    service["labels"]["example.version"] = f"v{version}"


def _label_file(written: Written, service: Json, name: str, version: int) -> None:
    written.files[f"{name}.labels"] = f"example.file=v{version}\n"
    service["label_file"] = f"{name}.labels"


def _extends(written: Written, service: Json, name: str, version: int) -> None:
    base = {"services": {"base": {"environment": {"EXTENDED": f"v{version}"}}}}
    written.files[f"common/{name}.yml"] = json.dumps(base)
    service["extends"] = {"file": f"common/{name}.yml", "service": "base"}


def _command(_written: Written, service: Json, _name: str, version: int) -> None:
    service["command"] = ["--databases", str(16 + version)]


def _network(written: Written, service: Json, name: str, version: int) -> None:
    written.compose["networks"][f"{name}-{version % 2}"] = {}
    service["networks"] = {"default": {}, f"{name}-{version % 2}": {"aliases": [f"alias-{version}"]}}


def _secret_file(written: Written, service: Json, name: str, version: int) -> None:
    written.files[f"keys/{name}.pem"] = f"key {version}\n"
    written.compose["secrets"][f"{name}-file"] = {"file": f"keys/{name}.pem"}
    service["secrets"].append(f"{name}-file")


def _secret_of_a_setting(written: Written, service: Json, name: str, version: int) -> None:
    written.settings[f"{name}_TOKEN"] = f"token-{version}"
    written.compose["secrets"][f"{name}-setting"] = {"environment": f"{name}_TOKEN"}
    service["secrets"].append({"source": f"{name}-setting", "target": "token"})


def _config_file(written: Written, service: Json, name: str, version: int) -> None:
    written.files[f".config/{name}.conf"] = f"version {version}\n"
    written.compose["configs"][f"{name}-file"] = {"file": f".config/{name}.conf"}
    service["configs"].append({"source": f"{name}-file", "target": "/etc/app/file.conf"})


def _config_content(written: Written, service: Json, name: str, version: int) -> None:
    written.settings[f"{name}_HOST"] = f"db-{version}"
    content = f"host ${{{name}_HOST}}\nport 1\n"
    written.compose["configs"][f"{name}-content"] = {"content": content}
    service["configs"].append({"source": f"{name}-content", "target": "/etc/app/content.conf"})


def _config_of_a_setting(written: Written, service: Json, name: str, version: int) -> None:
    written.settings[f"{name}_MODE"] = f"mode-{version}"
    written.compose["configs"][f"{name}-setting"] = {"environment": f"{name}_MODE"}
    service["configs"].append({"source": f"{name}-setting", "target": "/etc/app/mode"})


def _mounted_file(written: Written, service: Json, name: str, version: int) -> None:
    written.files[f"conf/{name}.conf"] = f"version {version}\n"
    service["volumes"].append(f"./conf/{name}.conf:/etc/mounted.conf:ro")


def _mounted_folder(written: Written, service: Json, name: str, version: int) -> None:
    written.files[f"html/{name}/index.html"] = "always the same\n"
    written.files[f"html/{name}/{'.hidden/' if version % 2 else ''}page"] = f"version {version}\n"
    service["volumes"].append(f"${{PWD}}/html/{name}:/srv/html:ro")


def _data(_written: Written, service: Json, name: str, _version: int) -> None:
    service["volumes"].append(f"./data/{name}:/srv/data")


KINDS: dict[str, Add] = {
    function.__name__[1:]: function
    for function in (
        _environment, _setting, _env_file, _label, _label_file, _extends, _command, _network, _secret_file,
        _secret_of_a_setting, _config_file, _config_content, _config_of_a_setting, _mounted_file, _mounted_folder, _data,
    )
}  # fmt: skip


class RandomApp:
    """Some services with inputs that `edit` changes; the same seed gives the same edits.

    :param image: what all services run.
    :param without: kinds of inputs that don't come.
    """

    def __init__(self, clone: Path, image: str, seed: int, without: t.Collection[str] = ()) -> None:
        self.clone = clone
        self._image = image
        self._random = random.Random(seed)
        self._kinds = [kind for kind in KINDS if kind not in without]
        self._next_version = 0
        #: The versions of a service's inputs, by kind.
        self._inputs: dict[str, dict[str, int]] = {name: {} for name in SERVICES}
        self._replicas = dict.fromkeys(SERVICES, 1)

    def edit(self, times: int) -> list[str]:
        """Change so many things, and say what."""
        return [self._edit() for _dummy in range(times)]

    def inputs(self) -> dict[str, Json]:
        """What each service that has containers is made of: only another value of this may recreate them."""
        return {name: dict(self._inputs[name]) for name in SERVICES if self._replicas[name]}

    def replicas(self) -> dict[str, int]:
        """How many containers each service is to have."""
        return dict(self._replicas)

    def commit(self) -> str:
        """Put the settings there and have the clone know a commit of all the rest, which is checked out if it is the first."""
        source = self.clone.with_name(f"{self.clone.name}-source")
        if not source.exists():
            git(self.clone, "clone", "--quiet", ".", str(source))
        written = Written()
        for name in SERVICES:
            service: Json = {"image": self._image, "user": "0:0", "deploy": {"replicas": self._replicas[name]}}
            service.update(environment={}, labels={}, env_file=[], secrets=[], configs=[], volumes=[])
            for kind, version in self._inputs[name].items():
                KINDS[kind](written, service, name, version)
            written.compose["services"][name] = service
        for path in source.iterdir():
            if path.is_dir() and path.name != ".git":
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        files = {"docker-compose.yml": json.dumps(written.compose, indent=1), ".gitignore": ".env\ndata/\n"}
        for name, content in {**files, **written.files}.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(content)
        settings = "".join(f"{key}={value}\n" for key, value in written.settings.items())
        (self.clone / ".env").write_text(settings)
        made = commit(source)
        git(self.clone, "fetch", "--quiet", str(source), "HEAD")
        if not git(self.clone, "rev-parse", "--quiet", "--verify", "HEAD", check=False):
            git(self.clone, "checkout", "--quiet", "--detach", made)
        return made

    def _edit(self) -> str:
        name = self._random.choice(SERVICES)
        kind = self._random.choice([*self._kinds, "replicas"])
        if kind == "replicas":
            self._replicas[name] = self._random.choice([0, 1, 2])
            return f"{name} has {self._replicas[name]} replicas"
        inputs = self._inputs[name]
        if kind in inputs and self._random.random() < 0.3:
            del inputs[kind]
            return f"{name} has no {kind}"
        self._next_version += 1
        # Of data there is only one version: what is in it does not count.
        inputs[kind] = 1 if kind == "data" else self._next_version
        return f"{name} has {kind} {inputs[kind]}"
