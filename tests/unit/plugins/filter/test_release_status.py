"""The verdict on a host: whether it is as recorded and as wanted."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.filter.release_status import release_status

COMMIT, LATER = "4f1d3c2b5a69" + "7" * 28, "b" * 40
INFO = {"commit": COMMIT, "drift": [], "services": []}
NO_CHANGE = {
    "checkout": {"after": COMMIT, "changed_files": []},
    "release": {"plan": [], "settings": []},
}


def test_a_host_that_is_as_it_should_be():
    status = release_status({**INFO, "changed": False, "failed": False, "invocation": {}}, **NO_CHANGE)
    assert status == {
        **INFO,
        "wanted": {"commit": COMMIT, "changed_files": [], "settings": [], "plan": []},
        "problem": None,
        "differences": [],
    }


@pytest.mark.parametrize(
    ("info", "wanted", "problem", "differences"),
    [
        ({"drift": ["web is missing"]}, {}, None, ["web is missing"]),
        ({"unfinished": ["the last deploy (2) failed: x"]}, {}, None, ["the last deploy (2) failed: x"]),
        ({}, {"checkout": {"after": LATER, "changed_files": []}}, None, ["a deploy would bring the folder to commit bbbbbbbbbbbb"]),
        (
            {"commit": None},
            {"checkout": {"after": COMMIT, "changed_files": ["a", "b"]}},
            None,
            ["a deploy would bring the folder to commit 4f1d3c2b5a69", "a deploy would write or remove files: a, b"],
        ),
        (
            {},
            {"release": {"settings": ["A", "B", "C"]}},
            None,
            ["a deploy would change settings: A, B, C"],
        ),
        ({}, {"release": {"plan": ["create web", "start db"]}}, None, ["a deploy would create web", "a deploy would start db"]),
        (
            {"drift": ["web is missing"]},
            {"release": {"plan": ["create web"]}},
            "no login",
            ["no login", "web is missing", "a deploy would create web"],
        ),
    ],
)  # fmt: skip
def test_what_is_not_as_it_should_be(info, wanted, problem, differences):
    status = release_status({**INFO, **info}, **{**NO_CHANGE, **wanted}, problem=problem)
    assert (status["differences"], status["problem"]) == (differences, problem)


def test_wanted_is_null_if_nobody_asked_and_partly_known_if_that_failed_on_the_way():
    assert release_status(INFO)["wanted"] is None
    assert release_status({}, problem="x") == {"wanted": None, "problem": "x", "differences": ["x"]}
    status = release_status(INFO, checkout=NO_CHANGE["checkout"], problem="x")
    assert status["wanted"] == {"commit": COMMIT, "changed_files": [], "settings": [], "plan": []}
    failed = {"failed": True, "msg": "x"}
    assert release_status(INFO, checkout=failed, problem="x")["differences"] == ["x"]
