"""When a release is ready: a verdict over each of its containers.

`docker compose up --wait` passes a container at its first `healthy` sample, or without healthcheck `running` one, and fails for a
one-shot that did its work. Here a container is ready when it has been well for a while with no restart in between, or when it
was a one-shot and exited 0.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import itertools
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import epoch

#: For how many seconds a container must have been well, by how that is told. Of one without a healthcheck nothing is known but that
#: it runs: it gets the time that `docker service update` watches a task for (`--update-monitor`).
LASTING_SECONDS = {"healthy": 2.0, "running": 5.0}

READY = "ready"
WAITING = "waiting"
FAILED = "failed"
UNHEALTHY = "is unhealthy"


class Verdict(t.NamedTuple):
    """`state` is one of `ready`, `waiting`, `failed`; `reason` says why in a few words."""

    state: str
    reason: str


class Watch:
    """Since when containers have been well, by their own records or by having been seen so."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str, str], float] = {}

    def lasted(self, container: Json) -> float:
        """For how many seconds a container that is well now has been so.

        Its records may tell less than was seen: of its checks the engine keeps five, and clocks are set back.
        """
        now = time.monotonic()
        key = (container["Id"], container["State"]["StartedAt"], _health(container))
        return max(now - self._first.setdefault(key, now), time.time() - _well_since(container["State"]))


def is_one_shot(container: Json) -> bool:
    """Whether the engine would leave the container stopped once it exits 0 (restart policy `no` or `on-failure`)."""
    return container["HostConfig"]["RestartPolicy"]["Name"] in ("", "no", "on-failure")


def is_stopped(container: Json) -> bool:
    """Whether the container does not run though it should: it is no one-shot that did its work."""
    state = container["State"]
    return not state.get("Running") and not (is_one_shot(container) and state.get("ExitCode") == 0)


def judge(container: Json, lasted: float | None = None, restarts_before: int | None = None) -> Verdict:
    """The verdict on one container, as the engine's inspect gives it.

    :param lasted: for how many seconds it has been well, if it is; by default that doesn't matter.
    :param restarts_before: how often it may have been restarted; by default that doesn't matter.
    """
    state = container["State"]
    restarted = restarts_before is not None and container["RestartCount"] > restarts_before
    if state.get("Restarting") or restarted:
        # Of one that was started again, the engine no longer says how it ended.
        code = f" (exit code {state['ExitCode']})" if state.get("Restarting") else ""
        return Verdict(FAILED, f"keeps restarting{code}")
    if state["Status"] == "exited":
        if is_one_shot(container) and state["ExitCode"] == 0:
            return Verdict(READY, "completed")
        return Verdict(FAILED, f"exited with code {state['ExitCode']}")
    if state["Status"] in ("dead", "removing"):
        return Verdict(FAILED, f"is {state['Status']}")
    if state["Status"] != "running":
        return Verdict(WAITING, f"is {state['Status']}")
    health = _health(container)
    if health == "unhealthy":
        return Verdict(FAILED, UNHEALTHY)
    if health == "starting":
        return Verdict(WAITING, "health: starting")
    seen = "healthy" if health == "healthy" else "running"
    if lasted is None or lasted >= LASTING_SECONDS[seen]:
        return Verdict(READY, seen)
    return Verdict(WAITING, f"{seen} for less than {LASTING_SECONDS[seen]:g} s")


def _health(container: Json) -> str:
    return str((container["State"].get("Health") or {}).get("Status", "none"))


def _well_since(state: Json) -> float:
    """When a running container began to be well, in seconds since the epoch; in no past, if its last check failed."""
    health = state.get("Health") or {}
    if health.get("Status") != "healthy":
        return epoch(state["StartedAt"])
    checks = reversed(health.get("Log") or [])
    good = list(itertools.takewhile(lambda check: check["ExitCode"] == 0, checks))
    return epoch(good[-1]["End"]) if good else float("inf")
