# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a container counts as ready."""

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils import _readiness


def sample(
    status="running", *, health=None, restarts=0, exit_code=0, policy="unless-stopped", restarting=False, started="t0"
):
    state = {"Status": status, "ExitCode": exit_code, "Restarting": restarting, "StartedAt": started}
    if health:
        state["Health"] = {"Status": health}
    return {"State": state, "RestartCount": restarts, "HostConfig": {"RestartPolicy": {"Name": policy}}}


@pytest.mark.parametrize(
    ("samples", "state", "reason"),
    [
        ([sample(health="starting"), *[sample(health="healthy")] * 2], "waiting", "healthy, seen 2 of 3 times"),
        ([sample(health="healthy")] * 3, "ready", "healthy"),
        ([*[sample(health="healthy")] * 2, sample(health="healthy", restarts=1)], "failed", "keeps restarting"),
        ([sample(health="starting")], "waiting", "health: starting"),
        ([sample(health="unhealthy")], "failed", "is unhealthy"),
        ([sample()], "waiting", "running, seen 1 of 3 times"),
        ([sample(), sample(), sample()], "ready", "running"),
        ([sample(), sample(), sample(restarts=1)], "failed", "keeps restarting"),
        ([sample(started="t0"), sample(started="t0"), sample(started="t1")], "waiting", "running, seen 1 of 3 times"),
        ([sample("restarting", restarting=True, exit_code=3)], "failed", "keeps restarting (exit code 3)"),
        ([sample("exited", policy="no")], "ready", "completed"),
        ([sample("exited", policy="")], "ready", "completed"),
        ([sample("exited", policy="no", exit_code=2)], "failed", "exited with code 2"),
        ([sample("exited", policy="always")], "failed", "exited with code 0"),
        ([sample("created")], "waiting", "is created"),
        ([sample("paused")], "waiting", "is paused"),
        ([sample("dead")], "failed", "is dead"),
        # Restarts from before the release don't count against it.
        ([sample(restarts=7), sample(restarts=7), sample(restarts=7)], "ready", "running"),
    ],
)
def test_verdict(samples, state, reason):
    assert _readiness.judge(samples) == (state, reason)


def test_one_sample_is_enough_for_what_has_lasted():
    assert _readiness.judge([sample()], good_samples=1).state == "ready"


def test_restarts_since_it_was_made_ready_count_from_the_first_sample_on():
    crashed = [sample(restarts=1)]
    assert _readiness.judge(crashed, restarts_before=0).state == "failed"
    assert _readiness.judge(crashed * 3, restarts_before=1).state == "ready"
