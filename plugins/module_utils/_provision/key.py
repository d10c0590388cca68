"""The KMS key of the secrets: as it is wanted, and as it was found."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource, own_tags, with_owner


def wanted(settings: Json, owner: str) -> list[Resource]:
    """What the key should be.

    :param settings: `alias` and `tags`.
    """
    attributes = {"state": "Enabled", "rotation": True, "tags": with_owner(settings["tags"], owner)}
    return [Resource("key", settings["alias"], attributes)]


def found(raw: Json, settings: Json, owner: str) -> list[Resource]:
    """What is there.

    :param raw: `keys`, those that the alias names, as amazon.aws.kms_key_info returns them.
    """
    made = []
    for key in raw["keys"]:
        attributes = {
            "state": key["key_state"],
            "rotation": key["enable_key_rotation"],
            "tags": own_tags(key["tags"]),
        }
        # A key that is to be deleted can still be called back; whoever removes everything is done with it.
        if settings["removing"] and key["key_state"] == "PendingDeletion":
            continue
        made.append(Resource("key", settings["alias"], attributes, key["key_arn"]))
    return made
