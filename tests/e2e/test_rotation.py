"""Passwords changed while the application is used. What befalls a rotation that is cut short is in tests/faults."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from lab import config, seed

from .controller import ROTATE
from .faults import killed_at_call
from .load import Load
from .logins import Prober, app_logs_in, mysql_login, settings
from .parameters import pending_values, put, version

#: The writes to Parameter Store until then, and the calls after the last one: lock, pending value, parameter.
APPLIED, PROMOTED = (2, 3), (3, 1)


@pytest.fixture(scope="module", autouse=True)
def deployed(controller):
    """One host, at its target."""
    assert controller.deploy().status == 0


def test_a_plan_changes_nothing(controller):
    before = version("DB_PASSWORD"), controller.containers(), controller.env_file(), controller.history()
    arguments = ["-i", "inventories/lab", "--check", "-e", json.dumps({"rotate": ["DB_PASSWORD"]})]
    run = controller.playbook(ROTATE, *arguments)
    assert run.status == 0
    assert "create, apply, promote, roll out, retire" in run.words
    assert (version("DB_PASSWORD"), controller.containers(), controller.env_file(), controller.history()) == before
    assert pending_values() == {}


def test_what_cannot_be_rotated_is_refused_before_anything_is_touched(controller):
    run = controller.rotate("JAVA_OPTS")
    assert run.status != 0 and "The inventory knows how to rotate: DB_PASSWORD, DB_ROOT_PASSWORD" in run.words
    assert pending_values() == {}


def test_passwords_are_changed_and_no_request_fails(controller):
    old, versions = settings(controller), (version("DB_PASSWORD"), version("DB_ROOT_PASSWORD"))
    before, head = controller.containers(), len(controller.history())
    # The page waits for a back end that is being replaced; a visitor waits some seconds at the most.
    with Load(controller.url(path="/"), timeout=20) as load, Prober(controller, app_logs_in(controller)) as prober:
        run = controller.rotate("DB_PASSWORD", "DB_ROOT_PASSWORD", secret_rotation_by="alice")
    print(load, prober.tries, "logins")
    assert run.status == 0
    assert (load.failed, prober.failures) == (0, []) and load.requests > 200 and prober.tries > 5

    new = settings(controller)
    assert (version("DB_PASSWORD"), version("DB_ROOT_PASSWORD")) == (versions[0] + 1, versions[1] + 1)
    for key, user in (("DB_PASSWORD", new["DB_USERNAME"]), ("DB_ROOT_PASSWORD", "root")):
        assert new[key] != old[key] and len(new[key]) == 32
        assert mysql_login(controller, user, new[key]) and not mysql_login(controller, user, old[key])
    assert new == {**old, "DB_PASSWORD": new["DB_PASSWORD"], "DB_ROOT_PASSWORD": new["DB_ROOT_PASSWORD"]}
    # Only what uses it is made anew, and nothing for a password that no service but the database has.
    after = controller.containers()
    assert {service for service in before if before[service] != after[service]} == {"backend"}
    assert pending_values() == {}
    lines = [line for line in controller.history()[head:] if line["action"] == "rotation"]
    assert [(line["parameter"], line["old_version"], line["new_version"], line["by"], line["result"]) for line in lines] == [
        ("/popcon/DB_PASSWORD", versions[0], versions[0] + 1, "alice", "retired"),
        ("/popcon/DB_ROOT_PASSWORD", versions[1], versions[1] + 1, "alice", "retired"),
    ]  # fmt: skip
    controller.assert_at_target()


@pytest.mark.thorough
def test_an_earlier_release_gets_the_new_password(controller):
    password = settings(controller)["DB_PASSWORD"]
    release = next(record["number"] for record in controller.records() if record["result"] == "succeeded")
    assert controller.rollback("-e", f"rollback_release={release}").status == 0
    assert settings(controller)["DB_PASSWORD"] == password and controller.health()["ok"]
    assert controller.deploy().status == 0
    controller.assert_at_target()


@pytest.mark.thorough
def test_a_rotation_that_was_cut_short_is_in_nobodys_way_and_is_taken_back(controller):
    old, number = settings(controller), version("DB_PASSWORD")
    with Prober(controller, app_logs_in(controller)) as prober:
        # It is in the parameter, and on no host yet.
        with killed_at_call(controller, "secret_rotation", config.ROTATION_ROLE, *PROMOTED):
            assert controller.rotate("DB_PASSWORD", secret_rotation_run="first", secret_rotation_by="alice").status != 0
        assert version("DB_PASSWORD") == number + 1 and pending_values().keys() == {"DB_PASSWORD"}
        # A deploy meanwhile brings a value that logs in.
        assert controller.deploy().status == 0 and controller.health()["ok"]
        assert settings(controller)["DB_PASSWORD"] != old["DB_PASSWORD"]
        other = controller.rotate("DB_ROOT_PASSWORD", secret_rotation_by="bob")
        assert other.status != 0 and "alice" in other.words and "-e secret_rotation_run=first" in other.words
        back = controller.rotate("DB_PASSWORD", secret_rotation_run="first", rotate_revert=True)
        assert back.status == 0
    assert prober.failures == []
    new = settings(controller)
    assert new == old and version("DB_PASSWORD") == number + 2 and pending_values() == {}
    assert controller.history()[-1]["result"] == "reverted"
    controller.assert_at_target()


@pytest.mark.thorough
def test_what_somebody_else_puts_there_is_left_alone(controller):
    old = settings(controller)["DB_PASSWORD"]
    # Both are valid, and the parameter has the old one.
    with killed_at_call(controller, "secret_rotation", config.ROTATION_ROLE, *APPLIED):
        assert controller.rotate("DB_PASSWORD", secret_rotation_run="second").status != 0
    put("DB_PASSWORD", "by hand and wrong")
    number = version("DB_PASSWORD")
    run = controller.rotate("DB_PASSWORD", secret_rotation_run="second")
    assert run.status != 0 and "somebody changed it by hand" in run.words
    assert version("DB_PASSWORD") == number
    put("DB_PASSWORD", old)
    assert controller.rotate("DB_PASSWORD", secret_rotation_run="second", rotate_revert=True).status == 0
    assert version("DB_PASSWORD") == number + 1 and pending_values() == {}
    assert mysql_login(controller, settings(controller)["DB_USERNAME"], old) and controller.health()["ok"]


def test_the_hosts_own_role_cannot_write_a_parameter(controller):
    script = f"import boto3; boto3.client('ssm', '{config.REGION}').put_parameter(Name='{config.PARAMETER_PATH}/DB_HOST', Value='x', Overwrite=True)"
    answer = controller.on_host("sh", "-c", f'python3 -c "{script}" 2>&1', check=False)
    assert "AccessDenied" in answer
    assert seed.client("ssm").get_parameter(Name=f"{config.PARAMETER_PATH}/DB_HOST")["Parameter"]["Value"] != "x"
