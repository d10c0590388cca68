"""The report on a project: what runs, what was recorded and kept, and how the one differs from the other."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import time

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import Problems, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._registry.stored_logins import tokens
from ansible_collections.popcon.deploy.plugins.module_utils._release import host as _host
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import texts
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._status.releases import summary, why_not_restorable
from ansible_collections.popcon.deploy.plugins.module_utils._status.services import rows


def report(project: str, folder: str, env_file: str | None, state_dir: str, history: int) -> Json:
    """What `compose_release_info` returns. What can't be read is part of `drift`, and doesn't hide the rest.

    :param history: how many lines of the history to give.
    :raises DeployError: the engine or the records can't be read at all.
    """
    folder = folder.rstrip("/")
    engine, records = Engine(), Records(state_dir, project)
    host = _host.look(records, engine, folder, env_file)
    problems = Problems(host.problems)

    def why_not(record: Record) -> str | None:
        has_commit = bool(record.commit and problems.tried(checkout.has, folder, record.commit))
        _settings, unreadable = attempt(records.settings_of, record.number)
        missing = [service for service, image in record.pinned.items() if engine.image_id(image) is None]
        return why_not_restorable(record, has_commit, not unreadable, missing)

    kept = records.all()[::-1]
    releases = [summary(record, why_not(record)) for record in kept]
    number = host.release.number if host.release else None
    logins = problems.tried(tokens)
    return {
        "release": next((release for release in releases if release["number"] == number), None),
        "newest": releases[0] if releases else None,
        "releases": releases,
        "history": records.history(history),
        "lock": host.holder,
        "commit": host.checkout.commit,
        "services": rows(host, time.time()),
        "drift": texts(_host.drift(dataclasses.replace(host, problems=problems.found))),
        "unfinished": texts(_host.unfinished(host)),
        "tokens": logins or [],
    }
