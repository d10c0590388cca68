"""Parameters below the usual path, and a key of their own for the secrets."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


def test_the_key_is_ours_and_rotates(aws):
    kms = aws("kms")
    key = kms.describe_key(KeyId="alias/molecule")["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
    assert tags == {"App": "popcon", "ManagedBy": "popcon.deploy/molecule"}


def test_parameters(aws, tags):
    ssm = aws("ssm")
    values = {
        parameter["Name"]: (parameter["Type"], parameter["Value"], parameter["Version"])
        for parameter in ssm.get_parameters_by_path(Path="/popcon", WithDecryption=True)["Parameters"]
    }
    # The second run wrote nothing.
    assert values == {
        "/popcon/DB_HOST": ("String", "popcon-mysql", 1),
        "/popcon/DB_PASSWORD": ("SecureString", "hunter2", 1),
    }
    keys = {parameter["Name"]: parameter.get("KeyId") for parameter in ssm.describe_parameters()["Parameters"]}
    assert keys["/popcon/DB_PASSWORD"] == "alias/molecule"
    for name in values:
        found = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        assert tags(found) == {"App": "popcon", "ManagedBy": "popcon.deploy/molecule"}
