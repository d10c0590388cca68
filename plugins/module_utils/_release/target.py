"""What is to run: the project on its host, and the target of a deploy or a rollback."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.overlay import Overlay
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Record
from ansible_collections.popcon.deploy.plugins.module_utils._settings.render import Rendered
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import NO_SETTINGS, Settings


class Job(t.NamedTuple):
    """A command to run once, in a container made as the service's would be; `seconds` is how long it may take."""

    service: str
    command: list[str]
    seconds: int


@dataclasses.dataclass(frozen=True)
class Project:
    """The compose project on its host, how long things may take, and who deploys it.

    `folder` is where its files are, a clone unless somebody else puts them there. `env_file` is None for the usual one.
    `by`, `started_from` and `run` are for the record. Times are in seconds.
    """

    name: str
    folder: str
    env_file: str | None
    state_dir: str
    wait_seconds: int
    service_wait_seconds: t.Mapping[str, int]
    pull_seconds: int
    lock_wait_seconds: int
    keep_releases: int
    log_lines: int
    run: str
    by: str
    started_from: str

    def env_file_of(self, files: t.Sequence[str]) -> str:
        """The env file of a release with these compose files."""
        return self.env_file or usual_env_file(self.folder, files)

    def limit(self, service: str) -> int:
        """How many seconds a service may take to become ready."""
        return self.service_wait_seconds.get(service, self.wait_seconds)

    def longest(self) -> int:
        """How many seconds any of them may take."""
        return max([self.wait_seconds, *self.service_wait_seconds.values()])


@dataclasses.dataclass(frozen=True)
class Target:
    """What is to run.

    `tree` is the folder that holds the wanted files, None for those that the clone has of `commit`. Where they or the
    settings are not in place yet, compose sees them through `overlays`. `settings` are the wanted ones, unless `render` makes
    them, given the folder of the wanted files. `images` by digest are given for a rollback; otherwise the registry is asked
    for all but those in `digests`, or with `keep_images` those of the last successful release are taken. `idle` are services
    of a record that were only for its jobs. `options_digest`, `repository` and `ref` are for the record. `drop_volumes` are
    volumes and folders whose data need not be used any more.
    """

    action: str
    files: t.Sequence[str]
    commit: str | None
    tree: str | None = None
    profiles: t.Sequence[str] = ()
    overlays: t.Sequence[Overlay] = ()
    idle: t.Sequence[str] = ()
    settings: Settings = NO_SETTINGS
    render: t.Callable[[str], Rendered] | None = None
    repository: str | None = None
    ref: str | None = None
    restores: int | None = None
    images: t.Mapping[str, str] | None = None
    keep_images: bool = False
    digests: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    http_checks: t.Sequence[HttpCheck] = ()
    jobs_before: t.Sequence[Job] = ()
    jobs_after: t.Sequence[Job] = ()
    options_digest: str = ""
    drop_volumes: t.Sequence[str] = ()

    def replace(self, **changes: t.Any) -> Target:
        """The same target with some fields changed."""
        return dataclasses.replace(self, **changes)

    @property
    def is_deploy(self) -> bool:
        """Whether it comes from a deploy, and not from a record."""
        return self.action == "deploy"


def usual_env_file(folder: str, files: t.Sequence[str]) -> str:
    """The env file of a project in a folder: `.env` beside its first compose file, as for compose itself."""
    return os.path.join(folder, os.path.dirname(files[0]), ".env")


def written_files(project: Project, env_file: str, rendered: bool) -> list[str]:
    """The files in the project's folder, relative to it, that a release writes, if its settings are `rendered`."""
    name = os.path.relpath(env_file, project.folder)
    return [name] if rendered and not name.startswith("../") else []


def record_of(project: Project, target: Target, images: t.Mapping[str, Image]) -> Record:
    """The record of a target, before it is begun."""
    return Record(
        action=target.action,
        commit=target.commit,
        repository=target.repository,
        ref=target.ref,
        restores=target.restores,
        files=list(target.files),
        profiles=list(target.profiles),
        images=dict(images),
        parameters=list(target.settings.sources),
        http_checks=list(target.http_checks),
        options_digest=target.options_digest,
        run=project.run,
        by=project.by,
        started_from=project.started_from,
    )


def recorded_target(record: Record, settings: Settings) -> Target:
    """The target that a record describes."""
    return Target(
        action="rollback",
        files=record.files,
        profiles=record.profiles,
        idle=record.idle,
        commit=record.commit,
        settings=settings,
        repository=record.repository,
        ref=record.ref,
        restores=record.number,
        images=record.pinned,
        http_checks=record.http_checks,
        options_digest=record.options_digest,
    )


def refuse_other_images(record: Record, references: t.Mapping[str, str]) -> None:
    """Refuse to keep the images of a release where the files name others by now."""
    recorded = {service: image.reference for service, image in record.images.items()}
    other = sorted(service for service, reference in references.items() if recorded.get(service) != reference)
    if other:
        raise DeployError(
            f"The compose files name other images for {', '.join(other)} than release {record.number} has: deploy them first."
        )
