"""A VPC, its gateway, subnets, route tables and security groups: as they are wanted, and as they were found."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource, own_tags, with_owner

EVERYWHERE = "0.0.0.0/0"

#: Kinds that keep a VPC from being removed.
KINDS = ("subnet", "route table", "security group", "internet gateway")

_GATEWAY = "the internet gateway"
_SSH = 22


def wanted(settings: Json, owner: str) -> list[Resource]:
    """What the network should be.

    :param settings: `name`, `tags`, `cidr`, `subnets` and `security_groups`, as the role takes them.
    :raises DeployError: they make no sense.
    """
    _check(settings)
    name, subnets = settings["name"], settings["subnets"]

    def tags(of: str) -> Json:
        return with_owner(settings["tags"], owner, of)

    vpc = {"cidrs": [settings["cidr"]], "dns_support": True, "dns_hostnames": True, "tags": tags(name)}
    made = [
        Resource("VPC", name, vpc),
        Resource("internet gateway", name, {"attached": True, "tags": tags(name)}),
    ]
    for subnet in subnets:
        full = f"{name}-{subnet['name']}"
        attributes = {"cidr": subnet["cidr"], "zone": subnet["zone"], "public": subnet["public"], "tags": tags(full)}
        made.append(Resource("subnet", full, attributes, fixed=("cidr", "zone")))
    for side, public in (("public", True), ("private", False)):
        members = sorted(f"{name}-{subnet['name']}" for subnet in subnets if subnet["public"] is public)
        routes = [f"{EVERYWHERE} via {_GATEWAY}"] if public else []
        full = f"{name}-{side}"
        made.append(Resource("route table", full, {"routes": routes, "subnets": members, "tags": tags(full)}))
    for group in settings["security_groups"]:
        full = group["name"]
        attributes = {
            "description": group["description"],
            "ingress": sorted(_rules(group["rules"])),
            "egress": [f"all to {EVERYWHERE}"],
            "tags": tags(full),
        }
        made.append(Resource("security group", full, attributes, fixed=("description",)))
    return made


def _rules(rules: list[Json]) -> t.Iterator[str]:
    for rule in rules:
        for port in rule["ports"]:
            what = f"{rule['proto']} {port}"
            yield from (f"{what} from {cidr}" for cidr in rule.get("cidr_ip") or [])
            yield from (f"{what} from group {group}" for group in rule.get("group_name") or [])


def _check(settings: Json) -> None:
    wrong: list[str] = []
    vpc = _network(settings["cidr"], "aws_network_cidr", wrong)
    taken: list[tuple[str, t.Any]] = []
    for subnet in settings["subnets"]:
        inner = _network(subnet["cidr"], f"the subnet {subnet['name']}", wrong)
        if vpc is None or inner is None:
            continue
        if not inner.subnet_of(vpc):
            wrong.append(f"The subnet {subnet['name']} ({inner}) is not within {vpc}.")
        wrong += [f"The subnets {subnet['name']} and {name} overlap." for name, other in taken if inner.overlaps(other)]
        taken.append((subnet["name"], inner))
    groups = [group["name"] for group in settings["security_groups"]]
    for names, what in ((groups, "security groups"), ([one["name"] for one in settings["subnets"]], "subnets")):
        wrong += [f"Two {what} have the name {name}." for name in sorted({n for n in names if names.count(n) > 1})]
    for group in settings["security_groups"]:
        for rule in group["rules"]:
            if rule["proto"] == "tcp" and any(_covers(port, _SSH) for port in rule["ports"]):
                wrong.append(
                    f"The security group {group['name']} opens port {_SSH}. Hosts are reached through Session Manager, "
                    "which needs no open port: remove it."
                )
            for cidr in rule.get("cidr_ip") or []:
                _network(cidr, f"the security group {group['name']}", wrong)
            unknown = sorted(set(rule.get("group_name") or []) - set(groups))
            wrong += [
                f"The security group {group['name']} lets in {one}, which isn't a group of the list." for one in unknown
            ]
    if wrong:
        raise DeployError(" ".join(wrong))


def _covers(ports: int | str, port: int) -> bool:
    """Whether it is the port, or within a range such as 20-25."""
    first, _dash, last = str(ports).partition("-")
    return int(first) <= port <= int(last or first)


def _network(cidr: str, of: str, wrong: list[str]) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(cidr)
    except ValueError:
        wrong.append(f"{cidr} (of {of}) is not an IPv4 network such as 10.20.0.0/16.")
        return None


def found(raw: Json, settings: Json, owner: str) -> list[Resource]:
    """What is there.

    :param raw: `vpcs`, `subnets`, `gateways`, `route_tables` and `security_groups`, as the info modules of amazon.aws
        return them; all but the VPCs may be more than this VPC's.
    """
    name = settings["name"]
    # Another VPC that has our name is a conflict for who makes one, and nothing to who removes ours.
    named = [] if settings["removing"] else [vpc for vpc in raw["vpcs"] if vpc["tags"].get("Name") == name]
    vpcs = named + [vpc for vpc in raw["vpcs"] if _owner(vpc) == owner and vpc not in named]
    vpcs.sort(key=lambda vpc: _owner(vpc) != owner)
    gateways = [gateway for gateway in raw["gateways"] if _owner(gateway) == owner]
    if not vpcs:
        return [_gateway(gateway, name, "") for gateway in gateways]
    vpc = vpcs[0]
    vpc_id = vpc["vpc_id"]
    cidrs = [one["cidr_block"] for one in vpc["cidr_block_association_set"] if _associated(one)]
    made = [
        Resource(
            "VPC",
            name,
            {
                "cidrs": sorted(cidrs, key=lambda cidr: cidr != vpc["cidr_block"]),
                "dns_support": vpc["enable_dns_support"],
                "dns_hostnames": vpc["enable_dns_hostnames"],
                "tags": own_tags(vpc["tags"]),
            },
            vpc_id,
        )
    ]
    made += [_gateway(one, name, vpc_id) for one in _attached(raw["gateways"], vpc_id) or gateways]
    subnets = {one["subnet_id"]: _subnet(one, settings) for one in raw["subnets"] if one["vpc_id"] == vpc_id}
    made += subnets.values()
    names = {key: subnet.name for key, subnet in subnets.items()}
    ours = {gateway["internet_gateway_id"] for gateway in _attached(raw["gateways"], vpc_id)}
    tables = [one for one in raw["route_tables"] if one["vpc_id"] == vpc_id and not _main(one)]
    made += [_table(one, names, ours, settings) for one in tables]
    groups = [one for one in raw["security_groups"] if one["vpc_id"] == vpc_id]
    titles = {one["group_id"]: one["group_name"] for one in groups}
    made += [_group(one, titles) for one in groups if one["group_name"] != "default"]
    return made


def _owner(one: Json) -> str | None:
    return Resource("", "", {"tags": one.get("tags")}).owner


def _associated(association: Json) -> bool:
    return association["cidr_block_state"]["state"] in ("associated", "associating")


def _attached(gateways: list[Json], vpc_id: str) -> list[Json]:
    return [one for one in gateways if vpc_id in [attachment["vpc_id"] for attachment in one["attachments"]]]


def _gateway(one: Json, name: str, vpc_id: str) -> Resource:
    attached = vpc_id in [attachment["vpc_id"] for attachment in one["attachments"]]
    attributes = {"attached": attached, "tags": own_tags(one["tags"])}
    return Resource("internet gateway", name, attributes, one["internet_gateway_id"])


def _subnet(one: Json, settings: Json) -> Resource:
    # A subnet is what has its addresses, whatever somebody called it.
    known = {subnet["cidr"]: f"{settings['name']}-{subnet['name']}" for subnet in settings["subnets"]}
    attributes = {
        "cidr": one["cidr_block"],
        "zone": one["availability_zone"],
        "public": one["map_public_ip_on_launch"],
        "tags": own_tags(one["tags"]),
    }
    name = known.get(one["cidr_block"]) or one["tags"].get("Name") or one["subnet_id"]
    return Resource("subnet", name, attributes, one["subnet_id"])


def _main(table: Json) -> bool:
    return any(association.get("main") for association in table["associations"])


def _table(one: Json, subnets: dict[str, str], gateways: set[str], settings: Json) -> Resource:
    ids = [association.get("subnet_id") for association in one["associations"]]
    members = sorted(subnets.get(member, member) for member in ids if member)
    attributes = {
        "routes": sorted(_route(route, gateways) for route in one["routes"] if route.get("gateway_id") != "local"),
        "subnets": members,
        "tags": own_tags(one["tags"]),
    }
    name = _table_name(one["tags"].get("Name"), members, settings) or one["route_table_id"]
    return Resource("route table", name, attributes, one["route_table_id"])


def _table_name(tag: str | None, members: list[str], settings: Json) -> str | None:
    """What we call it; one that somebody called otherwise is known by its subnets."""
    sides = {public: f"{settings['name']}-{'public' if public else 'private'}" for public in (True, False)}
    if tag in sides.values():
        return tag
    inside = {one["public"] for one in settings["subnets"] if f"{settings['name']}-{one['name']}" in members}
    return sides[inside.pop()] if len(inside) == 1 else tag


def _route(route: Json, gateways: set[str]) -> str:
    targets = [value for key, value in route.items() if value and key.endswith("_id") and key not in _NO_TARGET]
    to = route.get("destination_cidr_block") or route.get("destination_ipv6_cidr_block")
    target = _GATEWAY if gateways & set(targets) else ", ".join(map(str, targets)) or "nothing"
    state = "" if route.get("state", "active") == "active" else f" ({route['state']})"
    return f"{to or route.get('destination_prefix_list_id')} via {target}{state}"


_NO_TARGET = ("destination_prefix_list_id", "instance_owner_id")


def _group(one: Json, titles: dict[str, str]) -> Resource:
    attributes = {
        "description": one["description"],
        "ingress": sorted(_permissions(one["ip_permissions"], "from", titles)),
        "egress": sorted(_permissions(one["ip_permissions_egress"], "to", titles)),
        "tags": own_tags(one["tags"]),
    }
    return Resource("security group", one["group_name"], attributes, one["group_id"])


def _permissions(permissions: list[Json], direction: str, titles: dict[str, str]) -> t.Iterator[str]:
    for one in permissions:
        what = _what(one)
        peers = [peer["cidr_ip"] for peer in one.get("ip_ranges") or []]
        peers += [peer["cidr_ipv6"] for peer in one.get("ipv6_ranges") or []]
        peers += [peer["prefix_list_id"] for peer in one.get("prefix_list_ids") or []]
        groups = [peer["group_id"] for peer in one.get("user_id_group_pairs") or []]
        peers += [f"group {titles.get(group, group)}" for group in groups]
        yield from (f"{what} {direction} {peer}" for peer in peers)


def _what(permission: Json) -> str:
    protocol = permission["ip_protocol"]
    if protocol == "-1":
        return "all"
    first, last = permission.get("from_port"), permission.get("to_port")
    if first is None or (first, last) == (0, 65535):
        return str(protocol)
    return f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"
