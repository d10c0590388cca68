"""Data that a commit leaves behind: a volume or a folder that a service has now, and would no longer have."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import service_of
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation

# Folders of the host's own, which are no app's data.
_OF_THE_HOST = re.compile(
    r"/(boot|etc|home|lib|opt|root|srv|tmp|usr|var)?|/(dev|proc|run|sys|var/lib/docker|var/log|var/run)(/.*)?"
)
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class Store(t.NamedTuple):
    """Where containers keep files: a volume by its name, "" for a new one without, or a folder of the host by its path."""

    kind: str
    name: str

    def __str__(self) -> str:
        if self.kind == "volume" and (not self.name or _ANONYMOUS.fullmatch(self.name)):
            return "a volume without a name"
        return f"the {'volume' if self.kind == 'volume' else 'folder'} {self.name}"


class Mount(t.NamedTuple):
    """A store at a path of a service's containers."""

    service: str
    target: str
    store: Store
    writable: bool = True


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find the services that would start without the data they have, and data that no service would use."""
    wanted = [mount for name in look.services for mount in _wanted(look, name)]
    if not look.containers:
        yield from _left_over(look, wanted)
    told: set[Store] = set()
    for old in _present(look.containers):
        store = old.store
        if store in told or store.name in look.drop_volumes or not _is_lost(old, wanted) or not _is_data(look, store):
            continue
        told.add(store)
        yield _obstacle(look, old, _successor(look, old, wanted))
    for volume in _with_other_options(look):
        yield Obstacle(
            Kind.SURPRISES,
            f"The volume {volume} has another driver or other options on the host than in the compose files, and keeps"
            " them: with another name it gets those of the files.",
        )


def _obstacle(look: Situation, old: Mount, new: Mount | None) -> Obstacle:
    allow = f"or allow it with compose_deploy_drop_volumes: [{old.store.name}]"
    if new is None:
        if old.store.kind != "volume":
            # Of a folder nothing says that it is this project's alone.
            return Obstacle(Kind.SURPRISES, f"Service {old.service} no longer has {old.store}, which holds data.")
        return Obstacle(
            Kind.MISLEADS,
            f"No service has {old.store} any more, which holds the data of {old.service} at {old.target}:"
            f" keep it in the compose files, {allow}.",
        )
    if _holds_data(look, new.store):
        text = f"Service {new.service} gets {new.store} at {new.target}, in place of {old.store}. Both hold data."
        return Obstacle(Kind.SURPRISES, text)
    lost = f"Service {new.service} would start without its data at {new.target}: it has {old.store}, and would get"
    if _ANONYMOUS.fullmatch(old.store.name):
        return Obstacle(Kind.SURPRISES, f"{lost} {new.store}, which is empty.")
    return Obstacle(
        Kind.MISLEADS,
        f"{lost} {new.store}, which is empty. Keep the old one, copy the data into the new one first, {allow}.",
    )


def _left_over(look: Situation, wanted: t.Sequence[Mount]) -> t.Iterator[Obstacle]:
    """Where the project has volumes but no containers, as after `docker compose down`: those that the files don't name."""
    used = {mount.store.name for mount in wanted if mount.store.kind == "volume"}
    new = sorted(name for name in used if name and not look.engine.volume(name))
    if not new:
        return
    for volume in look.engine.volumes(look.project):
        store = Store("volume", volume["Name"])
        if store.name not in used and store.name not in look.drop_volumes and _holds_data(look, store):
            yield Obstacle(
                Kind.MISLEADS,
                f"No service has {store} of this project, which holds data, and new is: {', '.join(new)}. Keep the old one in"
                f" the compose files, copy the data over first, or allow it with compose_deploy_drop_volumes: [{store.name}].",
            )


def _is_lost(old: Mount, wanted: t.Sequence[Mount]) -> bool:
    """Whether a service would no longer have a store that it has now, where another one would be or where nobody has it."""
    users = [mount for mount in wanted if mount.store == old.store]
    if any(mount.service == old.service for mount in users):
        return False
    replaced = any((mount.service, mount.target) == (old.service, old.target) for mount in wanted)
    if _ANONYMOUS.fullmatch(old.store.name):
        # One that nothing replaces goes on to the next container, or goes with its service.
        return replaced
    return not users or (replaced and old.writable)


def _successor(look: Situation, old: Mount, wanted: t.Sequence[Mount]) -> Mount | None:
    """What comes in place of a store: at the same path in the same service, or in a new one."""
    present = {service_of(container) for container in look.containers}
    same = [mount for mount in wanted if mount.target == old.target and mount.service == old.service]
    new = [mount for mount in wanted if mount.target == old.target and mount.service not in present]
    gone = old.service not in look.services
    return next(iter(same or (new if gone else [])), None)


def _present(containers: t.Iterable[Json]) -> t.Iterator[Mount]:
    for container in containers:
        for mount in container.get("Mounts") or []:
            kind, writable = mount["Type"], bool(mount.get("RW", True))
            name = mount.get("Name") if kind == "volume" else mount.get("Source")
            if kind in ("volume", "bind") and name:
                yield Mount(service_of(container), mount["Destination"], Store(kind, name), writable)


def _wanted(look: Situation, service: str) -> t.Iterator[Mount]:
    """The stores that a service is to have, those of `volumes_from` too."""
    entry = look.services.get(service, {})
    for other in entry.get("volumes_from") or []:
        yield from (mount._replace(service=service) for mount in _wanted(look, other.partition(":")[0]))
    names = {key: volume["name"] for key, volume in (look.model.get("volumes") or {}).items()}
    for volume in entry.get("volumes") or []:
        if volume["type"] in ("volume", "bind"):
            source = volume.get("source") or ""
            store = Store(volume["type"], names.get(source, source))
            yield Mount(service, os.path.normpath(volume["target"]), store)


def _is_data(look: Situation, store: Store) -> bool:
    """Whether what a store holds was made by the app, as far as that can be told."""
    if store.kind == "bind" and (
        _OF_THE_HOST.fullmatch(store.name) or not os.path.isdir(store.name) or look.files.is_tracked(store.name)
    ):
        return False
    return _holds_data(look, store)


def _holds_data(look: Situation, store: Store) -> bool:
    """Whether there is anything in a store; of a volume that can't be looked into, it is taken so."""
    if store.kind == "bind":
        return look.files.is_tracked(store.name) or _has_entries(store.name, False)
    volume = look.engine.volume(store.name) if store.name else {}
    if not volume:
        return False
    options = volume.get("Options") or {}
    if "device" in options:
        # Mounted only while a container uses it, so its own folder says nothing.
        return "bind" not in options.get("o", "").split(",") or _has_entries(options["device"], False)
    return _has_entries(volume.get("Mountpoint") or "", True)


def _has_entries(folder: str, unknown: bool) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return unknown


def _with_other_options(look: Situation) -> t.Iterator[str]:
    for entry in (look.model.get("volumes") or {}).values():
        driver, options = entry.get("driver", "local"), entry.get("driver_opts") or {}
        if entry.get("external") or (driver == "local" and not options):
            continue
        there = look.engine.volume(entry["name"])
        if there and (there.get("Driver"), there.get("Options") or {}) != (driver, options):
            yield entry["name"]
