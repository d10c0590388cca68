"""The roles that there always are: the hosts', and the one that rotates."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


def test_only_these_roles_are_made(aws):
    roles = {role["RoleName"]: role for role in aws("iam").list_roles()["Roles"]}
    assert set(roles) == {"molecule-host", "molecule-rotation"}
    (statement,) = roles["molecule-host"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": ["ec2.amazonaws.com"]}
    assert aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_hosts_read_what_is_theirs_and_no_more(aws):
    policy = aws("iam").get_role_policy(RoleName="molecule-host", PolicyName="host")["PolicyDocument"]
    granted = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert {"ssm:GetParametersByPath", "ecr:GetAuthorizationToken"} <= granted
    assert not [action for action in granted if action == "*" or action.startswith(("iam:", "ssm:Put", "ecr:Put"))]
    (parameters,) = (
        statement["Resource"] for statement in policy["Statement"] if "ssm:GetParametersByPath" in statement["Action"]
    )
    assert all(arn.startswith("arn:aws:ssm:ap-northeast-2:123456789012:parameter/popcon") for arn in parameters)


def test_instances_get_the_role_by_its_profile(aws, tags):
    profile = aws("iam").get_instance_profile(InstanceProfileName="molecule-host")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["molecule-host"]
    assert tags(profile["Tags"]) == {"App": "popcon", "ManagedBy": "popcon.deploy/molecule"}
