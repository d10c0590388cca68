"""A network that was taken over, with subnets and security groups."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

OWN_TAGS = {"Team": "web", "ManagedBy": "popcon.deploy/shop"}


def test_the_one_that_was_there_is_taken_over(aws, tags):
    ec2 = aws("ec2")
    (vpc,) = (vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"])
    assert tags(vpc["Tags"]) == {"Name": "shop", **OWN_TAGS}
    answer = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
    assert answer["EnableDnsHostnames"]["Value"]


def test_subnets_are_on_their_side(aws, tags):
    ec2 = aws("ec2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "tag:Team", "Values": ["web"]}])["Subnets"]
    found = {
        tags(subnet["Tags"])["Name"]: (subnet["CidrBlock"], subnet["AvailabilityZone"], subnet["MapPublicIpOnLaunch"])
        for subnet in subnets
    }
    assert found == {
        "shop-public-a": ("10.30.0.0/24", "ap-northeast-2a", True),
        "shop-private-c": ("10.30.128.0/24", "ap-northeast-2c", False),
    }
    ids = {subnet["SubnetId"]: tags(subnet["Tags"])["Name"] for subnet in subnets}
    tables = ec2.describe_route_tables(Filters=[{"Name": "tag:Team", "Values": ["web"]}])["RouteTables"]
    sides = {
        tags(table["Tags"])["Name"]: [ids[link["SubnetId"]] for link in table["Associations"] if "SubnetId" in link]
        for table in tables
    }
    assert sides == {"shop-public": ["shop-public-a"], "shop-private": ["shop-private-c"]}


def test_groups_let_in_what_they_say(aws):
    groups = aws("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["shop-*"]}])[
        "SecurityGroups"
    ]
    let_in = {
        group["GroupName"]: sorted(
            (rule["FromPort"], rule["ToPort"], rule["IpRanges"][0]["CidrIp"]) for rule in group["IpPermissions"]
        )
        for group in groups
    }
    assert let_in == {
        "shop-app": [(3000, 3000, "0.0.0.0/0"), (8080, 8080, "0.0.0.0/0")],
        "shop-inside": [],
    }
