"""The hosts, and the bucket they are reached through: as they are wanted, and as they were found."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.iam_policy import statements
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource, own_tags, with_owner

#: Tokens only, and none for a container: one more hop than the host itself is too far.
METADATA = {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1}

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def wanted(settings: Json, owner: str) -> list[Resource]:
    """What hosts and bucket should be.

    :param settings: `tags`; `bucket` with `name`, `policy` and `expire_days`; `instances` with `name` and `subnet`, and
        `type` where it is not the one for all; `type`, `security_groups` and `profile` of all, by name; `remove`, names
        of instances that may go.
    :raises DeployError: two instances have one name.
    """
    names = [one["name"] for one in settings["instances"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DeployError(f"Two instances have the name {twice[0]}.")
    bucket = settings["bucket"]
    attributes = {
        "public access": "blocked",
        "ownership": "BucketOwnerEnforced",
        "encryption": "AES256",
        "versioning": "off",
        "lifecycle": {"expire-transfers": _expiry(bucket["expire_days"])},
        "policy": statements(bucket["policy"]),
        "tags": with_owner(settings["tags"], owner),
    }
    made = [Resource("bucket", bucket["name"], attributes)]
    for one in settings["instances"]:
        attributes = {
            "type": one.get("type") or settings["type"],
            "subnet": one["subnet"],
            "security groups": sorted(settings["security_groups"]),
            "profile": settings["profile"],
            "state": "running",
            "metadata": METADATA,
            "tags": with_owner(settings["tags"], owner, one["name"]),
        }
        made.append(Resource("instance", one["name"], attributes, fixed=("subnet",)))
    return made


def _expiry(days: int) -> Json:
    return {
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": days},
        # The bucket has no versions; if somebody switches them on, those are not kept either.
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }


def found(raw: Json, settings: Json, owner: str) -> list[Resource]:
    """What is there.

    :param raw: `buckets`, `instances` and `subnets` as the info modules of amazon.aws return them; the instances may be
        all that live.
    """
    subnets = {one["subnet_id"]: one["tags"].get("Name") for one in raw["subnets"]}
    names = [one["name"] for one in settings["instances"]]
    instances = [_instance(one, subnets) for one in raw["instances"]]
    ours = [one for one in instances if one.owner == owner or one.name in names]
    return [*map(_bucket, raw["buckets"]), *ours]


def protect(rows: list[Json], settings: Json) -> list[Json]:
    """The rows, but no instance is removed that nobody named: it may have lost its name tag, and it has data."""
    note = (
        "is not in app_hosts_instances: give it back its tag Name, take it into the inventory, or let it go, data and "
        'all, with -e \'{"app_hosts_remove": ["%s"]}\''
    )
    return [
        {**row, "action": "conflict", "note": note % row["name"]}
        if (row["kind"], row["action"]) == ("instance", "delete") and row["name"] not in settings["remove"]
        else row
        for row in rows
    ]


def _bucket(one: Json) -> Resource:
    access = _within(one.get("public_access_block"), "PublicAccessBlockConfiguration")
    ownership = _within(one.get("bucket_ownership_controls"), "OwnershipControls").get("Rules") or [{}]
    encryption = _within(one.get("bucket_encryption"), "ServerSideEncryptionConfiguration").get("Rules") or [{}]
    lifecycle = (one.get("bucket_lifecycle_configuration") or {}).get("Rules") or []
    return Resource(
        "bucket",
        one["name"],
        {
            "public access": "blocked" if all(access.get(block) for block in _BLOCKS) else "possible",
            "ownership": ownership[0].get("ObjectOwnership"),
            "encryption": encryption[0].get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"),
            "versioning": "on" if (one.get("bucket_versioning") or {}).get("Status") == "Enabled" else "off",
            "lifecycle": dict(map(_rule, lifecycle)),
            "policy": statements(_within(one.get("bucket_policy"), "Policy")),
            "tags": own_tags(one.get("bucket_tagging")),
        },
        one["name"],
    )


def _within(fact: t.Any, name: str) -> t.Any:
    """What a fact is about: releases of amazon.aws before 11 give it within another dict."""
    fact = fact or {}
    return fact.get(name, fact)


def _rule(one: Json) -> tuple[str, Json]:
    prefix = (one.get("Filter") or {}).get("Prefix") or one.get("Prefix") or ""
    others = {key: value for key, value in one.items() if key not in ("ID", "Prefix")}
    return one.get("ID") or "without an id", {**others, "Filter": {**(one.get("Filter") or {}), "Prefix": prefix}}


def _instance(one: Json, subnets: dict[str, str]) -> Resource:
    tags = own_tags(one.get("tags"))
    profile = (one.get("iam_instance_profile") or {}).get("arn") or ""
    metadata = one.get("metadata_options") or {}
    attributes = {
        "type": one["instance_type"],
        "subnet": subnets.get(one.get("subnet_id") or "", one.get("subnet_id")),
        "security groups": sorted(group["group_name"] for group in one["security_groups"]),
        "profile": profile.rpartition("/")[2] or None,
        "state": "running" if one["state"]["name"] == "pending" else one["state"]["name"],
        "metadata": {key: metadata.get(key) for key in METADATA},
        "tags": tags,
    }
    return Resource("instance", tags.get("Name") or one["instance_id"], attributes, one["instance_id"])
