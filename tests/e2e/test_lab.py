"""The lab is what it says it is: credentials of their own, tokens that expire, sessions that leave nothing behind.

Runs after test_deploy.py, on the host it left.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from lab import config

from .controller import ROOT

ASK_STS = """
import boto3, json
session = boto3.session.Session(region_name="ap-northeast-2")
print(json.dumps([session.client("sts").get_caller_identity()["Arn"], session.get_credentials().method]))
"""


def ad_hoc(controller, *arguments, **env):
    return subprocess.run(
        ["ansible", "app", "-i", "inventories/lab", *arguments],
        cwd=ROOT, env={**controller.env, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def test_a_host_has_its_own_identity_and_no_keys(controller):
    arn, method = json.loads(controller.on_host("python3", "-c", ASK_STS))
    assert f":assumed-role/{config.HOST_ROLE}/i-" in arn and method == "iam-role"
    assert controller.on_host("sh", "-c", "ls -A /root/.aws 2>/dev/null; env | grep ^AWS_", check=False) == ""


def test_the_controller_may_not_read_a_parameter(controller):
    script = 'import boto3; boto3.client("ssm").get_parameters_by_path(Path="/popcon", WithDecryption=True)'
    done = subprocess.run(
        [sys.executable, "-c", script], env=controller.env, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode != 0 and "AccessDeniedException" in done.stderr


def test_a_container_in_a_host_does_not_get_the_hosts_role(controller):
    script = "import urllib.request as u; u.urlopen(u.Request('http://169.254.169.254/latest/api/token', method='PUT', "
    script += "headers={'X-aws-ec2-metadata-token-ttl-seconds': '60'}), timeout=3)"
    assert controller.on_host("python3", "-c", script) == ""
    refused = subprocess.run(
        ["docker", "exec", controller.hosts()[0]["container"], "docker", "exec", "popcon-backend", "python3", "-c", script],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode != 0 and "timed out" in refused.stderr


@pytest.mark.thorough
def test_the_registry_refuses_a_token_that_has_expired(controller):
    image = f"{config.REGISTRY}/dev-app:backend-latest"
    pull = ["sh", "-c", f"docker pull {image} >/dev/null 2>&1 && echo pulled || echo refused"]
    assert controller.deploy().status == 0
    controller.on_host("rm", "-f", "/root/.docker/config.json", "/root/.docker/ecr-login.json")
    controller.settings(ecr_token_life_seconds=30)
    try:
        assert controller.deploy("--tags", "login").changed == 1
    finally:
        controller.settings(ecr_token_life_seconds=12 * 3600)
    assert controller.on_host(*pull).strip() == "pulled"
    time.sleep(31)
    assert controller.on_host(*pull).strip() == "refused"
    # A deploy with nothing to do leaves the login as it is.
    assert controller.deploy().changed == 0
    for changed in (1, 0):
        run = controller.deploy("--tags", "login")
        assert run.status == 0 and run.changed == changed
    assert controller.on_host(*pull).strip() == "pulled"


def test_sessions_end_and_leave_no_process(controller):
    assert (
        ad_hoc(
            controller, "-m", "ansible.builtin.shell", "-a", "nohup sleep 987 >/dev/null 2>&1 & echo started"
        ).returncode
        == 0
    )
    for _dummy in range(20):
        left = controller.on_host("sh", "-c", "ps -u ssm-user -o pid=,args=; pgrep -af 'sleep 98[7]'", check=False)
        if not left:
            break
        time.sleep(1)
    assert left == ""


def test_another_implementation_of_the_client_works_as_well(controller, tmp_path):
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{ROOT}/tests/unit/lab/pyssm_plugin.py' \"$@\"\n")
    plugin.chmod(0o755)
    done = ad_hoc(
        controller,
        "-m",
        "ansible.builtin.command",
        "-a",
        "printf 'größe\\n%s' second",
        AWS_SESSION_MANAGER_PLUGIN=str(plugin),
    )
    assert done.returncode == 0 and "größe\nsecond" in done.stdout
