"""What a host has of a project at one look, and how that differs from what is recorded or wanted.

This is the only comparison there is: deploy, dry run, preflight, status and rotation all go by it, so they agree.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, Problems
from ansible_collections.popcon.deploy.plugins.module_utils._common.inside import found_inside, plain_content
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import read_regular_file
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import short_commit, some
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker import readiness
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import (
    hash_of,
    image_of,
    name_of,
    service_of,
)
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import short_digest
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._git.checkout import Checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Difference, Reason
from ansible_collections.popcon.deploy.plugins.module_utils._release.expected import differences as differences_of
from ansible_collections.popcon.deploy.plugins.module_utils._release.expected import miscounted
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record, Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import usual_env_file
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import Settings


@dataclasses.dataclass(frozen=True)
class Host:
    """What is on a host.

    `release` is the record of the last successful release, `newest` the newest one whatever its result, `holder` who holds the
    deploy lock. `recorded` are the settings of `release`, `installed` those in the project's env file, which `private` says to
    be for the running user alone. `key` is that of the digests in `release`, None if there is none. `edits` are files that are
    not as `release` left them. `problems` say what could not be read, a sentence each.
    """

    env_file: str
    release: Record | None
    newest: Record | None
    holder: Json | None
    checkout: Checkout
    edits: t.Sequence[str]
    recorded: Settings | None
    installed: Settings | None
    private: bool
    containers: t.Sequence[Json]
    key: bytes | None = dataclasses.field(default=None, repr=False)
    problems: t.Sequence[str] = ()


def look(records: Records, engine: Engine | None, folder: str, env_file: str | None = None) -> Host:
    """See what is on this host, without changing or waiting for anything.

    :param engine: None where there is none yet.
    :param folder: the project's folder.
    :param env_file: by default that of the last successful release.
    :raises DeployError: the engine does not answer, or the records can't be read.
    """
    problems = Problems()
    kept = records.all()
    release = next((record for record in reversed(kept) if record.succeeded), None)
    seen = problems.tried(checkout.look, folder) or Checkout()
    edits = seen.edits if seen.commit or not release else _edited(folder, release)
    env_file = env_file or usual_env_file(folder, release.files if release else [""])
    content = problems.tried(read_regular_file, env_file)
    return Host(
        env_file=env_file,
        release=release,
        newest=kept[-1] if kept else None,
        holder=records.holder(),
        checkout=seen,
        edits=checkout.displayed(edits),
        recorded=problems.tried(records.settings_of, release.number) if release else None,
        installed=None if content is None else problems.tried(Settings.parse, content, env_file),
        private=content is not None and stat.S_IMODE(os.lstat(env_file).st_mode) == 0o600,
        containers=engine.containers(records.project) if engine else [],
        key=problems.tried(records.key),
        problems=tuple(problems.found),
    )


def refuse_shared_folder(engine: Engine, project: str, folder: str) -> None:
    """Refuse a folder that containers of another project come from.

    :raises DeployError: there are some.
    """
    others = [name for name in engine.projects_in(folder) if name != project]
    if others:
        raise DeployError(
            f"The compose project {others[0]} runs from {folder} too, and a deploy of {project} would change its files. Give each "
            f"project a clone of its own, with gitops_checkout_dest. If {others[0]} is not used any more, remove its containers "
            f"with `docker compose -p {others[0]} down`, which keeps its volumes."
        )


def file_digests(folder: str, names: t.Iterable[str]) -> dict[str, str]:
    """The digests of files of a folder by their names in it; empty for one that is not there."""
    return {name: _digest(os.path.join(folder, name)) for name in sorted(names)}


def _digest(path: str) -> str:
    try:
        with found_inside("/", path) as found:
            content = plain_content(found)
    except OSError:
        return ""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _edited(folder: str, release: Record) -> list[str]:
    now = file_digests(folder, release.file_digests)
    return [name for name, digest in release.file_digests.items() if now[name] != digest]


def differences(wanted: Record | None, host: Host, settings: t.Sequence[str] = ()) -> list[Difference]:
    """All that is not yet on the host as a release wants it, or that drifted from the last one; empty if it is up to date.

    :param wanted: what a deploy would record now; None if there is no successful release that it could be compared with.
    :param settings: the keys whose values differ between `wanted` and the last successful release.
    """
    if host.release is None or wanted is None:
        return [*unfinished(host), *drift(host)]
    changes = wanted.differences(host.release, settings)
    # What changes anyway is no drift besides.
    moved = {change.subject for change in changes if change.reason is Reason.IMAGE}
    return [
        *unfinished(host),
        *changes,
        *(
            found
            for found in drift(host)
            if not (found.reason is Reason.CONTAINER and found.subject in moved)
            and not (found.reason is Reason.FILES and found.subject == wanted.commit)
        ),
    ]


def unfinished(host: Host) -> list[Difference]:
    """What is under way, was interrupted or failed."""
    newest, found = host.newest, []
    if host.holder is not None:
        who, since = host.holder.get("by") or "somebody", host.holder.get("since") or "just now"
        found.append(Difference(Reason.LOCKED, "", f"{who} has held the deploy lock since {since}"))
    elif newest and newest.result in (Result.STARTED, Result.INTERRUPTED):
        text = f"the last {newest.action} ({newest.number}) was interrupted"
        found.append(Difference(Reason.UNFINISHED, str(newest.number), text))
    if newest and newest.result is Result.FAILED:
        text = f"the last {newest.action} ({newest.number}) failed: {newest.problem}"
        found.append(Difference(Reason.UNFINISHED, str(newest.number), text))
    return found


def drift(host: Host) -> list[Difference]:
    """How the host differs from what its last successful release left."""
    if host.release is None:
        return [Difference(Reason.NO_RELEASE, "", "no release has succeeded yet"), *_unreadable(host)]
    return [
        *_container_drift(host.release, host),
        *_file_drift(host.release, host),
        *_env_drift(host),
        *_unreadable(host),
    ]


def container_drift(host: Host, container: Json) -> list[Difference]:
    """How one container differs from the last successful release; the texts have no subject."""
    service, release = service_of(container), host.release

    def found(reason: Reason, text: str) -> Difference:
        return Difference(reason, service, text)

    if release is None:
        return []
    if service not in release.images or service in release.idle:
        return [found(Reason.CONTAINER, f"is not of the release (container {name_of(container)})")]
    said = []
    runs, pinned = image_of(container), release.images[service].pinned
    if runs != pinned:
        said.append(found(Reason.CONTAINER, f"runs {short_digest(runs)}, recorded is {short_digest(pinned)}"))
    else:
        said += [found(Reason.CONTAINER, text) for text in _unexpected(release, host.key, container)]
    if not said and release.definitions.get(service, hash_of(container)) != hash_of(container):
        said.append(found(Reason.DEFINITION, _why_redefined(container, host.recorded)))
    verdict = readiness.judge(container)
    if verdict.state == readiness.FAILED:
        said.append(found(Reason.CONTAINER, verdict.reason))
    elif verdict.state == readiness.WAITING:
        said.append(found(Reason.CONTAINER, f"is not ready ({verdict.reason})"))
    return said


def missing(host: Host) -> list[str]:
    """The services of the last successful release that should have containers and have none."""
    if host.release is None:
        return []
    there = {service_of(container) for container in host.containers}
    return [name for name in host.release.images if name not in there and name not in host.release.idle]


def _unexpected(release: Record, key: bytes | None, container: Json) -> list[str]:
    expected = release.services.get(service_of(container))
    if expected is None:
        return []
    if key is None:
        return ["can't be compared with its release, as the key of the recorded digests is gone"]
    try:
        return differences_of(expected, container, key)
    except DeployError as problem:
        return [f"can't be compared with its release: {problem}"]


def _why_redefined(container: Json, recorded: Settings | None) -> str:
    environment = dict(entry.partition("=")[::2] for entry in container["Config"].get("Env") or [])
    # Not every setting of the release need be one of the service's; one under the same name is.
    keys = [key for key, value in (recorded.values if recorded else {}).items() if environment.get(key, value) != value]
    if keys:
        return f"was started with other settings: {some(sorted(keys))}"
    return "was started with another definition than the release's"


def _container_drift(release: Record, host: Host) -> list[Difference]:
    rows: dict[str, list[Difference]] = {
        name: [Difference(Reason.CONTAINER, name, "is missing")] for name in missing(host)
    }
    counts = collections.Counter(service_of(container) for container in host.containers)
    for container in host.containers:
        rows.setdefault(service_of(container), []).extend(container_drift(host, container))
    for service, count in counts.items():
        if service in release.services and service not in release.idle:
            said = miscounted(release.services[service], count)
            rows[service] += [Difference(Reason.CONTAINER, service, text) for text in said]
    order = [*release.images, *rows]
    return [
        found._replace(text=f"{service} {found.text}")
        for service in sorted(rows, key=order.index)
        for found in rows[service]
    ]


def _file_drift(release: Record, host: Host) -> list[Difference]:
    found = []
    head = host.checkout.commit
    if release.commit and head != release.commit:
        where = f"the folder is at commit {short_commit(head)}" if head else "the folder is no checkout any more"
        found.append(
            Difference(Reason.FILES, head or "", f"{where}, recorded is commit {short_commit(release.commit)}")
        )
    if host.checkout.interrupted:
        found.append(Difference(Reason.FILES, "", "a checkout was interrupted"))
    if host.edits:
        found.append(Difference(Reason.FILES, "", f"files edited: {some(host.edits)}"))
    return found


def _env_drift(host: Host) -> list[Difference]:
    path, recorded, installed = host.env_file, host.recorded, host.installed
    if recorded is None:
        return []
    if not os.path.lexists(path):
        return [Difference(Reason.ENV_FILE, path, f"{path} is missing")] if recorded.content else []
    if installed is None:
        return []
    keys = installed.differing(recorded)
    if keys:
        return [Difference(Reason.ENV_FILE, path, f"{path} differs in {some(keys)}")]
    # A file that was not made from parameters is its user's own, in its form and mode too.
    if recorded.sources and installed.content != recorded.content:
        return [Difference(Reason.ENV_FILE, path, f"{path} has the same values, but was written by something else")]
    if recorded.sources and not host.private:
        return [Difference(Reason.ENV_FILE, path, f"{path} can be read by others")]
    return []


def _unreadable(host: Host) -> list[Difference]:
    return [Difference(Reason.UNREADABLE, "", problem) for problem in host.problems]
