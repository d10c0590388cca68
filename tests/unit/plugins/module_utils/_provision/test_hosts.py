"""Hosts and their bucket as they are wanted, and as they are found in what AWS says of them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._provision import hosts, plan

OWNER = "popcon.deploy/x"
POLICY = {"Statement": [{"Sid": "A", "Effect": "Deny", "Action": ["s3:*"], "Resource": ["*"]}]}
SETTINGS: dict[str, t.Any] = {
    "tags": {}, "type": "t3.medium", "security_groups": ["app"], "profile": "x-host", "remove": [],
    "bucket": {"name": "x-transfer", "policy": POLICY, "expire_days": 1},
    "instances": [{"name": "x-1", "subnet": "x-public-a"}],
}  # fmt: skip
RULE = {
    "ID": "expire-transfers", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}  # fmt: skip
BLOCKED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
OWNED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
BUCKET = {
    "name": "x-transfer", "public_access_block": BLOCKED, "bucket_ownership_controls": OWNED, "bucket_encryption": ENCRYPTED,
    "bucket_versioning": {}, "bucket_lifecycle_configuration": {"Rules": [RULE]}, "bucket_policy": POLICY,
    "bucket_tagging": {"ManagedBy": OWNER},
}  # fmt: skip
#: The same, as releases of amazon.aws before 11 return it.
OLD_BUCKET = {
    **BUCKET,
    "public_access_block": {"PublicAccessBlockConfiguration": BLOCKED},
    "bucket_ownership_controls": {"OwnershipControls": OWNED},
    "bucket_encryption": {"ServerSideEncryptionConfiguration": ENCRYPTED},
    "bucket_policy": {"Policy": json.dumps(POLICY)},
}
INSTANCE = {
    "instance_id": "i-1", "instance_type": "t3.medium", "subnet_id": "subnet-1", "security_groups": [{"group_name": "app"}],
    "iam_instance_profile": {"arn": "arn:aws:iam::1:instance-profile/x-host"}, "state": {"name": "pending"},
    "metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1, "state": "applied"},
    "tags": {"Name": "x-1", "ManagedBy": OWNER},
}  # fmt: skip
SUBNETS = [{"subnet_id": "subnet-1", "tags": {"Name": "x-public-a"}}]


def rows(buckets: list[dict], instances: list[dict], **more: t.Any) -> list[dict]:
    settings = {**SETTINGS, **more}
    found = hosts.found({"buckets": buckets, "instances": instances, "subnets": SUBNETS}, settings, OWNER)
    return hosts.protect(plan.plan(hosts.wanted(settings, OWNER), found, OWNER, False), settings)


@pytest.mark.parametrize("bucket", [BUCKET, OLD_BUCKET])
def test_what_is_as_wanted_needs_nothing(bucket: dict) -> None:
    assert rows([bucket], [INSTANCE]) == []


def test_others_instances_are_not_looked_at() -> None:
    assert rows([BUCKET], [INSTANCE, {**INSTANCE, "instance_id": "i-2", "tags": {"Name": "theirs"}}]) == []


@pytest.mark.parametrize(
    ("change", "attributes"),
    [
        ({"public_access_block": {**BLOCKED, "BlockPublicAcls": False}}, ["public access"]),
        ({"public_access_block": {}}, ["public access"]),
        ({"bucket_ownership_controls": {}}, ["ownership"]),
        ({"bucket_encryption": {}}, ["encryption"]),
        ({"bucket_versioning": {"Status": "Enabled"}}, ["versioning"]),
        ({"bucket_versioning": {"Status": "Suspended"}}, []),
        ({"bucket_lifecycle_configuration": {}}, ["lifecycle.expire-transfers"]),
        (
            {"bucket_lifecycle_configuration": {"Rules": [{**RULE, "Status": "Disabled"}]}},
            ["lifecycle.expire-transfers.Status"],
        ),
        (
            {"bucket_lifecycle_configuration": {"Rules": [{**RULE, "Filter": {"Prefix": "i-"}}]}},
            ["lifecycle.expire-transfers.Filter.Prefix"],
        ),
        ({"bucket_lifecycle_configuration": {"Rules": [RULE, {**RULE, "ID": "b"}]}}, ["lifecycle.b"]),
        ({"bucket_policy": {}}, ["policy.A"]),
        ({"bucket_tagging": {"ManagedBy": OWNER, "x": "y"}}, ["tags.x"]),
    ],
)
def test_what_is_changed_of_a_bucket_is_seen(change: dict, attributes: list[str]) -> None:
    assert [
        one["attribute"] for row in rows([{**BUCKET, **change}], [INSTANCE]) for one in row["changes"]
    ] == attributes


@pytest.mark.parametrize(
    ("change", "action", "attributes"),
    [
        ({"instance_type": "t3.large"}, "update", ["type"]),
        ({"subnet_id": "subnet-2"}, "conflict", ["subnet"]),
        ({"security_groups": [{"group_name": "default"}]}, "update", ["security groups"]),
        ({"iam_instance_profile": None}, "update", ["profile"]),
        ({"state": {"name": "stopped"}}, "update", ["state"]),
        (
            {"metadata_options": {**INSTANCE["metadata_options"], "http_tokens": "optional"}},
            "update",
            ["metadata.http_tokens"],
        ),
    ],
)
def test_what_is_changed_of_an_instance_is_seen(change: dict, action: str, attributes: list[str]) -> None:
    (row,) = rows([BUCKET], [{**INSTANCE, **change}])
    assert (row["action"], [one["attribute"] for one in row["changes"]]) == (action, attributes)


def test_an_instance_goes_only_if_it_is_named() -> None:
    """Even when it only lost its name, which would make it one too many, and one too few."""
    renamed = copy.deepcopy(INSTANCE)
    renamed["tags"]["Name"] = "other"
    assert [(row["action"], row["name"]) for row in rows([BUCKET], [renamed])] == [
        ("create", "x-1"),
        ("conflict", "other"),
    ]
    (row,) = [row for row in rows([BUCKET], [renamed], remove=["other"]) if row["name"] == "other"]
    assert row["action"] == "delete"


def test_two_instances_cannot_have_one_name() -> None:
    with pytest.raises(DeployError, match="Two instances have the name x-1"):
        hosts.wanted({**SETTINGS, "instances": SETTINGS["instances"] * 2}, OWNER)
