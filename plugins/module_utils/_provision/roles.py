"""IAM roles with their policies, and an instance profile: as they are wanted, and as they were found."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.iam_policy import statements
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource, own_tags, with_owner


def wanted(settings: Json, owner: str) -> list[Resource]:
    """What the roles should be.

    :param settings: `tags`, and `roles` with `name`, `trust`, `policies` by their names, `session_seconds`, the ARN of
        their permissions `boundary`, empty for none, and whether the role has an instance `profile` of its name.
    """
    tags = with_owner(settings["tags"], owner)
    made = []
    for role in settings["roles"]:
        attributes = {
            "trust": statements(role["trust"]),
            "policies": _named(role["policies"]),
            "managed policies": [],
            "permissions boundary": role["boundary"] or None,
            "session seconds": role["session_seconds"],
            "tags": tags,
        }
        made.append(Resource("role", role["name"], attributes))
        if role["profile"]:
            made.append(Resource("instance profile", role["name"], {"roles": [role["name"]], "tags": tags}))
    return made


def found(raw: Json, settings: Json, owner: str) -> list[Resource]:
    """What is there.

    :param raw: `roles` and `profiles` as the info modules of amazon.aws return them, and `policies`, the inline ones of
        each role by its name.
    """
    made = []
    for role in raw["roles"]:
        name = role["role_name"]
        attributes = {
            "trust": statements(role["assume_role_policy_document"]),
            "policies": _named({one["policy_name"]: one["policy_document"] for one in raw["policies"].get(name, [])}),
            "managed policies": sorted(one["policy_arn"] for one in role["managed_policies"]),
            "permissions boundary": role.get("permissions_boundary", {}).get("permissions_boundary_arn"),
            "session seconds": role["max_session_duration"],
            "tags": own_tags(role["tags"]),
        }
        made.append(Resource("role", name, attributes, role["arn"]))
    for profile in raw["profiles"]:
        roles = sorted(role["role_name"] for role in profile["roles"])
        attributes = {"roles": roles, "tags": own_tags(profile["tags"])}
        made.append(Resource("instance profile", profile["instance_profile_name"], attributes, profile["arn"]))
    return made


def _named(policies: dict[str, t.Any]) -> Json:
    return {
        f"{name} {sid}": statement
        for name, document in policies.items()
        for sid, statement in statements(document).items()
    }
