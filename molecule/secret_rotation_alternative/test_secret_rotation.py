"""The end of a rotation of two passwords: the old ones are no longer let in."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from lab import state
from tests.e2e import parameters
from tests.e2e.logins import mysql_login


def test_only_the_new_values_log_in(controller, settings):
    known = state.load_secrets()
    for key, user, old in (
        ("DB_PASSWORD", settings["DB_USERNAME"], known["db_password"]),
        ("DB_ROOT_PASSWORD", "root", known["db_root_password"]),
    ):
        assert settings[key] == parameters.value(key) != old
        assert mysql_login(controller, user, settings[key])
        assert not mysql_login(controller, user, old)


def test_each_has_one_new_version_and_no_pending_value(controller):
    assert (parameters.version("DB_PASSWORD"), parameters.version("DB_ROOT_PASSWORD")) == (2, 2)
    assert parameters.pending_values() == {}
    assert controller.health()["ok"]


def test_the_history_says_who(controller):
    told = [line for line in controller.history() if line["action"] == "rotation"]
    assert {(line["parameter"], line["by"], line["started_from"], line["result"]) for line in told} == {
        (f"/popcon/{key}", "alice", "https://ci.example.com/7", "retired")
        for key in ("DB_PASSWORD", "DB_ROOT_PASSWORD")
    }
