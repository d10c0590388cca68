"""What runs and what should, as rows."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._git.checkout import Checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Result
from ansible_collections.popcon.deploy.plugins.module_utils._status import services
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import DIGEST, sample_record

NOW = 1_795_417_200.0  # 2026-11-23T07:00:00Z
UNHEALTHY = {"Status": "running", "Running": True, "Health": {"Status": "unhealthy"}}


def container(service, *, name=None, state=None, restarts=0):
    return {
        "Id": f"id-{service}",
        "Name": f"/{name or f'app-{service}-1'}",
        "Config": {"Image": f"reg/{service}@{DIGEST}", "Labels": {"com.docker.compose.service": service}, "Env": None},
        "State": {"Status": "running", "Running": True, "StartedAt": "2026-11-23T06:59:00.123456789Z", **(state or {})},
        "RestartCount": restarts,
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "3000"}]}},
    }


def rows(containers, release=True):
    record = sample_record(result=Result.SUCCEEDED) if release else None
    return services.rows(Host("/x/.env", record, record, None, Checkout(), [], None, None, True, containers), NOW)


def test_rows_have_what_runs_and_what_is_recorded():
    assert rows([container("db"), container("web", restarts=3)])[0] == {
        "service": "web",
        "container": "app-web-1",
        "id": "id-web",
        "image": "reg/web",
        "digest": DIGEST,
        "recorded_digest": DIGEST,
        "state": "running",
        "uptime_seconds": 60,
        "restarts": 3,
        "ports": ["3000"],
        "drift": [],
    }


def test_rows_are_in_the_order_of_the_record_and_what_is_not_in_it_comes_last():
    made = rows([container("aaa"), container("db"), container("web", name="b"), container("web", name="a")])
    assert [(row["service"], row["container"]) for row in made] == [
        ("web", "a"), ("web", "b"), ("db", "app-db-1"), ("aaa", "app-aaa-1"),
    ]  # fmt: skip


def test_a_row_of_a_missing_service_has_the_same_columns():
    made = rows([container("web")])
    assert made[1].keys() == made[0].keys()
    assert (made[1]["state"], made[1]["recorded_digest"], made[1]["container"]) == ("missing", DIGEST, None)
    assert made[1]["drift"] == ["is missing"]


def test_uptime_is_null_where_nothing_runs_and_never_negative():
    stopped = container("web", state={"Status": "exited", "Running": False, "ExitCode": 1})
    ahead = container("db", state={"StartedAt": "2026-11-23T07:05:00Z"})
    assert [row["uptime_seconds"] for row in rows([stopped, ahead])] == [None, 0]


def test_drift_has_no_subject_and_without_a_record_there_is_none():
    (row,) = rows([container("web", state=UNHEALTHY)], release=False)
    assert (row["drift"], row["recorded_digest"], row["state"]) == ([], "", "unhealthy")
    assert rows([container("web", state=UNHEALTHY)])[0]["drift"] == ["is unhealthy"]
