"""The record of a release: to JSON and back, records of older versions, and how two records differ."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Reason
from ansible_collections.popcon.deploy.plugins.module_utils._release.expected import Expected, Mount
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Record, Result
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import DIGEST, sample_record

OTHER = "sha256:" + "2" * 64
PARAMETERS = [
    {"key": "A", "source": "parameter", "name": "/p/A", "path": "/p", "version": 2},
    {"key": "B", "source": "parameter", "name": "/p/B", "path": "/p", "version": 1},
    {"key": "C", "source": "default", "name": None, "path": None, "version": None},
]


def test_a_record_comes_back_from_its_json() -> None:
    record = sample_record(
        number=3, result=Result.FAILED, problem="no room", started="s", ended="e", repository="https://x", ref="main", restores=2,
        parameters=PARAMETERS, http_checks=[HttpCheck("http://127.0.0.1/", 204)], options_digest="d",
        definitions={"web": "hash"}, file_digests={"a.yml": "f"},
    )  # fmt: skip
    expected = Expected(2, "sha256:1", {"A": "d"}, [Mount("mount /x", "bind", "/y", "/x", True)], ["n"], [])
    record = record.replace(services={"web": expected})
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert record.versions == {"/p/A": 2, "/p/B": 1} and record.pinned["db"] == f"reg/db@{DIGEST}"
    assert not record.succeeded


def test_a_record_of_the_first_format_is_read() -> None:
    old = {
        "format": 1, "number": 7, "run": "r", "action": "deploy", "restores": None, "commit": None, "repository": None, "ref": None,
        "files": ["docker-compose.yml"], "images": {"web": {"reference": "reg/web:1", "pinned": f"reg/web@{DIGEST}"}},
        "parameters": [], "http_checks": [{"url": "http://127.0.0.1/", "status": 200}], "inputs": "digest", "by": "alice",
        "origin": "laptop", "config_hashes": {"web": "x"}, "started": "s", "ended": "e", "result": "good", "problem": None,
    }  # fmt: skip
    record = Record.from_json(old)
    assert record is not None and record.succeeded
    assert (record.number, record.options_digest, record.started_from) == (7, "digest", "laptop")
    assert record.definitions == {} and record.images == {"web": Image("reg/web:1", f"reg/web@{DIGEST}")}


@pytest.mark.parametrize(
    ("changed", "reason", "text"),
    [
        ({"commit": "b" * 40}, Reason.COMMIT, "commit aaaaaaaaaaaa -> bbbbbbbbbbbb"),
        ({"commit": None}, Reason.COMMIT, "commit aaaaaaaaaaaa -> none"),
        ({"options_digest": "other"}, Reason.OPTIONS, "the options of the deploy"),
        ({"repository": "https://elsewhere"}, Reason.OPTIONS, "the options of the deploy"),
        ({"files": ["other.yml"]}, Reason.OPTIONS, "the options of the deploy"),
        ({"http_checks": [HttpCheck("http://x/", 200)]}, Reason.OPTIONS, "the options of the deploy"),
        (
            {"parameters": [{"name": "/p/A", "version": 3}, PARAMETERS[1]]},
            Reason.PARAMETER,
            "parameter /p/A: version 2 -> 3",
        ),
        ({"parameters": PARAMETERS[1:]}, Reason.PARAMETER, "parameter /p/A is gone"),
        ({"parameters": [*PARAMETERS, {"name": "/p/N", "version": 1}]}, Reason.PARAMETER, "parameter /p/N is new"),
        (
            {"images": {**sample_record().images, "db": Image("reg/db:1", f"reg/db@{OTHER}")}},
            Reason.IMAGE,
            "image of db",
        ),
    ],
)
def test_a_difference_has_a_reason_and_a_text(changed: dict, reason: Reason, text: str) -> None:
    earlier = sample_record(parameters=PARAMETERS)
    assert [(one.reason, one.text) for one in earlier.replace(**changed).differences(earlier)] == [(reason, text)]


def test_who_did_it_and_when_is_no_difference() -> None:
    earlier = sample_record()
    later = earlier.replace(number=9, run="r2", by="bob", started_from="ci", started="x", ended="y", restores=1)
    assert later.differences(earlier) == []


def test_settings_are_named_where_no_parameter_explains_them() -> None:
    earlier = sample_record(parameters=PARAMETERS)
    later = earlier.replace(parameters=[{"name": "/p/A", "version": 3}, PARAMETERS[1]])
    assert [one.text for one in earlier.differences(earlier, ["A"])] == ["setting A"]
    assert [one.text for one in later.differences(earlier, ["A"])] == ["parameter /p/A: version 2 -> 3"]
