"""What a container is made of besides its definition: secrets, configs, mounted files. A label holds a digest of them.

Compose compares a container's settings, not what is in the files that they name. With the label a service is recreated when one of
those changes, and only then. Files of a commit count by git's ids, and data below a mount never counts: nothing that a container can
write is opened. Digests are keyed, so that they tell nothing of short secrets.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.inside import found_inside, plain_content
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import RESET

LABEL = "popcon.deploy.inputs"

# Source: compose, create.go, `buildContainerSecretMounts` and `buildContainerConfigMounts`.
_FOLDERS = {"secret": "/run/secrets", "config": "/"}


class Tracked(t.Protocol):
    """What a commit tracks, as `_git.tracked` gives it."""

    @property
    def ids(self) -> t.Mapping[str, str]: ...

    @property
    def links(self) -> t.Mapping[str, str]: ...


class Attached(t.NamedTuple):
    """A secret or a config of a service: how people call it, where it is in the container, its entry in the file."""

    what: str
    target: str
    entry: Json

    @property
    def is_copied(self) -> bool:
        """Whether compose copies it into the container; a file is mounted instead."""
        return "file" not in self.entry


class Inputs:
    """Where inputs come from.

    :param key: of the digests.
    :param folder: the clone, or the project's folder without one.
    :param track: gives what the wanted commit tracks below the folder, by absolute path; None without a commit.
    :param env_file: the project's, of which `settings` is the wanted content.
    :param filled: gives the values of some variables, as compose fills them in.
    """

    def __init__(
        self,
        key: bytes,
        folder: str,
        track: t.Callable[[], Tracked] | None,
        env_file: str,
        settings: bytes,
        filled: t.Callable[[t.Collection[str]], t.Mapping[str, str]],
    ) -> None:
        self.key = key
        self.folder = folder
        self._track = track
        self._env_file = env_file
        self._settings = settings
        self._filled = filled

    def of_services(self, model: Json, contents: t.Mapping[str, t.Mapping[str, bytes]]) -> dict[str, dict[str, str]]:
        """A keyed digest of each input of each service, by how people call it.

        :param model: as `Compose.model` gives it.
        :param contents: as `copied` gives them.
        """
        writable = _writable(model)
        return {name: self._of(model, name, contents[name], writable) for name in model["services"]}

    def copied(self, model: Json) -> dict[str, dict[str, bytes]]:
        """The content of what compose copies into the containers, by service and path in it."""
        found = {name: [one for one in attached(model, name) if one.is_copied] for name in model["services"]}
        names = {one.entry["environment"] for row in found.values() for one in row if _is_variable(one.entry)}
        values = self._filled(names) if names else {}
        return {
            name: {
                one.target: (
                    values.get(one.entry["environment"], "")
                    if _is_variable(one.entry)
                    else plain(one.entry.get("content", ""))
                ).encode()
                for one in row
            }
            for name, row in found.items()
        }

    def _of(
        self, model: Json, name: str, contents: t.Mapping[str, bytes], writable: t.Collection[str]
    ) -> dict[str, str]:
        found: dict[str, t.Any] = {}
        for one in attached(model, name):
            if one.is_copied:
                found[one.what] = contents[one.target].decode()
            else:
                path = one.entry["file"]
                found[one.what] = self._of_commit(path) or self._of_file(path, writable)
        for mount in binds(model, name):
            path = mount["source"]
            content = {**self._of_tree(path, writable), **self._of_commit(path)}
            if content:
                found[f"mount {mount['target']}"] = content
        return {what: keyed(self.key, content) for what, content in found.items()}

    @functools.cached_property
    def _tracked(self) -> Tracked | None:
        return self._track() if self._track else None

    def _of_commit(self, path: str) -> dict[str, str]:
        """What the commit and the settings have at and below a path, by the rest of the path."""
        found: dict[str, str] = {}
        if is_inside(path, self.folder):
            ids, path = self._followed(path)
            found = {file[len(path) :]: one for file, one in ids.items() if is_inside(file, path)}
        if path in (self._env_file, os.path.dirname(self._env_file)) or (found and is_inside(self._env_file, path)):
            found[self._env_file[len(path) :]] = self._settings.decode(errors="surrogateescape")
        return found

    def _followed(self, path: str) -> tuple[t.Mapping[str, str], str]:
        """The ids of the commit, and the path without the links that the commit has on the way."""
        if self._tracked is None:
            return {}, path
        for _dummy in range(40):
            parts = path.split("/")
            heads = ("/".join(parts[:count]) for count in range(2, len(parts) + 1))
            link = next((head for head in heads if head in self._tracked.links), None)
            if link is None:
                break
            target = os.path.join(os.path.dirname(link), self._tracked.links[link])
            path = os.path.normpath(target + path[len(link) :])
        return self._tracked.ids, path

    def _of_file(self, path: str, writable: t.Collection[str]) -> t.Any:
        """What stands for a file that the commit doesn't have; it is only read where no container can write."""

        def may(part: str) -> bool:
            return not any(is_inside(part, source) for source in writable)

        try:
            with found_inside("/", path, may) as found:
                content, info = plain_content(found), os.fstat(found)
        except OSError as exc:
            return f"unread: {exc.errno}"
        if content is None:
            return f"unread: {stat.S_IFMT(info.st_mode)} {info.st_size if stat.S_ISREG(info.st_mode) else ''}"
        return [bool(info.st_mode & stat.S_IXUSR), hashlib.sha256(content).hexdigest()]

    def _of_tree(self, path: str, writable: t.Collection[str]) -> dict[str, t.Any]:
        """What stands for a mounted file or folder of a project without a commit, where no container can write."""
        return {file[len(path) :]: self._of_file(file, writable) for file in self._uncommitted(path, writable)}

    def files(self, model: Json) -> list[str]:
        """The mounted files of a project without a commit that no container can write, by their names in its folder; sorted."""
        writable = _writable(model)
        files = {file for mount in _binds(model) for file in self._uncommitted(mount["source"], writable)}
        return sorted(file[len(self.folder) + 1 :] for file in files)

    def _uncommitted(self, path: str, writable: t.Collection[str]) -> list[str]:
        if self._track or not is_inside(path, self.folder):
            return []
        if any(is_inside(path, source) or is_inside(source, path) for source in writable):
            return []
        return [file for file in _files(path) if file != self._env_file]


def keyed(key: bytes, value: t.Any) -> str:
    """A digest of some JSON value that tells nothing of it without the key."""
    text = json.dumps(value, sort_keys=True).encode()
    return hmac.new(key, text, "sha256").hexdigest()


def label(key: bytes, inputs: t.Mapping[str, str]) -> str:
    """What the label of a service with these inputs is; empty for none."""
    return keyed(key, dict(inputs)) if inputs else ""


def override_for(model: Json, images: t.Mapping[str, str], labels: t.Mapping[str, str]) -> Json:
    """The compose file laid over the app's own: images by digest, and the label of the inputs.

    :param model: as `Compose.model` gives it.
    :param images: image references by service name.
    :param labels: what `label` gives, by service name.
    """
    services: Json = {}
    for name in model["services"]:
        # By itself, compose would pull nothing where the files say `never` or `build`, and a job would build.
        entry: Json = {"image": images[name], "pull_policy": "missing"} if name in images else {}
        if labels.get(name):
            entry["labels"] = {LABEL: labels[name]}
        if entry:
            services[name] = entry
    return {"services": services}


def without_copies(model: Json) -> Json:
    """A compose file that takes out of a model what would be copied into containers.

    In a dry run, Compose 2.26 fails to copy into a container that it only pretends to create. What a secret is made of is no part of
    the definition that compose compares.
    """
    found: Json = {}
    for kind in ("secrets", "configs"):
        for name, entry in (model.get(kind) or {}).items():
            reset = {part: RESET for part in ("environment", "content") if part in entry}
            if reset:
                found.setdefault(kind, {})[name] = {"file": os.devnull, **reset}
    return found


def attached(model: Json, service: str) -> list[Attached]:
    """The secrets and configs of a service."""
    found = []
    for kind, folder in _FOLDERS.items():
        for use in model["services"][service].get(f"{kind}s") or []:
            target = os.path.join(folder, plain(use.get("target") or use["source"]))
            entry = (model.get(f"{kind}s") or {}).get(use["source"]) or {}
            found.append(Attached(f"{kind} {use['source']}", os.path.normpath(target), entry))
    return found


def binds(model: Json, service: str) -> list[Json]:
    """The folders and files of the host that are mounted into a service, with `source`, `target`, `read_only`.

    A named volume that stands for a folder of the host is one of them.
    """
    found = []
    for mount in model["services"][service].get("volumes") or []:
        source = mount.get("source")
        if mount["type"] == "volume":
            options = ((model.get("volumes") or {}).get(source) or {}).get("driver_opts") or {}
            source = options.get("device") if "bind" in str(options.get("o", "")).split(",") else None
        elif mount["type"] != "bind":
            source = None
        if source:
            found.append(
                {**mount, "source": os.path.normpath(plain(source)), "target": os.path.normpath(plain(mount["target"]))}
            )
    return found


def plain(text: str) -> str:
    """A value as it is, of which the model has every `$` twice."""
    return text.replace("$$", "$")


def _binds(model: Json) -> t.Iterator[Json]:
    for name in model["services"]:
        yield from binds(model, name)


def _writable(model: Json) -> set[str]:
    return {mount["source"] for mount in _binds(model) if not mount.get("read_only")}


def _is_variable(entry: Json) -> bool:
    return "environment" in entry and "content" not in entry


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _files(path: str) -> list[str]:
    """The file, or the files and links of the folder, without git's own folder."""
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != ".git"]
        found += [os.path.join(folder, name) for name in names]
    return sorted(found)
