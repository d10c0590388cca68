# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""When a release is ready: a verdict over samples of its containers.

`docker compose up --wait` passes a container at its first `healthy` sample, or without healthcheck `running` one, and fails for a
one-shot that did its work. Here a container is ready when it gave `GOOD_SAMPLES` of these with no restart in between, or
when it was a one-shot and exited 0.
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


def is_stopped(container: dict[str, t.Any]) -> bool:
    """Whether the container does not run though it should: it is no one-shot that did its work."""
    state = container["State"]
    return not state.get("Running") and not (is_one_shot(container) and state.get("ExitCode") == 0)


def judge(
    samples: list[dict[str, t.Any]], good_samples: int = GOOD_SAMPLES, restarts_before: int | None = None
) -> Verdict:
    """The verdict on one container from its samples so far, oldest first, each as the engine's inspect gives it.

    :param good_samples: how many good ones it owes: healthy, or without a healthcheck running, with no restart in between.
    :param restarts_before: how often it had been restarted when it was made ready; by default, at its first sample.
    """
    last = samples[-1]
    state = last["State"]
    before = samples[0]["RestartCount"] if restarts_before is None else restarts_before
    if state.get("Restarting") or last["RestartCount"] > before:
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
    health = _health(last)
    if health == "unhealthy":
        return Verdict(FAILED, UNHEALTHY)
    if health == "starting":
        return Verdict(WAITING, "health: starting")
    seen = "healthy" if health == "healthy" else "running"
    good = [s for s in samples if _is_like(s, last) and _health(s) == health]
    if len(good) >= good_samples:
        return Verdict(READY, seen)
    return Verdict(WAITING, f"{seen}, seen {len(good)} of {good_samples} times")


def _health(sample: dict[str, t.Any]) -> str:
    return str((sample["State"].get("Health") or {}).get("Status", "none"))


def _is_like(sample: dict[str, t.Any], last: dict[str, t.Any]) -> bool:
    return (sample["State"]["Status"], sample["State"]["StartedAt"]) == ("running", last["State"]["StartedAt"])
