# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps an instance from being reached, in words."""

from __future__ import annotations

import boto3
import pytest
from ansible_collections.popcon.deploy.plugins.modules import ssm_target_info
from botocore.stub import ANY, Stubber

ID = "i-0123456789abcdef0"


@pytest.mark.parametrize(
    ("ping", "state", "words"),
    [
        ("Online", None, None),
        (None, None, f"There is no instance {ID}"),
        (None, "stopped", f"{ID} is stopped: start it"),
        (None, "running", "Session Manager doesn't know it"),
        ("ConnectionLost", "running", "not connected (ConnectionLost)"),
        ("ConnectionLost", "stopping", "is stopping"),
    ],
)
def test_instance_problem(ping, state, words):
    problem = ssm_target_info.instance_problem(ID, ping, state)
    assert problem is None if words is None else words in problem


def client(service):
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "There is no bucket transfer"), (301, "in another region"), (403, "can't be used (HTTP 403)")],
)
def test_bucket_problem(status, words):
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", str(status), http_status_code=status)
        assert words in ssm_target_info.bucket_problem(s3, "transfer")


def test_bucket_that_can_be_used():
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {}, {"Bucket": "transfer"})
        assert ssm_target_info.bucket_problem(s3, "transfer") is None


def test_agents_and_states_over_several_pages():
    ssm, ec2 = client("ssm"), client("ec2")
    with Stubber(ssm) as stub:
        page = {"InstanceInformationList": [{"InstanceId": ID, "PingStatus": "Online"}]}
        stub.add_response(
            "describe_instance_information", {"InstanceInformationList": [], "NextToken": "2"}, {"Filters": ANY}
        )
        stub.add_response("describe_instance_information", page, {"Filters": ANY, "NextToken": "2"})
        assert ssm_target_info.agents(ssm, [ID]) == {ID: "Online"}
    with Stubber(ec2) as stub:
        stub.add_response(
            "describe_instances",
            {"Reservations": [{"Instances": [{"InstanceId": ID, "State": {"Name": "stopped"}}]}]},
            {"Filters": [{"Name": "instance-id", "Values": [ID]}]},
        )
        assert ssm_target_info.states(ec2, [ID]) == {ID: "stopped"}


def test_plugin_problem(tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_SESSION_MANAGER_PLUGIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(ssm_target_info, "PLUGIN_PATH", str(tmp_path / "elsewhere"))
    assert "There is no session-manager-plugin at" in ssm_target_info.plugin_problem(None)
    program = tmp_path / "session-manager-plugin"
    program.write_text("#!/bin/sh\n")
    assert "There is no session-manager-plugin" in ssm_target_info.plugin_problem(str(program))
    program.chmod(0o755)
    assert ssm_target_info.plugin_problem(None) is None
    assert ssm_target_info.plugin_problem(str(program)) is None
