"""What a release expects of the containers of a service, and how one differs: as the engine shows it, and as it sees itself.

This is the only comparison of a container there is: after a roll-out, in status, in the preflight and before a rotation retires a value.
A container may be hostile: of what it shows, only plain files of a limited size are read.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import os
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.inside import found_inside, plain_content
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import some
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import initial_environment, replicas
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import label_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.inputs import (
    LABEL,
    Inputs,
    attached,
    is_inside,
    keyed,
    label,
    plain,
)

#: Said of a container that ended while it was looked at.
GONE = "ended while it was looked at"


class Mount(t.NamedTuple):
    """Something that is mounted: how people call it, its type, where it is in the container, and whether it is read-only there.

    `source` is a path of the host, or the name of a volume; empty where it does not matter. `is_own` says that it is a file or folder
    of the project's, so the container must have the one that is there now.
    """

    what: str
    type: str
    source: str
    target: str
    read_only: bool
    is_own: bool = False


@dataclasses.dataclass(frozen=True)
class Expected:
    """A service of a release.

    `image` is the image's id, empty where it is not known. `environment` and `copied` have digests, with the project's key:
    of values by name, and of what compose copies into the container by "secret NAME" or "config NAME" and path. `networks` is
    None where the service has none of its own. `inputs` has what `Inputs` gives.
    """

    replicas: int = 1
    image: str = ""
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    mounts: t.Sequence[Mount] = ()
    networks: t.Sequence[str] | None = None
    copied: t.Sequence[t.Sequence[str]] = ()
    inputs: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Json) -> Expected:
        """What some JSON stands for. Raises TypeError for what is none."""
        known = {field.name for field in dataclasses.fields(cls)}
        fields = {name: value for name, value in data.items() if name in known}
        return cls(**{**fields, "mounts": [Mount(*row) for row in fields["mounts"]]})

    def to_json(self) -> Json:
        """The same as JSON."""
        return {**dataclasses.asdict(self), "mounts": [list(mount) for mount in self.mounts]}

    def changes(self, earlier: Expected) -> list[str]:
        """What a plan says that differs from an earlier release, by name."""
        names = _differing(self.environment, earlier.environment)
        found = [f"environment {' '.join(names)}"] if names else []
        found += _differing(self.inputs, earlier.inputs)
        old, new = ({mount.what: mount for mount in one.mounts} for one in (earlier, self))
        found += [what for what in _differing(new, old) if what not in found]
        if sorted(self.networks or ()) != sorted(earlier.networks or ()):
            found.append("networks")
        return found


def expected(model: Json, inputs: Inputs) -> dict[str, Expected]:
    """What is expected of every service of a model; images' ids are not known by it."""
    contents, initial = inputs.copied(model), initial_environment(model)
    of_services = inputs.of_services(model, contents)
    return {
        name: Expected(
            replicas=replicas(service),
            environment={
                key: keyed(inputs.key, plain(str(value)))
                for key, value in (service.get("environment") or {}).items()
                if value is not None and key not in initial.get(name, ())
            },
            mounts=_mounts(model, name, inputs.folder),
            networks=_networks(model, service),
            copied=[
                [one.what, one.target, keyed(inputs.key, contents[name][one.target].hex())]
                for one in attached(model, name)
                if one.is_copied
            ],
            inputs=of_services[name],
        )
        for name, service in model["services"].items()
    }


def differences(wanted: Expected, container: Json, key: bytes) -> list[str]:
    """How a container differs from what is expected, as texts without a subject. Values are never told.

    :param container: as the engine describes it.
    :param key: of the project's digests.
    :raises DeployError: this user may not look into containers.
    """
    return [*_shown(wanted, container, key), *_seen(wanted, container, key)]


def miscounted(wanted: Expected, count: int) -> list[str]:
    """What to say of a service that has so many containers."""
    if count == wanted.replicas:
        return []
    return [f"has {count} of {wanted.replicas} containers"] if count else ["is missing"]


def _shown(wanted: Expected, container: Json, key: bytes) -> list[str]:
    """What the engine shows otherwise."""
    found = []
    if wanted.image and container["Image"] != wanted.image:
        found.append("runs another image than its release was made of")
    has = dict(entry.partition("=")[::2] for entry in container["Config"].get("Env") or [])
    missing = sorted(wanted.environment.keys() - has.keys())
    if missing:
        found.append(f"runs without {some(missing)}")
    others = sorted(
        name for name, digest in wanted.environment.items() if name in has and keyed(key, has[name]) != digest
    )
    if others:
        found.append(f"runs with another value of {some(others)}")
    mounted = {mount["Destination"]: mount for mount in container.get("Mounts") or []}
    for mount in wanted.mounts:
        problem = _mounted_otherwise(mount, mounted.get(mount.target))
        if problem:
            found.append(f"{mount.what} {problem}")
    if wanted.networks is not None:
        networks = (container["NetworkSettings"].get("Networks") or {}).keys()
        found += [f"is not in the network {name}" for name in wanted.networks if name not in networks]
        found += [f"is also in the network {name}" for name in sorted(networks - set(wanted.networks))]
    if not found and label_of(container, LABEL) != label(key, wanted.inputs):
        found.append("was made with other secrets, configs or mounted files")
    return found


def _mounted_otherwise(mount: Mount, has: Json | None) -> str | None:
    if has is None:
        return "is not mounted"
    source = has.get("Name") if has["Type"] == "volume" else has.get("Source")
    if has["Type"] != mount.type or (mount.source and source != mount.source):
        return "comes from elsewhere"
    if has["RW"] == mount.read_only:
        return "can be written" if has["RW"] else "can't be written"
    return None


def _seen(wanted: Expected, container: Json, key: bytes) -> list[str]:
    """What the processes of a running container see otherwise."""
    pid = container["State"].get("Pid")
    files = [mount for mount in wanted.mounts if mount.is_own]
    if not pid or not (files or wanted.copied):
        return []
    root, found = f"/proc/{pid}/root", []
    try:
        os.close(os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    except PermissionError:
        raise DeployError("Only root can see what a container has mounted: run as root (become).") from None
    except OSError:
        return [GONE]
    for mount in files:
        problem = _other_file(mount, root)
        if problem:
            found.append(f"{mount.what} {problem}")
    for what, target, digest in wanted.copied:
        try:
            with found_inside(root, target) as file:
                content = plain_content(file)
        except OSError:
            found.append(f"{what} is missing")
            continue
        if content is None or keyed(key, content.hex()) != digest:
            found.append(f"{what} has other content")
    return found


def _other_file(mount: Mount, root: str) -> str | None:
    """Whether the path in the container is another file or folder than its source is now; nothing is read."""
    try:
        source = os.stat(mount.source)
    except OSError:
        return "has no source any more"
    try:
        with found_inside(root, mount.target) as file:
            info = os.fstat(file)
    except OSError:
        return "is missing"
    if (info.st_dev, info.st_ino) == (source.st_dev, source.st_ino):
        return None
    return "is an older folder" if stat.S_ISDIR(source.st_mode) else "is an older file"


def _mounts(model: Json, name: str, folder: str) -> list[Mount]:
    found = [
        Mount(one.what, "bind", os.path.normpath(plain(one.entry["file"])), one.target, read_only=True, is_own=True)
        for one in attached(model, name)
        if not one.is_copied
    ]
    for mount in model["services"][name].get("volumes") or []:
        kind, source, target = mount["type"], plain(mount.get("source") or ""), os.path.normpath(plain(mount["target"]))
        if kind == "volume":
            source = ((model.get("volumes") or {}).get(source) or {}).get("name", source)
        elif kind == "bind":
            source = os.path.normpath(source)
        elif kind == "tmpfs":
            source = ""
        else:
            continue
        is_own = kind == "bind" and is_inside(source, folder)
        found.append(Mount(f"mount {target}", kind, source, target, bool(mount.get("read_only")), is_own))
    return found


def _networks(model: Json, service: Json) -> list[str] | None:
    known = model.get("networks") or {}
    names = [(known.get(name) or {}).get("name", name) for name in service.get("networks") or []]
    return sorted(names) or None


def _differing(new: t.Mapping[str, t.Any], old: t.Mapping[str, t.Any]) -> list[str]:
    return sorted(name for name in {*new, *old} if new.get(name) != old.get(name))
