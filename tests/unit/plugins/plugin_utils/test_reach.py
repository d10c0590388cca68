"""What keeps an instance from being reached, in words."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import boto3
import pytest
import yaml
from ansible_collections.popcon.deploy.plugins.action import ssm_target_info as action
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.modules import ssm_target_info
from ansible_collections.popcon.deploy.plugins.plugin_utils import _reach
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
    problem = _reach.instance_problem(ID, ping, state)
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
        assert words in _reach.bucket_problem(s3, "transfer")


def test_bucket_that_can_be_used():
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {}, {"Bucket": "transfer"})
        assert _reach.bucket_problem(s3, "transfer") is None


def test_agents_and_states_over_several_pages():
    ssm, ec2 = client("ssm"), client("ec2")
    with Stubber(ssm) as stub:
        page = {"InstanceInformationList": [{"InstanceId": ID, "PingStatus": "Online"}]}
        stub.add_response(
            "describe_instance_information", {"InstanceInformationList": [], "NextToken": "2"}, {"Filters": ANY}
        )
        stub.add_response("describe_instance_information", page, {"Filters": ANY, "NextToken": "2"})
        assert _reach.agents(ssm, [ID]) == {ID: "Online"}
    with Stubber(ec2) as stub:
        stub.add_response(
            "describe_instances",
            {"Reservations": [{"Instances": [{"InstanceId": ID, "State": {"Name": "stopped"}}]}]},
            {"Filters": [{"Name": "instance-id", "Values": [ID]}]},
        )
        assert _reach.states(ec2, [ID]) == {ID: "stopped"}


def test_plugin_problem(tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_SESSION_MANAGER_PLUGIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_reach, "PLUGIN_PATH", str(tmp_path / "elsewhere"))
    assert "There is no session-manager-plugin at" in _reach.plugin_problem(None)
    program = tmp_path / "session-manager-plugin"
    program.write_text("#!/bin/sh\n")
    assert "There is no session-manager-plugin" in _reach.plugin_problem(str(program))
    program.chmod(0o755)
    assert _reach.plugin_problem(None) is None
    assert _reach.plugin_problem(str(program)) is None


def test_the_action_takes_the_options_that_are_documented():
    documented = yaml.safe_load(ssm_target_info.DOCUMENTATION)["options"]
    kinds = {
        name: {key: value for key, value in option.items() if key != "description"}
        for name, option in documented.items()
    }
    assert kinds == action.ARGUMENT_SPEC


def test_problems_that_boto3_itself_has_are_told(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(
        DeployError, match="Cannot look up the instances' agents in None: botocore raised NoRegionError"
    ):
        _reach.problems(boto3.session.Session(), [ID], "transfer", None)
