"""What is to run: the project on its host, and the target of a deploy or a rollback."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck
from ansible_collections.popcon.deploy.plugins.module_utils._settings.render import Rendered

UNTOUCHED = "What ran before keeps running: nothing was changed."


class Job(t.NamedTuple):
    """A command to run once, in a container made as the service's would be; `seconds` is how long it may take."""

    service: str
    command: list[str]
    seconds: int


@dataclasses.dataclass(frozen=True)
class Project:
    """The compose project on its host, how long things may take, and who is at it.

    `by`, `origin` and `run` are for the record. Times are in seconds.
    """

    name: str
    folder: str
    env_file: str
    state_dir: str
    wait_seconds: int
    service_wait_seconds: t.Mapping[str, int]
    pull_seconds: int
    lock_wait_seconds: int
    keep_releases: int
    log_lines: int
    run: str
    by: str
    origin: str

    def limit(self, service: str) -> int:
        """How long a service may take to become ready."""
        return self.service_wait_seconds.get(service, self.wait_seconds)

    def longest(self) -> int:
        """How long any of them may."""
        return max([self.wait_seconds, *self.service_wait_seconds.values()])


@dataclasses.dataclass(frozen=True)
class Target:
    """What is to run.

    `tree` holds the wanted files, which may be staged and not in the project's folder yet, and `env` the wanted settings, unless
    `render` makes them, given the folder of the wanted files. `images` are given for a rollback, in the form of the record;
    otherwise the registry is asked for all but those in `digests`, or with `keep_images` those of the last good release are taken.
    `parameters`, `inputs`, `repository` and `ref` are for the record.
    """

    action: str
    tree: str
    files: t.Sequence[str]
    env: str
    commit: str | None
    repository: str | None = None
    ref: str | None = None
    restores: int | None = None
    images: t.Mapping[str, Json] | None = None
    render: t.Callable[[str], Rendered] | None = None
    keep_images: bool = False
    digests: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    parameters: t.Sequence[Json] = ()
    http_checks: t.Sequence[HttpCheck] = ()
    jobs_before: t.Sequence[Job] = ()
    jobs_after: t.Sequence[Job] = ()
    inputs: str = ""
