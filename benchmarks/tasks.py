"""Where the time of a deploy goes: by Ansible's tasks, and within the release by what it says it does."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ansible_collections.popcon.deploy.benchmarks.deploys import Changes
from ansible_collections.popcon.deploy.benchmarks.stage import Stage
from ansible_collections.popcon.deploy.benchmarks.ways import OURS, USUAL, WAYS, Json
from ansible_collections.popcon.deploy.tests.e2e.controller import STATE

_PROFILED = {
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks",
    "PROFILE_TASKS_SORT_ORDER": "none",
    "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all",
}
#: The callback's line for a task: its name, dashes, its seconds.
_LINE = re.compile(r"^(?P<task>\S.*?) -+ (?P<seconds>[0-9.]+)s$", re.MULTILINE)
_NEWEST_RUN = f"cat $(ls -t {STATE}/runs/*.json | head -1)"


def profile(stage: Stage) -> Iterator[Json]:
    """One deploy that changes nothing and one that changes a setting, with both playbooks."""
    for case in ("no change", "a setting"):
        Changes(stage).make(case)
        for way in (OURS, USUAL):
            run = stage.deploy(way, env=_PROFILED)
            if run.status != 0:
                raise RuntimeError(f"{case} with {way} failed with status {run.status}:\n{run.output}")
            yield from ({"case": case, "way": way, **row} for row in by_task(run.output))
    host = WAYS.index(OURS)
    for line in json.loads(stage.controller.on_host("sh", "-c", _NEWEST_RUN, host=host))["progress"]:
        yield {"case": "a setting", "way": OURS, "step": line["text"], "at": round(line["at"], 2)}


def by_task(output: str) -> Iterator[Json]:
    """The seconds of each task, from what the callback says at the end."""
    for found in _LINE.finditer(output.rpartition("TASKS RECAP")[2]):
        yield {"task": found["task"], "seconds": float(found["seconds"])}
