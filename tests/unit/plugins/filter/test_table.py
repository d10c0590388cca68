"""Results as tables that people can read."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.popcon.deploy.plugins.filter.table import DOCUMENTATION, EXAMPLES, FilterModule
from ansible_collections.popcon.deploy.plugins.plugin_utils._table import age
from ansible_collections.popcon.deploy.plugins.plugin_utils._table_kinds import TABLES

table = FilterModule().filters()["table"]
COMMIT = "4f1d3c2b5a69" + "7" * 28
RELEASE = {
    "number": 12, "commit": COMMIT, "action": "deploy", "restores": None, "by": "alice", "started_from": "laptop",
    "ended": "2026-11-23T07:01:10Z", "result": "succeeded", "restorable": True, "why_not": None,
}  # fmt: skip
SERVICE = {
    "service": "frontend", "digest": "sha256:" + "1a" * 32, "recorded_digest": "sha256:" + "2b" * 32, "restarts": 0,
    "state": "healthy", "uptime_seconds": 7300, "ports": ["3000", "3001"],
}  # fmt: skip
LINE = {
    "time": "2026-11-23T07:01:10Z", "action": "deploy", "release": 12, "restores": None, "commit": COMMIT, "by": "alice",
    "started_from": "laptop", "result": "succeeded", "seconds": 69.6, "problem": None,
}  # fmt: skip


def test_every_kind_is_documented_and_every_example_is_a_table():
    assert yaml.safe_load(DOCUMENTATION)["options"]["kind"]["choices"] == sorted(TABLES)
    examples = re.findall(r"table\('(\w+)'\)", EXAMPLES)
    assert sorted(examples) == sorted(TABLES)


def test_a_kind_that_there_is_not():
    with pytest.raises(AnsibleFilterError, match="There is no table 'x': choose one of build, build_plan, history"):
        table([], "x")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86399, "23h"), (200000, "2d")],
)
def test_age(seconds, text):
    assert age(seconds) == text


def test_status_table():
    odd = {
        "service": "db",
        "digest": "",
        "recorded_digest": "",
        "state": "missing",
        "uptime_seconds": None,
        "ports": [],
    }
    statuses = {
        "web-1": {
            "services": [SERVICE, {**odd, "restarts": 3}],
            "release": RELEASE,
            "tokens": [{"registry": "a.example", "expires_at": "2026-11-23T15:00:00Z"}, {"registry": "b", "expires_at": None}],
            "differences": ["db is missing", "a deploy would create db"],
        },
        "web-2": {"services": [], "release": None, "tokens": [], "differences": []},
        "web-3": {},
        "web-4": {"differences": ["no session"]},
    }  # fmt: skip
    assert table(statuses, "status") == [
        "HOST   SERVICE   RUNS                 RECORDED             HEALTH              UP  RESTARTS  PORT",
        "web-1  frontend  sha256:1a1a1a1a1a1a  sha256:2b2b2b2b2b2b  healthy             2h  0         3000,3001",
        "web-1  db        -                    -                    missing             -   3         -",
        "web-2  -         -                    -                    nothing runs        -   -         -",
        "web-3  -         -                    -                    could not be asked  -   -         -",
        "web-4  -         -                    -                    could not be asked  -   -         -",
        "web-1: release 12, commit 4f1d3c2b5a69, deploy by alice from laptop, 2026-11-23T07:01:10Z",
        "web-1: logged in to a.example until 2026-11-23T15:00:00Z",
        "web-1: logged in to b",
        "web-1: DRIFT: db is missing",
        "web-1: DRIFT: a deploy would create db",
        "web-4: DRIFT: no session",
    ]


def test_status_table_of_a_release_without_a_commit_and_of_a_rollback():
    release = {**RELEASE, "commit": None, "action": "rollback", "restores": 9}
    lines = table({"web-1": {"services": [], "release": release}}, "status")
    assert lines[-1] == "web-1: release 12, commit unknown, rollback to 9 by alice from laptop, 2026-11-23T07:01:10Z"


def test_release_table():
    service = {"service": "frontend", "digest": "sha256:" + "1a" * 32, "state": "healthy", "ports": ["3000", "3001"]}
    releases = {"web-1": {"services": [service, {**service, "service": "db", "digest": "", "ports": []}]}, "web-2": {}}
    assert table(releases, "release") == [
        "HOST   SERVICE   IMAGE DIGEST         HEALTH        PORT",
        "web-1  frontend  sha256:1a1a1a1a1a1a  healthy       3000,3001",
        "web-1  db        -                    healthy       -",
        "web-2  -         -                    not deployed  -",
    ]


def test_history_table():
    rollback = {
        **LINE,
        "action": "rollback",
        "restores": 9,
        "release": 13,
        "result": "failed",
        "problem": "web is unhealthy",
    }
    own = {**LINE, "action": "automatic rollback", "restores": 9, "seconds": None, "commit": None}
    histories = {"web-1": [rollback, own, LINE], "web-2": [], "web-3": None, "web-4": [{"time": "t"}]}
    assert table(histories, "history") == [
        "HOST   TIME                  ACTION              RELEASE  COMMIT        BY     FROM    RESULT     SECONDS  PROBLEM",
        "web-1  2026-11-23T07:01:10Z  rollback to 9       13       4f1d3c2b5a69  alice  laptop  failed     70       web is unhealthy",
        "web-1  2026-11-23T07:01:10Z  automatic rollback  12       -             alice  laptop  succeeded  -        -",
        "web-1  2026-11-23T07:01:10Z  deploy              12       4f1d3c2b5a69  alice  laptop  succeeded  70       -",
        "web-2  -                     nothing yet         -        -             -      -       -          -        -",
        "web-3  -                     could not be asked  -        -             -      -       -          -        -",
        "web-4  t                     -                   -        -             -      -       -          -        -",
    ]  # fmt: skip


def test_kept_releases_table():
    failed = {
        **RELEASE,
        "number": 13,
        "action": "rollback",
        "restores": 9,
        "result": "failed",
        "why_not": "it did not succeed",
    }
    infos = {"web-1": {"releases": [failed, {**RELEASE, "ended": None}]}, "web-2": {"releases": []}, "web-3": {}}
    assert table(infos, "kept_releases") == [
        "HOST   RELEASE             COMMIT        ACTION         BY     ENDED                 RESULT     TO GO BACK TO",
        "web-1  13                  4f1d3c2b5a69  rollback to 9  alice  2026-11-23T07:01:10Z  failed     it did not succeed",
        "web-1  12                  4f1d3c2b5a69  deploy         alice  -                     succeeded  all is on the host",
        "web-2  none yet            -             -              -      -                     -          -",
        "web-3  could not be asked  -             -              -      -                     -          -",
    ]


def test_rotation_table():
    name = "/popcon/DB_PASSWORD"
    promoted = {
        "key": "DB_PASSWORD",
        "name": name,
        "old_version": 3,
        "new_version": 4,
        "state": "promoted",
        "steps": ["apply"],
    }
    settled = {
        "key": "JWT",
        "name": "/popcon/JWT",
        "old_version": 1,
        "new_version": None,
        "state": "settled",
        "steps": [],
    }
    assert table([promoted, settled], "rotation") == [
        "SECRET       PARAMETER            OLD VERSION  NEW VERSION  STATE     STEPS",
        "DB_PASSWORD  /popcon/DB_PASSWORD  3            4            promoted  apply",
        "JWT          /popcon/JWT          1            -            settled   -",
    ]


def test_no_line_ends_in_blanks():
    lines = table({"a": {"services": [{**SERVICE, "ports": []}]}, "long-name": {}}, "status")
    assert not [line for line in lines if re.search(r"\s$", line)]


def test_build_table():
    image = {"name": "front", "tag": "front-4f1d3c2b5a69", "action": "build"}
    stored = {**image, "digest": "sha256:" + "1a" * 32, "size": 104_857_600}
    assert table([image], "build_plan")[1].split("  ")[:3] == [
        "front",
        "front-4f1d3c2b5a69",
        "to be built",
    ]
    assert re.split(r"  +", table([stored], "build")[1]) == [
        "front", "front-4f1d3c2b5a69", "built", "sha256:1a1a1a1a1a1a", "104.9 MB",
    ]  # fmt: skip
    (_headings, *rows) = table([{**stored, "action": action} for action in ("tag", "none")], "build")
    assert [re.split(r"  +", row)[2] for row in rows] == ["tagged as latest", "unchanged"]
