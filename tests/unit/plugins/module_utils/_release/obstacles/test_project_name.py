"""A project's name in its compose file."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.project_name import check
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import (
    MISLEADS,
    SURPRISES,
    container,
    write,
)

MODEL = {"services": {"web": {}}}


def found(look, text, **fields):
    write(look.folder / "docker-compose.yml", text)
    return look.found(check, MODEL, compose_files=[str(look.folder / "docker-compose.yml")], **fields)


@pytest.mark.parametrize("line", ["name: store", 'name: "store"', "name:   'store'  # ours", '"name": store'])
def test_a_second_project_beside_the_one_that_is_there_is_refused(look, line):
    look.volume("store_db")
    ((kind, text),) = found(look, f"{line}\nservices: {{}}\n")
    assert kind is MISLEADS and "set compose_deploy_project to store" in text and "deployed as shop" in text


def test_containers_count_too(look):
    look.engine.projects["store"] = [container("web", project="store")]
    assert [kind for kind, _text in found(look, "name: store\n")] == [MISLEADS]


@pytest.mark.parametrize("there", ["nothing", "containers", "volumes", "deploys"])
def test_a_name_that_makes_nothing_new_is_only_told(look, there):
    fields = {}
    if there != "nothing":
        look.volume("store_db")
    if there == "containers":
        fields["containers"] = [container("web")]
    if there == "volumes":
        look.volume("shop_db")
    if there == "deploys":
        fields["is_project_of_ours"] = lambda name: name == "store"
    ((kind, text),) = found(look, "name: store\n", **fields)
    assert kind is SURPRISES and "name: is not used" in text


@pytest.mark.parametrize(
    "text", ["", "name: shop\n", "name: ${COMPOSE_PROJECT_NAME:-store}\n", "services:\n  web:\n    name: store\n"]
)
def test_no_name_the_same_or_one_that_is_filled_in(look, text):
    look.volume("store_db")
    assert found(look, text) == []


def test_the_last_file_counts(look):
    for number, name in enumerate(("store", "shop")):
        write(look.folder / f"{number}.yml", f"name: {name}\n")
    assert look.found(check, MODEL, compose_files=[f"{look.folder}/0.yml", f"{look.folder}/1.yml"]) == []
