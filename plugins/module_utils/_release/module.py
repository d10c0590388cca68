"""What `compose_release` and `compose_rollback` have in common: their options, and work that outlives the connection."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import socket
import typing as t
import uuid

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import show_warnings
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release import detached
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.rollout import Rollout
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import Project

Step = t.Callable[[Rollout, Project], Json]

SHARED_ARGUMENTS: Json = {
    "project": {"type": "str", "required": True},
    "project_dir": {"type": "path", "required": True},
    "env_file": {"type": "path"},
    "wait_seconds": {"type": "int", "default": 300},
    "service_wait_seconds": {"type": "dict", "default": {}},
    "log_lines": {"type": "int", "default": 20},
    "keep_releases": {"type": "int", "default": 5},
    "pull_seconds": {"type": "int", "default": 900},
    "lock_wait_seconds": {"type": "int", "default": 600},
    "state_dir": {"type": "path", "default": "/var/lib/popcon/projects"},
    "run": {"type": "str"},
    "by": {"type": "str"},
    "started_from": {"type": "str"},
    "attach_seconds": {"type": "int"},
}


def project_of(params: Json) -> Project:
    """The project that the shared options describe."""
    folder = params["project_dir"].rstrip("/")
    return Project(
        name=params["project"],
        folder=folder,
        env_file=params["env_file"],
        state_dir=params["state_dir"].rstrip("/"),
        wait_seconds=params["wait_seconds"],
        service_wait_seconds={name: int(seconds) for name, seconds in params["service_wait_seconds"].items()},
        pull_seconds=params["pull_seconds"],
        lock_wait_seconds=params["lock_wait_seconds"],
        keep_releases=params["keep_releases"],
        log_lines=params["log_lines"],
        # Given by the action plugin; these are for who goes without it.
        run=params["run"] or uuid.uuid4().hex,
        by=params["by"] or "unknown",
        started_from=params["started_from"] or socket.gethostname(),
    )


def carry_out(module: AnsibleModule, dry_run: Step, run: Step) -> None:
    """Do what the module is for, and end it: `dry_run` in check mode, else `run`, in a worker of its own."""
    work, step = (_dry_run, dry_run) if module.check_mode else (_followed, run)
    result, failure = attempt(work, module, step)
    result = result or {}
    failure = result.pop("failure", failure)
    show_warnings(result.pop("warnings", []))
    if failure:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


def _dry_run(module: AnsibleModule, dry_run: Step) -> Json:
    project = project_of(module.params)
    return dry_run(Rollout(project, lambda _text: None), project)


def _followed(module: AnsibleModule, run: Step) -> Json:
    project = project_of(module.params)
    folder = f"{Records(project.state_dir, project.name).folder}/runs"
    followed = detached.follow(
        folder,
        project.run,
        lambda say: run(Rollout(project, say), project),
        lambda say, how: Rollout(project, say).recover(how),
        module.params["attach_seconds"] or 3600,
        {"by": project.by, "started_from": project.started_from},
    )
    if not followed.finished:
        return {"unfinished": True, "progress": followed.progress}
    result = {**(followed.result or {}), "progress": followed.progress}
    for other in detached.undelivered(folder, project.run):
        ending = other["failure"] or f"release {other['release']} succeeded"
        result.setdefault("warnings", []).append(
            f"The run of {other['by']} ({other['started_from']}) of {other['started']}, which nobody saw the end of, ended: {ending}"
        )
    if followed.failure:
        result["failure"] = followed.failure
    return result
