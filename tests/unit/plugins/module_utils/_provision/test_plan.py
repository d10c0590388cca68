"""The comparison that all plans are made of."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.filter.table import table
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import (
    Resource,
    changing,
    own_tags,
    plan,
    result,
    with_owner,
)

OWNER = "popcon.deploy/x"


def one(name: str = "a", owner: str | None = OWNER, number: str = "id-1", **attributes: object) -> Resource:
    tags = {"ManagedBy": owner} if owner else {}
    return Resource("thing", name, {"tags": tags, **attributes}, number, fixed=("zone",))


def done(wanted: list[Resource], found: list[Resource], **more: object) -> list[tuple[str, str]]:
    return [(row["action"], row["name"]) for row in plan(wanted, found, OWNER, **{"adopt": False, **more})]


def test_what_is_as_wanted_is_not_named() -> None:
    assert done([one(size=1)], [one(size=1, more=2)]) == []


def test_what_is_missing_is_made_and_what_is_ours_and_not_wanted_goes() -> None:
    assert done([one("a")], [one("b")]) == [("create", "a"), ("delete", "b")]


def test_what_differs_is_changed_attribute_by_attribute() -> None:
    wanted = one(size=1, options={"x": 1, "y": 2})
    (row,) = plan([wanted], [one(size=2, options={"x": 1, "z": 3})], OWNER, False)
    assert row["id"] == "id-1"
    assert row["changes"] == [
        {"attribute": "size", "before": 2, "after": 1},
        {"attribute": "options.y", "before": None, "after": 2},
        {"attribute": "options.z", "before": 3, "after": None},
    ]


def test_what_cannot_be_changed_is_in_the_way() -> None:
    rows = plan([one(zone="a")], [one(zone="b")], OWNER, False)
    assert result(rows)["problems"] == [
        "The thing a can't be changed once it is made (zone): change the inventory back, or remove it by hand."
    ]
    assert changing(rows) == []


def test_what_somebody_else_made_is_not_touched() -> None:
    for owner in (None, "popcon.deploy/y"):
        assert done([one(size=1)], [one(size=2, owner=owner)]) == [("conflict", "a")]
        assert done([], [one(owner=owner)]) == [("report", "a")]
        assert done([], [one(owner=owner)], in_the_way={"thing"}) == [("conflict", "a")]
    assert done([one(size=1)], [one(size=2, owner=None)], adopt=True) == [("update", "a")]
    assert done([], [one("b", owner=None)], adopt=True) == [("report", "b")]


def test_of_two_with_one_name_ours_is_the_one() -> None:
    found = [one(owner=None, number="id-2"), one()]
    assert done([one()], found) == [("report", "a (id-2)")]
    assert done([one()], [one(), one(number="id-3")]) == [("delete", "a (id-3)")]


def test_tags_are_texts_and_those_of_aws_are_left_out() -> None:
    assert with_owner({"n": 1}, OWNER, "a") == {"n": "1", "Name": "a", "ManagedBy": OWNER}
    assert own_tags({"aws:x": "1", "b": "2"}) == {"b": "2"}


def test_the_difference_has_what_goes_and_what_comes() -> None:
    rows = plan([one("a", size=1), one("n", on=True)], [one("a", size=2), one("g")], OWNER, False)
    assert result(rows)["diff"] == {
        "before": "thing a\n  size: 2\nthing g\n",
        "after": f"thing a\n  size: 1\nthing n\n  tags.ManagedBy: {OWNER}\n  on: true\n",
    }


def test_the_table_says_it_to_people() -> None:
    wanted = [one("a", size=1, rules=["x", "y"]), one("n"), one("c")]
    found = [one("a", size=2, rules=["x", "z"]), one("g"), one("c", owner=None), one("o", owner=None)]
    assert table(plan(wanted, found, OWNER, False), "plan") == [
        "~ thing a",
        "    size: 2 → 1",
        "    rules: -z +y",
        "+ thing n",
        "! thing c: is there already (id-1), but has no tag ManagedBy: choose another name, or take it over with "
        "-e provision_adopt=true",
        "- thing g",
        "? thing o: the inventory doesn't know it, and has no tag ManagedBy: left alone",
        "1 to create, 1 to change, 1 to remove, 1 in the way; 1 not of this inventory, left alone",
    ]
    assert table([], "plan") == ["Nothing to do: everything is as the inventory has it"]
