"""From an empty account to the running stack, by what a user types, and back to the empty account.

The tests are one story: each starts from what the one before left.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from ansible_collections.popcon.deploy.tests.e2e.sweep import assert_no_secret_in

from lab import config
from lab.account.engine import HOST_LABEL

from .conftest import Administrator, python_m_lab

NAME = "popcon-lab"
DEPLOYER = f"{NAME}-deployer"
SERVICES = {"frontend", "backend", "mysql", "redis"}
ASK_STS = 'import boto3; print(boto3.client("sts", region_name="ap-northeast-2").get_caller_identity()["Arn"])'
READ = 'import boto3; boto3.client("ssm").get_parameter(Name="/popcon/DB_PASSWORD", WithDecryption=True)'


def containers() -> list[str]:
    """The names of the containers that are instances, stopped ones too."""
    command = ["docker", "ps", "--all", "--filter", f"label={HOST_LABEL}", "--format", "{{.Names}}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return sorted(set(done.stdout.split()) - {config.MODEL})


def push() -> int:
    """The status of an attempt to push to the application's repository."""
    connection = http.client.HTTPConnection(config.PUSH_REGISTRY, timeout=10)
    connection.request("POST", f"/v2/{config.ECR_REPOSITORY}/blobs/uploads/")
    status = connection.getresponse().status
    connection.close()
    return status


def wait_for(expected: object, look: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while (seen := look()) != expected:
        assert time.monotonic() < end, f"{seen!r} after a minute, and not {expected!r}"
        time.sleep(0.5)


def test_there_is_nothing(administrator: Administrator) -> None:
    assert administrator.account() == set()
    assert (administrator.hosts(), containers()) == ([], [])
    assert push() == 403


def test_provision(administrator: Administrator) -> None:
    run = administrator.provision("--diff", "-vvv")
    assert run.status == 0
    assert_no_secret_in(run.output)
    made = {f"{NAME}-host", f"{NAME}-transfer", f"{NAME}-session", config.ECR_REPOSITORY, "/popcon/DB_PASSWORD"}
    assert made <= administrator.account()
    assert push() == 202


def test_the_instance_is_a_host_without_docker(administrator: Administrator) -> None:
    (host,) = administrator.hosts()
    wait_for([f"{NAME}-{host['id']}"], containers)
    wait_for("running\n", lambda: administrator.on_host("systemctl", "is-system-running", check=False))
    assert administrator.on_host("sh", "-c", "command -v docker git || echo none") == "none\n"


def test_build(administrator: Administrator) -> None:
    run = administrator.build()
    assert run.status == 0
    for service in ("backend", "frontend"):
        assert f"{service} {service}-" in run.words
    assert run.words.count(" built sha256:") == 2


def test_deploy_as_the_role_that_may_do_nothing_else(administrator: Administrator) -> None:
    administrator.reset_counters()
    run = administrator.deploy_as(DEPLOYER, "--diff", "-vvv")
    assert run.status == 0
    assert_no_secret_in(run.output)
    counted = administrator.counters()
    # Sessions by the document that was made for them; and whoever starts one may end it.
    assert counted["api"]["ssm:StartSession"] == counted["api"]["ssm:TerminateSession"] == counted["sessions"] > 0
    refused = subprocess.run(
        [sys.executable, "-c", READ], env={**administrator.env, **administrator.take(DEPLOYER)},
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert "AccessDeniedException" in refused.stderr


def test_the_stack_serves(administrator: Administrator) -> None:
    assert set(administrator.containers()) == SERVICES
    health = administrator.health()
    assert health["ok"] is True
    assert {name: found["ok"] for name, found in health["backend"]["dependencies"].items()} == {
        "mysql": True,
        "redis": True,
    }
    assert health["backend"]["settings"]["DB_NAME"] == "popcon"


def test_the_host_is_the_instance_with_the_role_that_was_made_for_it(administrator: Administrator) -> None:
    (host,) = administrator.hosts()
    arn = f"arn:aws:sts::{config.ACCOUNT}:assumed-role/{NAME}-host/{host['id']}"
    assert administrator.on_host("python3", "-c", ASK_STS).strip() == arn


def test_then_there_is_nothing_to_do(administrator: Administrator) -> None:
    before = administrator.containers()
    plan = administrator.provision("--check", "--diff", "-e", "provision_fail_on_changes=true")
    assert (plan.status, plan.changed) == (0, 0)
    assert "Nothing to do: everything is as the inventory has it" in plan.words
    build = administrator.build()
    assert (build.status, build.changed, build.words.count(" unchanged sha256:")) == (0, 0, 2)
    deploy = administrator.deploy_as(DEPLOYER)
    assert (deploy.status, deploy.changed) == (0, 0)
    assert administrator.containers() == before


def test_an_up_of_the_lab_leaves_hosts_alone(administrator: Administrator) -> None:
    before = administrator.hosts()
    python_m_lab("up")
    assert administrator.hosts() == before
    assert administrator.health()["ok"] is True
    with pytest.raises(subprocess.CalledProcessError):
        python_m_lab("up", "--hosts", "2")


def test_teardown(administrator: Administrator) -> None:
    gone = ("-e", "provision_state=absent", "-e", f"provision_confirm={NAME}", "-e", "ecr_repository_force=true")
    run = administrator.provision(*gone)
    assert run.status == 0
    assert (administrator.account(), administrator.hosts()) == (set(), [])
    wait_for([], containers)
    assert push() == 403


def test_what_a_teardown_left_of_the_key_is_called_back(administrator: Administrator) -> None:
    run = administrator.provision("--tags", "parameters")
    assert run.status == 0
    assert "12 to create, 1 to change, 0 to remove" in run.words
    assert f"alias/{NAME}" in administrator.account()
