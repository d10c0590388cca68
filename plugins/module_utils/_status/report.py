"""What a host has of a project: what runs, what was recorded and kept, and how the one differs from the other."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.redact import redactor
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import read_regular_file
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker import compose as _compose
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import Compose, ComposeError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._registry.stored_logins import tokens
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.stack import Release, Wanted
from ansible_collections.popcon.deploy.plugins.module_utils._settings.dotenv import differing_keys
from ansible_collections.popcon.deploy.plugins.module_utils._settings.dotenv import parse_env as parse_contract
from ansible_collections.popcon.deploy.plugins.module_utils._status import drift

T = t.TypeVar("T")


class Look:
    """One look at a project; what can't be compared is among `problems`, and doesn't keep the rest from being told.

    :raises DeployError: from `result`, when the engine or the records can't be read at all.
    """

    def __init__(self, params: Json) -> None:
        self._params = params
        self._folder = params["project_dir"].rstrip("/")
        self._env_file = params["env_file"] or f"{self._folder}/.env"
        self._engine = Engine()
        self._records = Records(params["state_dir"], params["project"])
        self._release = self._records.last_good()
        self.problems: list[str] = []

    def result(self) -> Json:
        """What the module returns."""
        containers = self._engine.containers(self._params["project"])
        kept = self._records.all()[::-1]
        holder = self._records.holder()
        rows = drift.services(self._release, containers, self._definitions(), time.time())
        head = self._tried(checkout.head, self._folder)
        edits = self._tried(checkout.files_between, self._folder, head) if head else None
        releases = [drift.summary(record, self._why_not(record)) for record in kept]
        number = self._release["number"] if self._release else None
        logins = self._tried(tokens)
        facts = drift.Facts(
            release=self._release,
            head=head,
            edits=checkout.displayed(edits or []),
            problems=self.problems,
        )
        return {
            "release": next((release for release in releases if release["number"] == number), None),
            "newest": releases[0] if releases else None,
            "releases": releases,
            "history": self._records.history(self._params["history"]),
            "lock": holder,
            "commit": head,
            "services": rows,
            "drift": drift.host_drift(facts, rows),
            "unfinished": drift.unfinished(kept[0] if kept else None, holder),
            "tokens": logins or [],
        }

    def _definitions(self) -> drift.Definitions:
        """What Compose makes of the files as they are now, with the settings of the last good release."""
        nothing = drift.Definitions((), {}, {})
        if self._release is None:
            return nothing
        settings = self._tried(self._settings, self._release)
        if settings is None:
            return nothing
        return self._tried(self._compared, self._release, settings) or nothing._replace(settings=settings)

    def _settings(self, release: Json) -> Json:
        """The settings of a release; that those in the project's folder are others is noted."""
        recorded = parse_contract(self._records.env_of(release["number"]), "The recorded file")
        found = read_regular_file(self._env_file)
        if found is None:
            self.problems.append(f"{self._env_file} is missing")
        else:
            current = self._tried(parse_contract, found, self._env_file)
            keys = differing_keys(recorded, recorded if current is None else current)
            if keys:
                self.problems.append(f"{self._env_file} differs in {drift.named(keys)}")
        return recorded

    def _compared(self, release: Json, settings: Json) -> drift.Definitions:
        files = [os.path.join(self._folder, name) for name in release["files"]]
        env_file = self._records.env_path(release["number"])
        compose = Compose(self._params["project"], self._folder, files, env_file)
        wanted = Wanted(self._params["project"], self._folder, self._folder, self._env_file, [], False)
        images = {name: image["pinned"] for name, image in release["images"].items()}
        plan = Release(wanted, compose, self._engine, [], redactor(settings.values()), 0, images).plan()
        diverged = [name for name, reasons in plan.recreate.items() if "its definition" in reasons]
        mounts = _mounts(compose, self._folder) if diverged else {}
        return drift.Definitions(diverged, mounts, settings)

    def _why_not(self, record: Json) -> str | None:
        has_commit = bool(record["commit"] and self._tried(checkout.has, self._folder, record["commit"]))
        _content, unreadable = attempt(self._records.env_of, record["number"])
        images = record["images"].items()
        missing = [name for name, image in images if self._engine.image_id(image["pinned"]) is None]
        return drift.why_not_restorable(record, has_commit, not unreadable, missing)

    def _tried(self, work: t.Callable[..., T], *args: t.Any) -> T | None:
        try:
            return work(*args)
        except DeployError as problem:
            if str(problem) not in self.problems:
                self.problems.append(str(problem))
            return None


def _mounts(compose: Compose, folder: str) -> dict[str, str]:
    """The digest over each service's mounted files as they are now."""
    try:
        services = _compose.override_for(compose.model(), {}, folder, folder)["services"]
    except ComposeError:
        raise DeployError("the compose files changed while they were read") from None
    return {name: service["labels"][_compose.MOUNTS_LABEL] for name, service in services.items()}
