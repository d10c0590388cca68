"""A network as it is wanted, and as it is found in what AWS says of it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._provision import network, plan

OWNER = "popcon.deploy/net"
SETTINGS = {
    "name": "net",
    "tags": {},
    "cidr": "10.0.0.0/16",
    "subnets": [
        {"name": "public-a", "cidr": "10.0.0.0/24", "zone": "a", "public": True},
        {"name": "private-a", "cidr": "10.0.1.0/24", "zone": "a", "public": False},
    ],
    "security_groups": [
        {
            "name": "net-app",
            "description": "app",
            "rules": [{"proto": "tcp", "ports": [80, "90-91"], "cidr_ip": ["0.0.0.0/0"]}],
        },
        {
            "name": "net-db",
            "description": "db",
            "rules": [{"proto": "tcp", "ports": [3306], "group_name": ["net-app"]}],
        },
    ],
    "removing": False,
}


def tags(name: str) -> dict[str, str]:
    return {"Name": name, "ManagedBy": OWNER}


def table(number: int, name: str, subnet: str, **route: str) -> dict:
    routes = [{"destination_cidr_block": "10.0.0.0/16", "gateway_id": "local", "state": "active"}]
    routes += [{"destination_cidr_block": "0.0.0.0/0", "state": "active", **route}] if route else []
    associations = [{"main": False, "subnet_id": subnet}]
    return {
        "route_table_id": f"rtb-{number}",
        "vpc_id": "vpc-1",
        "tags": tags(name),
        "routes": routes,
        "associations": associations,
    }


def rule(port: int, last: int | None = None, **peers: list[dict]) -> dict:
    return {"ip_protocol": "tcp", "from_port": port, "to_port": last or port, **peers}


def group(number: int, name: str, description: str, *rules: dict) -> dict:
    out = {"ip_protocol": "-1", "ip_ranges": [{"cidr_ip": "0.0.0.0/0"}]}
    return {
        "group_id": f"sg-{number}", "group_name": name, "vpc_id": "vpc-1", "description": description, "tags": tags(name),
        "ip_permissions": list(rules), "ip_permissions_egress": [out],
    }  # fmt: skip


def subnet(number: int, name: str, cidr: str, public: bool) -> dict:
    return {
        "subnet_id": f"subnet-{number}", "vpc_id": "vpc-1", "cidr_block": cidr, "availability_zone": "a",
        "map_public_ip_on_launch": public, "tags": tags(name),
    }  # fmt: skip


EVERYBODY: dict[str, t.Any] = {"ip_ranges": [{"cidr_ip": "0.0.0.0/0"}]}
#: As the info modules of amazon.aws return it, less what nobody looks at.
THERE = {
    "vpcs": [{
        "vpc_id": "vpc-1", "cidr_block": "10.0.0.0/16", "enable_dns_support": True, "enable_dns_hostnames": True, "tags": tags("net"),
        "cidr_block_association_set": [{"cidr_block": "10.0.0.0/16", "cidr_block_state": {"state": "associated"}}],
    }],
    "gateways": [{"internet_gateway_id": "igw-1", "attachments": [{"vpc_id": "vpc-1"}], "tags": tags("net")}],
    "subnets": [subnet(1, "net-public-a", "10.0.0.0/24", True), subnet(2, "net-private-a", "10.0.1.0/24", False)],
    "route_tables": [
        table(1, "net-public", "subnet-1", gateway_id="igw-1"),
        table(2, "net-private", "subnet-2"),
        {"route_table_id": "rtb-0", "vpc_id": "vpc-1", "tags": {}, "routes": [], "associations": [{"main": True}]},
    ],
    "security_groups": [
        group(1, "net-app", "app", rule(80, **EVERYBODY), rule(90, 91, **EVERYBODY)),
        group(2, "net-db", "db", rule(3306, user_id_group_pairs=[{"group_id": "sg-1"}])),
        {**group(0, "default", "default"), "tags": {}},
    ],
}  # fmt: skip


def rows(there: dict, **more: t.Any) -> list[dict]:
    settings = {**SETTINGS, **more}
    wanted = [] if settings["removing"] else network.wanted(settings, OWNER)
    in_the_way = network.KINDS if settings["removing"] else ()
    return plan.plan(wanted, network.found(there, settings, OWNER), OWNER, False, in_the_way)


def test_what_is_as_wanted_needs_nothing() -> None:
    assert rows(THERE) == []


def test_on_an_empty_account_all_is_to_be_made() -> None:
    made = rows({key: [] for key in THERE})
    assert [(row["action"], row["kind"]) for row in made] == [
        ("create", "VPC"), ("create", "internet gateway"), ("create", "subnet"), ("create", "subnet"),
        ("create", "route table"), ("create", "route table"), ("create", "security group"), ("create", "security group"),
    ]  # fmt: skip


def changed(do: t.Callable[[dict], object]) -> list[tuple[str, str, list[str]]]:
    there = copy.deepcopy(THERE)
    do(there)
    return [(row["action"], row["name"], [one["attribute"] for one in row["changes"]]) for row in rows(there)]


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        (lambda a: a["gateways"][0].update(attachments=[]),
         [("update", "net", ["attached"]), ("update", "net-public", ["routes"])]),
        (lambda a: a["route_tables"][0]["routes"][1].update(state="blackhole"), [("update", "net-public", ["routes"])]),
        (lambda a: a["route_tables"][1]["routes"].append(
            {"destination_ipv6_cidr_block": "::/0", "gateway_id": "igw-1", "state": "active"}),
         [("update", "net-private", ["routes"])]),
        (lambda a: a["route_tables"][0]["tags"].update(Name="renamed"), [("update", "net-public", ["tags.Name"])]),
        (lambda a: a["subnets"][0]["tags"].update(Name="renamed"), [("update", "net-public-a", ["tags.Name"])]),
        (lambda a: a["subnets"][0].update(availability_zone="b"), [("conflict", "net-public-a", ["zone"])]),
        (lambda a: a["security_groups"][1]["ip_permissions"].append({"ip_protocol": "-1", "ipv6_ranges": [{"cidr_ipv6": "::/0"}]}),
         [("update", "net-db", ["ingress"])]),
        (lambda a: a["security_groups"][1].update(ip_permissions_egress=[]), [("update", "net-db", ["egress"])]),
        (lambda a: a["subnets"].append(subnet(3, "net-old", "10.0.9.0/24", False)), [("delete", "net-old", [])]),
        (lambda a: a["subnets"].append({**subnet(3, "", "10.0.9.0/24", False), "tags": {}}), [("report", "subnet-3", [])]),
        (lambda a: a["subnets"].append({**subnet(3, "", "10.9.9.0/24", False), "vpc_id": "vpc-2"}), []),
        (lambda a: a["vpcs"].append({**a["vpcs"][0], "vpc_id": "vpc-2", "tags": {}}), []),
        (lambda a: a["vpcs"][0].update(tags={"Name": "net"}), [("conflict", "net", [])]),
    ],
)  # fmt: skip
def test_what_is_changed_is_seen(do: t.Callable[[dict], object], expected: list) -> None:
    assert changed(do) == expected


def test_when_all_goes_what_is_not_ours_is_in_the_way() -> None:
    there = copy.deepcopy(THERE)
    there["subnets"].append({**subnet(3, "", "10.0.9.0/24", False), "tags": {}})
    made = rows(there, removing=True)
    assert [row["name"] for row in made if row["action"] == "conflict"] == ["subnet-3"]
    assert sum(row["action"] == "delete" for row in made) == 8


def test_when_all_goes_a_vpc_of_our_name_that_is_not_ours_stays() -> None:
    there = copy.deepcopy(THERE)
    there["vpcs"][0]["tags"] = {"Name": "net"}
    there["gateways"] = []
    assert rows(there, removing=True) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"cidr": "10.0.0.1/16"}, "10.0.0.1/16 .of aws_network_cidr. is not an IPv4 network"),
        ({"cidr": "10.1.0.0/16"}, "The subnet public-a .10.0.0.0/24. is not within 10.1.0.0/16"),
        ({"subnets": [*SETTINGS["subnets"], {"name": "x", "cidr": "10.0.1.128/25", "zone": "a", "public": True}]},
         "The subnets x and private-a overlap"),
        ({"subnets": [*SETTINGS["subnets"], {"name": "public-a", "cidr": "10.0.2.0/24", "zone": "a", "public": True}]},
         "Two subnets have the name public-a"),
        *(({"security_groups": [{"name": "g", "description": "g", "rules": [{"proto": "tcp", "ports": [port]}]}]},
           "The security group g opens port 22. Hosts are reached through Session Manager") for port in (22, "22", "1-1024")),
        ({"security_groups": [{"name": "g", "description": "g", "rules": [{"proto": "tcp", "ports": [1], "group_name": ["h"]}]}]},
         "The security group g lets in h, which isn't a group of the list"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(more: dict, said: str) -> None:
    with pytest.raises(DeployError, match=said):
        network.wanted({**SETTINGS, **more}, OWNER)
