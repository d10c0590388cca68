"""The IAM policies of the lab's principals: no more than a deployment needs, as a real account should have them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from .config import (
    ACCOUNT,
    APPS_PATH,
    BUCKET,
    ECR_REPOSITORY,
    GIT_TOKEN_PARAMETER,
    HOST_ROLE,
    INSTANCE_TAGS,
    PARAMETER_PATH,
    REGION,
    SESSION_DOCUMENT,
)

_SSM = f"arn:aws:ssm:{REGION}:{ACCOUNT}"
#: Who may take the host role: EC2, for its instances.
HOST_TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def _allow(sid: str, actions: list[str], resources: list[str], **conditions: Any) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": conditions} if conditions else statement


def host(key_arn: str) -> dict[str, Any]:
    """What an instance may do; the policy is the one that the role iam_access comes with, and what users' own apps need."""
    policy = _shipped("iam_access/files/host.json", key_arn)
    read = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    policy["Statement"] += [
        _allow("ReadParametersOfApps", read, [f"{_SSM}:parameter{APPS_PATH}/*"]),
        _allow("PullImagesOfApps", pull, [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*"]),
    ]
    return policy


#: Who may take the role that changes secrets: the hosts, for a rotation that runs there. Their own role can't.
ROTATION_TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{HOST_ROLE}"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def rotation(key_arn: str) -> dict[str, Any]:
    """What a rotation may do; the policy is the one that the role secret_rotation comes with."""
    return _shipped("secret_rotation/files/policy.json", key_arn)


def _shipped(policy: str, key_arn: str) -> dict[str, Any]:
    path = PARAMETER_PATH.strip("/")
    filled = Template((Path(__file__).parents[1] / "roles" / policy).read_text()).substitute(
        REGION=REGION, ACCOUNT=ACCOUNT, NAME=HOST_ROLE.removesuffix("-host"), KEY=key_arn,
        PATHS=PARAMETER_PATH, SINGLE_PARAMETERS=GIT_TOKEN_PARAMETER, REPOSITORIES=ECR_REPOSITORY,
        PATH=path, PENDING=f"{path}-rotation", BUCKET=BUCKET,
    )  # fmt: skip
    return dict(json.loads(filled))


def bucket() -> dict[str, Any]:
    """The transfer bucket's own policy, the one that the role app_hosts comes with."""
    return _shipped("app_hosts/files/bucket_policy.json", "")


def session_document() -> dict[str, Any]:
    """What sessions of a deployment are like, as the role app_hosts has it."""
    return _shipped("app_hosts/files/session_document.json", "")


def controller() -> dict[str, Any]:
    """What the deploying user may do: sessions on the lab's instances, transfers through the bucket; no parameter."""
    instances = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*"
    of_the_lab = {"aws:ResourceTag/Environment": INSTANCE_TAGS["Environment"]}
    return _policy(
        _allow("Sessions", ["ssm:StartSession"], [instances], StringEquals=of_the_lab),
        _allow("SessionDocument", ["ssm:StartSession"], [f"{_SSM}:document/{SESSION_DOCUMENT}"]),
        _allow("OwnSessions", ["ssm:TerminateSession", "ssm:ResumeSession"], [f"{_SSM}:session/${{aws:username}}-*"]),
        _allow("Transfers", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [f"arn:aws:s3:::{BUCKET}/i-*"]),
        _allow("Bucket", ["s3:ListBucket", "s3:GetBucketLocation"], [f"arn:aws:s3:::{BUCKET}"]),
        _allow("Inventory", ["ec2:DescribeInstances", "ssm:DescribeInstanceInformation"], ["*"]),
    )


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
