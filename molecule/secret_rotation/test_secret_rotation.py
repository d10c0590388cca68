"""A new password of the database, valid beside the one in use."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from tests.e2e import parameters
from tests.e2e.logins import mysql_login


def test_the_new_value_is_the_parameters_and_both_log_in(controller, settings):
    new = parameters.value("DB_PASSWORD")
    assert parameters.version("DB_PASSWORD") == 2
    assert new != settings["DB_PASSWORD"] and len(new) == 32
    for password in (new, settings["DB_PASSWORD"]):
        assert mysql_login(controller, settings["DB_USERNAME"], password)


def test_nothing_that_runs_was_touched(controller):
    assert controller.health()["ok"]
    assert [record["number"] for record in controller.records()] == [1]


def test_what_comes_next_is_told_without_a_value(result):
    (rotated,) = result["rotated"]
    assert (rotated["key"], rotated["name"], rotated["new_version"]) == ("DB_PASSWORD", "/popcon/DB_PASSWORD", 2)
    assert parameters.value("DB_PASSWORD") not in str(result)


def test_nobody_else_gets_in_between(controller):
    run = controller.rotate("DB_ROOT_PASSWORD")
    assert run.status != 0 and "molecule" in run.words
    assert parameters.version("DB_ROOT_PASSWORD") == 1
