"""What the host lacks of what a compose file takes as given."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.external import check
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import FAILS

MODEL = {
    "services": {
        "web": {
            "networks": {"proxy": None, "default": None},
            "volumes": [{"type": "volume", "source": "data", "target": "/d"}],
        }
    },
    "networks": {"default": {"name": "shop_default"}, "proxy": {"name": "edge", "external": True}},
    "volumes": {"data": {"name": "shop-data", "external": True}, "own": {"name": "shop_own"}},
}


def test_external_networks_and_volumes_that_are_not_there_are_named_by_their_names_on_the_host(look):
    network, volume = look.found(check, MODEL)
    assert network[0] is FAILS and "network edge" in network[1] and "docker network create edge" in network[1]
    assert volume[0] is FAILS and "volume shop-data" in volume[1] and "docker volume create shop-data" in volume[1]


def test_those_that_are_there_are_no_obstacle_and_others_are_not_asked_for(look):
    look.engine.networks["edge"] = {"Name": "edge"}
    look.volume("shop-data")
    assert look.found(check, MODEL) == []
    assert look.engine.asked == ["edge", "shop-data"]


@pytest.mark.parametrize(
    "change",
    [
        {"services": {"web": {"networks": {"default": None}}}},
        {"networks": {"proxy": {"name": "edge", "external": True, "driver": "overlay"}}},
    ],
)
def test_what_no_service_uses_or_only_a_swarm_knows_is_let_be(look, change):
    assert look.found(check, {**MODEL, "volumes": {}, **change}) == []


@pytest.mark.parametrize(
    "service",
    [
        {"network_mode": "container:vpn"},
        {"pid": "container:vpn"},
        {"ipc": "container:vpn"},
        {"volumes_from": ["container:vpn:ro"]},
    ],
)
def test_a_container_whose_parts_are_shared(look, service):
    ((kind, text),) = look.found(check, {"services": {"web": service}})
    assert kind is FAILS and "the container vpn" in text
    look.engine.held["vpn"] = {"Name": "/vpn"}
    assert look.found(check, {"services": {"web": service}}) == []


@pytest.mark.parametrize("service", [{"network_mode": "host"}, {"ipc": "shareable"}, {"volumes_from": ["db:ro"]}])
def test_other_modes_need_nothing(look, service):
    assert look.found(check, {"services": {"web": service}}) == []
