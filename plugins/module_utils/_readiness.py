# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""When a release is ready: a verdict over samples of its containers.

`docker compose up --wait` passes a container without healthcheck at its first `running` sample, and fails for a one-shot
that did its work. Here a container is ready when it is healthy, or, without a healthcheck, when it gave
`GOOD_SAMPLES` good samples with no restart in between, or when it was a one-shot and exited 0.
"""

from __future__ import annotations

import typing as t

GOOD_SAMPLES = 3

READY = "ready"
WAITING = "waiting"
FAILED = "failed"
UNHEALTHY = "is unhealthy"


class Verdict(t.NamedTuple):
    """`state` is one of `ready`, `waiting`, `failed`; `reason` says why in a few words."""

    state: str
    reason: str


def is_one_shot(container: dict[str, t.Any]) -> bool:
    """Whether the engine would leave the container stopped once it exits 0 (restart policy `no` or `on-failure`)."""
    return container["HostConfig"]["RestartPolicy"]["Name"] in ("", "no", "on-failure")


def judge(samples: list[dict[str, t.Any]], good_samples: int = GOOD_SAMPLES) -> Verdict:
    """The verdict on one container from its samples so far, oldest first, each as the engine's inspect gives it.

    :param good_samples: how many good ones a container without healthcheck owes.
    """
    first, last = samples[0], samples[-1]
    state = last["State"]
    restarts = last["RestartCount"] - first["RestartCount"]
    if state.get("Restarting") or restarts > 0:
        # Of one that was started again, the engine no longer says how it ended.
        code = f" (exit code {state['ExitCode']})" if state.get("Restarting") else ""
        return Verdict(FAILED, f"keeps restarting{code}")
    if state["Status"] == "exited":
        if is_one_shot(last) and state["ExitCode"] == 0:
            return Verdict(READY, "completed")
        return Verdict(FAILED, f"exited with code {state['ExitCode']}")
    if state["Status"] in ("dead", "removing"):
        return Verdict(FAILED, f"is {state['Status']}")
    if state["Status"] != "running":
        return Verdict(WAITING, f"is {state['Status']}")
    health = (state.get("Health") or {}).get("Status", "none")
    if health == "healthy":
        return Verdict(READY, "healthy")
    if health == "unhealthy":
        return Verdict(FAILED, UNHEALTHY)
    if health == "starting":
        return Verdict(WAITING, "health: starting")
    started = state["StartedAt"]
    good = [s for s in samples if s["State"]["Status"] == "running" and s["State"]["StartedAt"] == started]
    if len(good) >= good_samples:
        return Verdict(READY, "running")
    return Verdict(WAITING, f"running, seen {len(good)} of {good_samples} times")
