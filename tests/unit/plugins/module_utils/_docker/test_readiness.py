"""When a container counts as ready."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker import readiness

NOW = 1767322800.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that stands still; `clock.now` and `clock.monotonic` are what it says."""

    class Clock:
        now, monotonic = NOW, 100.0

    monkeypatch.setattr(readiness.time, "time", lambda: Clock.now)
    monkeypatch.setattr(readiness.time, "monotonic", lambda: Clock.monotonic)
    return Clock


def stamp(seconds_ago):
    """A time as the engine writes it."""
    moment = datetime.datetime.fromtimestamp(NOW - seconds_ago, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}123Z"


def container(
    status="running",
    *,
    health=None,
    restarts=0,
    exit_code=0,
    policy="unless-stopped",
    restarting=False,
    started=60.0,
    checks=(),
):
    state = {"Status": status, "ExitCode": exit_code, "Restarting": restarting, "StartedAt": stamp(started)}
    if health:
        log = [{"ExitCode": code, "End": stamp(seconds)} for code, seconds in checks]
        state["Health"] = {"Status": health, "Log": log}
    return {"Id": "c1", "State": state, "RestartCount": restarts, "HostConfig": {"RestartPolicy": {"Name": policy}}}


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        (container(health="healthy"), "ready", "healthy"),
        (container(health="starting"), "waiting", "health: starting"),
        (container(health="unhealthy"), "failed", "is unhealthy"),
        (container(), "ready", "running"),
        # Restarts that nobody counted don't count.
        (container(restarts=7), "ready", "running"),
        (container("restarting", restarting=True, exit_code=3), "failed", "keeps restarting (exit code 3)"),
        (container("exited", policy="no"), "ready", "completed"),
        (container("exited", policy=""), "ready", "completed"),
        (container("exited", policy="no", exit_code=2), "failed", "exited with code 2"),
        (container("exited", policy="always"), "failed", "exited with code 0"),
        (container("created"), "waiting", "is created"),
        (container("paused"), "waiting", "is paused"),
        (container("dead"), "failed", "is dead"),
    ],
)
def test_verdict(found, state, reason):
    assert readiness.judge(found) == (state, reason)


@pytest.mark.parametrize(
    ("health", "lasted", "state", "reason"),
    [
        ("healthy", 1.9, "waiting", "healthy for less than 2 s"),
        ("healthy", 2.0, "ready", "healthy"),
        (None, 4.9, "waiting", "running for less than 5 s"),
        (None, 5.0, "ready", "running"),
        ("unhealthy", 9.0, "failed", "is unhealthy"),
        ("starting", 9.0, "waiting", "health: starting"),
    ],
)
def test_what_is_new_must_last(health, lasted, state, reason):
    assert readiness.judge(container(health=health), lasted) == (state, reason)


def test_restarts_since_it_was_made_ready_count():
    assert readiness.judge(container(restarts=1), 9.0, restarts_before=0) == ("failed", "keeps restarting")
    assert readiness.judge(container(restarts=1), 9.0, restarts_before=1).state == "ready"


@pytest.mark.parametrize(
    ("found", "lasted"),
    [
        (container(started=1.5), 1.5),
        # From the first of the checks that all went well, and not from its start.
        (container(started=9, health="healthy", checks=[(1, 4), (0, 2.5), (0, 1)]), 2.5),
        # Its last check failed, and it is not unhealthy yet.
        (container(started=9, health="healthy", checks=[(0, 3), (1, 1)]), 0.0),
        (container(started=9, health="healthy"), 0.0),
        # The clock was set back meanwhile.
        (container(started=-3600), 0.0),
    ],
)
def test_it_has_been_well_since_its_records_say(found, lasted):
    assert readiness.Watch().lasted(found) == pytest.approx(lasted, abs=1e-5)


def test_or_since_it_was_first_seen_well(clock):
    """The engine keeps five checks, which may all be of the last second."""
    watch = readiness.Watch()
    quick = container(started=0.5, health="healthy", checks=[(0, 0.4), (0, 0.1)])
    assert watch.lasted(container(started=0.5, health="starting")) == pytest.approx(0.5, abs=1e-5)
    clock.monotonic += 1
    assert watch.lasted(quick) == pytest.approx(0.4, abs=1e-5)
    clock.monotonic += 2.5
    assert watch.lasted(quick) == 2.5
    again = container(started=0.2, health="healthy", checks=[(0, 0.1)])
    assert watch.lasted(again) == pytest.approx(0.1, abs=1e-5)
