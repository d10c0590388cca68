"""What hosts are reached through, without a host."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json


def test_the_bucket_is_closed_and_forgets(aws, tags):
    s3 = aws("s3")
    bucket = {"Bucket": "molecule-transfer"}
    assert set(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (rule,) = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert (rule["ID"], rule["Status"], rule["Expiration"]["Days"]) == ("expire-transfers", "Enabled", 1)
    (statement,) = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": ["false"]}})
    # What it never had, modules leave in clear in no old version.
    assert "Status" not in s3.get_bucket_versioning(**bucket)
    assert tags(s3.get_bucket_tagging(**bucket)["TagSet"]) == {"App": "popcon", "ManagedBy": "popcon.deploy/molecule"}


def test_sessions_have_a_document(aws):
    document = aws("ssm").get_document(Name="molecule-session")
    assert document["DocumentType"] == "Session"
    assert json.loads(document["Content"])["sessionType"] == "Standard_Stream"


def test_no_host_is_started(aws):
    assert aws("ec2").describe_instances()["Reservations"] == []
