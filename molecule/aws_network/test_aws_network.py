"""A network with nothing in it but its way out."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


def test_vpc(aws, tags):
    ec2 = aws("ec2")
    (vpc,) = (vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"])
    assert vpc["CidrBlock"] == "10.20.0.0/16"
    assert tags(vpc["Tags"]) == {"Name": "molecule", "App": "popcon", "ManagedBy": "popcon.deploy/molecule"}
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        answer = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
        assert answer[attribute[0].upper() + attribute[1:]]["Value"]


def test_only_the_public_side_has_a_way_out(aws, tags):
    ec2 = aws("ec2")
    (gateway,) = (found for found in ec2.describe_internet_gateways()["InternetGateways"] if found.get("Tags"))
    tables = {tags(table["Tags"]).get("Name"): table for table in ec2.describe_route_tables()["RouteTables"]}
    ways_out = {
        name: [route["GatewayId"] for route in table["Routes"] if route["DestinationCidrBlock"] == "0.0.0.0/0"]
        for name, table in tables.items()
        if name
    }
    assert ways_out == {"molecule-public": [gateway["InternetGatewayId"]], "molecule-private": []}
    assert gateway["Attachments"][0]["VpcId"] == tables["molecule-public"]["VpcId"]
