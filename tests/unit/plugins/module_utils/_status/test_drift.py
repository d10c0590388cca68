"""What is on a host against what is recorded: tables of facts and of what is said about them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import MOUNTS_LABEL
from ansible_collections.popcon.deploy.plugins.module_utils._settings.dotenv import differing_keys
from ansible_collections.popcon.deploy.plugins.module_utils._status import drift

NOW = 1_795_417_200.0  # 2026-11-23T07:00:00Z
DIGEST, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
COMMIT, LATER = "a" * 40, "b" * 40
UNHEALTHY = {"Status": "running", "Running": True, "Health": {"Status": "unhealthy"}}


def record(number=12, result="good", services=("web", "db"), **fields):
    images = {name: {"reference": f"reg/{name}:1", "pinned": f"reg/{name}@{DIGEST}"} for name in services}
    return {
        "number": number, "result": result, "action": "deploy", "restores": None, "commit": COMMIT, "images": images,
        "by": "alice", "origin": "laptop", "started": "s", "ended": "e", "problem": None,
        "parameters": [{"key": "A", "source": "default", "name": None, "version": None}], **fields,
    }  # fmt: skip


def container(service, *, name=None, image=None, state=None, env=None, mounts=None, restarts=0, policy="always"):
    labels = {"com.docker.compose.service": service, **({MOUNTS_LABEL: mounts} if mounts else {})}
    return {
        "Id": f"id-{service}",
        "Name": f"/{name or f'app-{service}-1'}",
        "Image": "sha256:stored",
        "Config": {"Image": image or f"reg/{service}@{DIGEST}", "Labels": labels, "Env": env},
        "State": {"Status": "running", "Running": True, "StartedAt": "2026-11-23T06:59:00.123456789Z", **(state or {})},
        "RestartCount": restarts,
        "HostConfig": {"RestartPolicy": {"Name": policy}},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "3000"}]}},
    }


NOTHING = drift.Definitions((), {}, {})
DIVERGED = drift.Definitions(("web",), {}, {})


def words(containers, definitions=NOTHING):
    rows = drift.services(record(), containers, definitions, NOW)
    return {row["container"] or row["service"]: row["drift"] for row in rows if row["drift"]}


def test_rows_have_what_runs_and_what_is_recorded():
    first = drift.services(record(), [container("db"), container("web", restarts=3)], NOTHING, NOW)[0]
    assert first == {
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
    containers = [container("aaa"), container("db"), container("web", name="b"), container("web", name="a")]
    rows = drift.services(record(), containers, NOTHING, NOW)
    assert [(row["service"], row["container"]) for row in rows] == [
        ("web", "a"), ("web", "b"), ("db", "app-db-1"), ("aaa", "app-aaa-1"),
    ]  # fmt: skip


def test_a_row_of_a_missing_service_has_the_same_columns():
    rows = drift.services(record(), [container("web")], NOTHING, NOW)
    assert rows[1].keys() == rows[0].keys()
    assert (rows[1]["state"], rows[1]["recorded_digest"], rows[1]["container"]) == ("missing", DIGEST, None)


def test_uptime_is_null_where_nothing_runs_and_never_negative():
    stopped = container("web", state={"Status": "exited", "Running": False, "ExitCode": 1})
    ahead = container("db", state={"StartedAt": "2026-11-23T07:05:00Z"})
    rows = drift.services(record(), [stopped, ahead], NOTHING, NOW)
    assert [row["uptime_seconds"] for row in rows] == [None, 0]


def test_without_a_record_nothing_is_said_of_a_container():
    (row,) = drift.services(None, [container("web", state=UNHEALTHY)], NOTHING, NOW)
    assert (row["drift"], row["recorded_digest"], row["state"]) == ([], "", "unhealthy")


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({}, []),
        ({"state": {"Health": {"Status": "healthy"}}}, []),
        ({"image": f"reg/web@{OTHER}"}, [f"runs {OTHER[:19]}, recorded is {DIGEST[:19]}"]),
        ({"image": "reg/web:latest"}, [f"runs reg/web:latest, recorded is {DIGEST[:19]}"]),
        ({"state": UNHEALTHY}, ["is unhealthy"]),
        ({"state": {"Health": {"Status": "starting"}}}, ["is not ready (health: starting)"]),
        ({"state": {"Status": "exited", "Running": False, "ExitCode": 137}}, ["exited with code 137"]),
        ({"state": {"Status": "exited", "Running": False, "ExitCode": 0}, "policy": "no"}, []),
        ({"state": {"Status": "exited", "Running": False, "ExitCode": 0}}, ["exited with code 0"]),
        ({"state": {"Status": "restarting", "Restarting": True, "ExitCode": 1}}, ["keeps restarting (exit code 1)"]),
        ({"state": {"Status": "paused"}}, ["is not ready (is paused)"]),
        ({"restarts": 7}, []),
        (
            {"image": f"reg/web@{OTHER}", "state": UNHEALTHY},
            [f"runs {OTHER[:19]}, recorded is {DIGEST[:19]}", "is unhealthy"],
        ),
    ],
)
def test_what_is_said_of_a_service(web, said):
    assert words([container("web", **web), container("db")]).get("app-web-1", []) == said


def test_what_is_missing_and_what_is_too_much():
    containers = [container("web", name="one"), container("web", name="two", state=UNHEALTHY), container("old")]
    assert words(containers) == {
        "two": ["is unhealthy"],
        "db": ["is missing"],
        "app-old-1": ["is not of the release (container app-old-1)"],
    }


@pytest.mark.parametrize(
    ("web", "definitions", "said"),
    [
        ({}, {}, ["was started with another definition than the files now give"]),
        ({"mounts": "x"}, {"mounts": {"web": "x"}}, ["was started with another definition than the files now give"]),
        ({"mounts": "x"}, {"mounts": {"web": "y"}}, ["was started before its mounted files changed"]),
        ({}, {"mounts": {"web": "y"}}, ["was started before its mounted files changed"]),
        (
            {"env": ["A=1", "B=canary", "C=x=y", "PATH=/bin"]},
            {"settings": {"A": "1", "B": "2", "C": "x=y", "D": "not the service's"}},
            ["was started with other settings: B"],
        ),
        (
            {"env": ["B=", "A"], "mounts": "x"},
            {"settings": {"B": "2", "A": "1"}, "mounts": {"web": "y"}},
            ["was started before its mounted files changed", "was started with other settings: A, B"],
        ),
    ],
)
def test_why_the_definition_differs(web, definitions, said):
    containers = [container("web", **web), container("db", env=["B=other"])]
    assert words(containers, definitions=DIVERGED._replace(**definitions)) == {"app-web-1": said}


def test_settings_are_compared_only_where_compose_sees_another_definition():
    """A compose file may give a service another value under the name of a setting."""
    definitions = NOTHING._replace(settings={"REDIS_HOST": "elsewhere"})
    assert words([container("web", env=["REDIS_HOST=redis"]), container("db")], definitions=definitions) == {}


def facts(**fields):
    same = {"release": record(), "head": COMMIT, "edits": [], "problems": []}
    return drift.Facts(**{**same, **fields})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, []),
        ({"head": LATER}, ["the folder is at commit bbbbbbbbbbbb, recorded is aaaaaaaaaaaa"]),
        ({"head": None}, ["the folder is no checkout any more, recorded is commit aaaaaaaaaaaa"]),
        ({"release": record(commit=None), "head": None}, []),
        ({"release": record(commit=None)}, []),
        ({"edits": ["b.yml", "a/c"]}, ["files edited: b.yml, a/c"]),
        ({"edits": [str(n) for n in range(12)]}, ["files edited: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"]),
        ({"problems": ["/x/.env differs in A"]}, ["/x/.env differs in A"]),
        ({"release": None, "head": None}, ["no release has been good yet"]),
        ({"release": None, "problems": ["y"]}, ["no release has been good yet", "y"]),
    ],
)
def test_what_is_said_of_a_host(fields, said):
    rows = drift.services(record(), [container("web"), container("db")], NOTHING, NOW)
    assert drift.host_drift(facts(**fields), rows) == said


@pytest.mark.parametrize(
    ("newest", "holder", "said"),
    [
        (None, None, []),
        (record(), None, []),
        (record(13, "failed", problem="no room"), None, ["the last deploy (13) failed: no room"]),
        (record(13, "failed", action="rollback"), None, ["the last rollback (13) failed: None"]),
        (record(13, "interrupted"), None, ["the last deploy (13) was interrupted"]),
        (record(13, "started"), None, ["the last deploy (13) was interrupted"]),
        (
            record(13, "started"),
            {"by": "bob", "since": "2026-11-23T06:00:00Z"},
            ["bob is at it since 2026-11-23T06:00:00Z"],
        ),
        (record(), {}, ["somebody is at it since just now"]),
    ],
)
def test_what_is_unfinished(newest, holder, said):
    assert drift.unfinished(newest, holder) == said


def test_what_is_said_of_services_is_said_of_the_host_with_their_names():
    rows = drift.services(record(), [container("web", state=UNHEALTHY)], NOTHING, NOW)
    assert drift.host_drift(facts(), rows) == ["web is unhealthy", "db is missing"]


@pytest.mark.parametrize(
    ("recorded", "found", "keys"),
    [
        ({}, {}, []),
        ({"A": "1"}, {"A": "1"}, []),
        ({"B": "1", "A": "1"}, {"A": "2", "C": ""}, ["A", "B", "C"]),
        ({"A": ""}, {}, ["A"]),
    ],
)
def test_differing_keys(recorded, found, keys):
    assert differing_keys(recorded, found) == keys


@pytest.mark.parametrize(
    ("fields", "has_commit", "has_settings", "missing", "reason"),
    [
        ({}, True, True, [], None),
        ({"result": "failed"}, True, True, [], "it was not good"),
        ({"result": "started"}, False, False, ["web"], "it was not good"),
        ({}, False, True, [], "commit aaaaaaaaaaaa is not in the clone any more"),
        ({"commit": None}, False, True, [], "no commit was recorded"),
        ({}, True, False, [], "its settings are not kept any more"),
        ({}, True, True, ["web", "db"], "images have to be pulled again: web, db"),
        ({}, True, False, ["web"], "its settings are not kept any more; images have to be pulled again: web"),
    ],
)
def test_why_a_release_cannot_be_restored(fields, has_commit, has_settings, missing, reason):
    assert drift.why_not_restorable(record(**fields), has_commit, has_settings, missing) == reason


def test_a_summary_leaves_out_what_is_long():
    summary = drift.summary(record(), "x")
    assert summary.keys() == {
        "number", "action", "restores", "commit", "images", "by", "origin", "started", "ended", "result", "problem",
        "restorable", "why_not", "parameters",
    }  # fmt: skip
    assert (summary["number"], summary["restorable"], summary["why_not"]) == (12, False, "x")
    assert drift.summary(record(), None)["restorable"] is True
