"""The comparison that all plans are made of."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.filter.table import table
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import (
    Resource,
    changing,
    marked,
    own_tags,
    plan,
    result,
)

MARK = "popcon.deploy/x"


def one(name: str = "a", mark: str | None = MARK, number: str = "id-1", **attributes: object) -> Resource:
    tags = {"ManagedBy": mark} if mark else {}
    return Resource("thing", name, {"tags": tags, **attributes}, number, fixed=("zone",))


def done(wanted: list[Resource], found: list[Resource], **more: object) -> list[tuple[str, str]]:
    return [(row["action"], row["name"]) for row in plan(wanted, found, MARK, **{"adopt": False, **more})]


def test_what_is_as_wanted_is_not_named() -> None:
    assert done([one(size=1)], [one(size=1, more=2)]) == []


def test_what_is_missing_is_made_and_what_is_ours_and_not_wanted_goes() -> None:
    assert done([one("a")], [one("b")]) == [("create", "a"), ("delete", "b")]


def test_what_differs_is_changed_attribute_by_attribute() -> None:
    wanted = one(size=1, options={"x": 1, "y": 2})
    (row,) = plan([wanted], [one(size=2, options={"x": 1, "z": 3})], MARK, False)
    assert row["id"] == "id-1"
    assert row["changes"] == [
        {"attribute": "size", "before": 2, "after": 1},
        {"attribute": "options.y", "before": None, "after": 2},
        {"attribute": "options.z", "before": 3, "after": None},
    ]


def test_what_cannot_be_changed_is_in_the_way() -> None:
    rows = plan([one(zone="a")], [one(zone="b")], MARK, False)
    assert result(rows)["problems"] == [
        "The thing a can't be changed once it is made (zone): change the inventory back, or remove it by hand."
    ]
    assert changing(rows) == []


def test_what_somebody_else_made_is_not_touched() -> None:
    for mark in (None, "popcon.deploy/y"):
        assert done([one(size=1)], [one(size=2, mark=mark)]) == [("conflict", "a")]
        assert done([], [one(mark=mark)]) == [("report", "a")]
        assert done([], [one(mark=mark)], in_the_way={"thing"}) == [("conflict", "a")]
    assert done([one(size=1)], [one(size=2, mark=None)], adopt=True) == [("update", "a")]
    assert done([], [one("b", mark=None)], adopt=True) == [("report", "b")]


def test_of_two_with_one_name_ours_is_the_one() -> None:
    found = [one(mark=None, number="id-2"), one()]
    assert done([one()], found) == [("report", "a (id-2)")]
    assert done([one()], [one(), one(number="id-3")]) == [("delete", "a (id-3)")]


def test_tags_are_texts_and_those_of_aws_are_left_out() -> None:
    assert marked({"n": 1}, MARK, "a") == {"n": "1", "Name": "a", "ManagedBy": MARK}
    assert own_tags({"aws:x": "1", "b": "2"}) == {"b": "2"}


def test_the_difference_has_what_goes_and_what_comes() -> None:
    rows = plan([one("a", size=1), one("n", on=True)], [one("a", size=2), one("g")], MARK, False)
    assert result(rows)["diff"] == {
        "before": "thing a\n  size: 2\nthing g\n",
        "after": f"thing a\n  size: 1\nthing n\n  tags.ManagedBy: {MARK}\n  on: true\n",
    }


def test_the_table_says_it_to_people() -> None:
    wanted = [one("a", size=1, rules=["x", "y"]), one("n"), one("c")]
    found = [one("a", size=2, rules=["x", "z"]), one("g"), one("c", mark=None), one("o", mark=None)]
    assert table(plan(wanted, found, MARK, False), "plan") == [
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
