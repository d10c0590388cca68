"""What is proven of hosts, and when a rotation can't begin on one."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.popcon.deploy.plugins.filter import rotation_obstacles, rotation_proof, rotation_refusals
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.proof import versions_of

Json = dict[str, t.Any]
obstacles = rotation_obstacles.FilterModule().filters()["rotation_obstacles"]
prove = rotation_proof.FilterModule().filters()["rotation_proof"]

RELEASE = {
    "number": 7,
    "commit": "c1",
    "images": {"web": {"pinned": "w@1"}},
    "parameters": {"/app/A": 4, "/app/B": 2},
    "result": "succeeded",
}
ROTATED = [
    {"key": "A", "name": "/app/A", "old_version": 3, "new_version": 4},
    {"key": "B", "name": "/app/B", "old_version": 1, "new_version": 2},
]
LOST = {"unreachable": True, "msg": "Failed to connect."}


def info(drift: t.Sequence[str] = (), newest: Json | None = None, **release: t.Any) -> Json:
    """What is returned of a host with this last good release, and another newest one if so."""
    good = {**RELEASE, **release}
    return {"release": good, "newest": {**good, **(newest or {})}, "drift": list(drift)}


def test_every_host_has_the_new_values() -> None:
    proof = prove([info(), info(parameters={**RELEASE["parameters"], "/app/C": 9})], ROTATED)
    assert proof == {"versions": {"A": 4, "B": 2}, "problems": []}


@pytest.mark.parametrize(
    ("host", "problems"),
    [
        pytest.param(
            info(parameters={"/app/A": 3, "/app/B": 2}), ["/app/A is not at version 4 here."], id="old version"
        ),
        pytest.param(
            info(parameters={"/app/A": 5, "/app/B": 2}), ["/app/A is not at version 4 here."], id="later version"
        ),
        pytest.param(info(parameters={"/app/A": 4}), ["/app/B is not at version 2 here."], id="no such parameter"),
        pytest.param(info(["backend is missing"]), ["backend is missing"], id="drift"),
        pytest.param(
            info(["backend is missing"], {"result": "started"}),
            ["backend is missing"],
            id="drift of what was cut short",
        ),
        pytest.param(
            info(["x", "y"], parameters={"/app/B": 2}), ["/app/A is not at version 4 here.", "x", "y"], id="all reasons"
        ),
    ],
)
def test_a_host_that_does_not_have_them(host: Json, problems: list[str]) -> None:
    for hosts in ([host], [info(), host], [host, info()]):
        assert prove(hosts, ROTATED) == {"versions": {}, "problems": problems}


@pytest.mark.parametrize(
    ("host", "why"),
    [
        pytest.param(LOST, "Failed to connect.", id="lost"),
        pytest.param({"failed": True, "msg": "no"}, "no", id="failed"),
        pytest.param({}, "It is not known what runs here.", id="never asked"),
        pytest.param(
            {"release": None, "newest": None, "drift": []}, "It is not known what runs here.", id="nothing deployed"
        ),
    ],
)
def test_a_host_of_which_nothing_is_known(host: Json, why: str) -> None:
    missing = ["/app/A is not at version 4 here.", "/app/B is not at version 2 here."]
    assert prove([info(), host], ROTATED) == {"versions": {}, "problems": [*missing, why]}
    # Not even of nothing.
    assert prove([host], [])["problems"] == [why]


def test_what_is_still_to_be_made_is_not_proven() -> None:
    planned = [{"key": "C", "name": "/app/C", "new_version": None}, {"key": "A", "name": "/app/A", "new_version": None}]
    assert prove([info()], planned)["problems"] == [
        "/app/C is not at version None here.",
        "/app/A is not at version None here.",
    ]


@pytest.mark.parametrize("result", ["good", "failed", "started", "interrupted"])
def test_a_host_without_drift_is_no_obstacle(result: str) -> None:
    assert obstacles(info(newest={"result": result, "commit": "c2"})) == []


@pytest.mark.parametrize(
    ("newest", "cut_short"),
    [
        ({"result": "started"}, True),
        ({"result": "interrupted", "parameters": {"/app/A": 5}}, True),
        ({"result": "failed"}, False),
        ({"result": "succeeded"}, False),
        ({"result": "started", "commit": "c2"}, False),
        ({"result": "interrupted", "images": {"web": {"pinned": "w@2"}}}, False),
    ],
)
def test_drift_is_none_where_a_roll_out_of_settings_was_cut_short(newest: Json, cut_short: bool) -> None:
    found = obstacles(info(["web has other settings"], newest))
    assert found == ([] if cut_short else ["web has other settings", "Deploy first, so that what runs is known."])


@pytest.mark.parametrize("newest", [None, {**RELEASE, "result": "started"}])
def test_a_host_that_never_had_a_good_release(newest: Json | None) -> None:
    found = obstacles({"release": None, "newest": newest, "drift": ["nothing was deployed"]})
    assert found == ["nothing was deployed", "Deploy first, so that what runs is known."]


def test_versions_of() -> None:
    # As templates may give them.
    assert versions_of({"A": "4", "B": 2}) == {"A": 4, "B": 2}
    for value in ("x", None, [4]):
        with pytest.raises(DeployError, match="In proof, each value must be the version of a parameter"):
            versions_of({"A": value})


@pytest.mark.parametrize("plugin", [rotation_obstacles, rotation_proof, rotation_refusals])
def test_the_documentation_is_yaml(plugin: t.Any) -> None:
    assert yaml.safe_load(plugin.DOCUMENTATION)["name"] == plugin.__name__.rpartition(".")[2]
    assert yaml.safe_load(plugin.EXAMPLES)
    assert yaml.safe_load(plugin.RETURN)


def test_no_host_proves_nothing():
    proof = prove([], [{"key": "A", "name": "/p/A", "new_version": 2}])
    assert proof == {"versions": {}, "problems": ["There is no host."]}
