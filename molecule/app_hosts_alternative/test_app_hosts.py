"""Two hosts, and a bucket that was there."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

OWN_TAGS = {"Team": "web", "ManagedBy": "popcon.deploy/shop"}


@pytest.fixture
def instances(aws, tags):
    """By their names."""
    found = [one for many in aws("ec2").describe_instances()["Reservations"] for one in many["Instances"]]
    return {tags(instance["Tags"])["Name"]: instance for instance in found}


def test_hosts_run_as_they_should(aws, tags, instances):
    assert {name: instance["InstanceType"] for name, instance in instances.items()} == {
        "shop-1": "t3.small",
        "shop-2": "t3.large",
    }
    ec2 = aws("ec2")
    for name, instance in instances.items():
        assert instance["State"]["Name"] == "running"
        assert tags(instance["Tags"]) == {"Name": name, **OWN_TAGS}
        assert instance["IamInstanceProfile"]["Arn"].endswith("instance-profile/shop-host")
        assert [group["GroupName"] for group in instance["SecurityGroups"]] == ["shop-app"]
        (subnet,) = ec2.describe_subnets(SubnetIds=[instance["SubnetId"]])["Subnets"]
        assert tags(subnet["Tags"])["Name"] == "shop-public-a"
        # A container is one hop more.
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_their_disks_are_encrypted(aws, instances):
    for instance in instances.values():
        ids = [disk["Ebs"]["VolumeId"] for disk in instance["BlockDeviceMappings"] if disk["DeviceName"] == "/dev/xvda"]
        (volume,) = aws("ec2").describe_volumes(VolumeIds=ids)["Volumes"]
        assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (20, "gp3", True)


def test_the_bucket_that_was_there_is_as_it_should_be(aws, tags):
    s3 = aws("s3")
    bucket = {"Bucket": "shop-passing-through"}
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Suspended"
    (rule,) = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert (rule["Expiration"]["Days"], rule["NoncurrentVersionExpiration"]["NoncurrentDays"]) == (3, 3)
    assert tags(s3.get_bucket_tagging(**bucket)["TagSet"]) == OWN_TAGS
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["shop-passing-through"]


def test_the_document_has_the_name_it_was_given(aws):
    assert aws("ssm").get_document(Name="shop-shell")["DocumentType"] == "Session"
