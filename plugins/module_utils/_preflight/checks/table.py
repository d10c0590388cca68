"""The checks of the preflight in their order: what each is asked for by, and what it needs of earlier ones."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import (
    clock,
    daemon_config,
    docker,
    identity,
    parameters,
    project,
    registries,
    repository,
    room,
    token,
    tracked,
    up_to_date,
)
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Check

_AWS = ("parameter_paths", "token_parameter", "registries")

#: Made while AWS and the repository are asked; of those they can need nothing.
ON_HOST = (
    Check("daemon_config", daemon_config.check),
    Check("engine", docker.check_engine, asked_by=("project",), needs=("engine",)),
    Check("compose", docker.check_compose, asked_by=("project",), needs=("compose",)),
    Check("room_for_docker", room.check_docker, asked_by=("project",)),
    Check("room_for_project", room.check_project, asked_by=("project",)),
    Check("project", project.check, asked_by=("project",)),
)

#: A need that is the name of a check that was not asked for is no need: without `token_parameter`, the repository needs no token.
OVER_NETWORK = (
    Check("identity", identity.check, asked_by=_AWS, needs=("boto3",)),
    Check("clock", clock.check, asked_by=_AWS, needs=("ahead",)),
    Check("parameters", parameters.check, asked_by=("parameter_paths",), needs=("caller",)),
    Check("token", token.check, asked_by=("token_parameter",), needs=("caller",)),
    Check("registries", registries.check, asked_by=("registries",), needs=("caller",)),
    Check("repository", repository.check, asked_by=("repository",), needs=("git", "token")),
)

#: Made when both are through.
AT_LAST = (
    Check("tracked", tracked.check, asked_by=("written_files",), needs=("commit", "project")),
    Check("up_to_date", up_to_date.check, asked_by=("options_digest",), needs=("project",)),
)
