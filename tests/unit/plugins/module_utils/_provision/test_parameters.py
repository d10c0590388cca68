"""What is to be done to a table of parameters."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._provision.parameters import Table, rows, table

OWNER, KEY = "popcon.deploy/x", "alias/x"
TAGS = {"ManagedBy": OWNER}


def wanted(**more: object) -> Table:
    given = {"plain": {"HOST": "a"}, "secrets": {"PASSWORD": "s3cret"}, "replace": [], **more}
    return table("/app", given["plain"], given["secrets"], KEY, given["replace"])


def there(name: str, kind: str = "SecureString", tags: dict | None = None, **more: str) -> dict:
    key = {"KeyId": KEY} if kind == "SecureString" else {}
    return {"Name": name, "Type": kind, "Tags": TAGS if tags is None else tags, **key, **more}


HOST = there("/app/HOST", "String", Value="a")


def done(found: list[dict], removing: bool = False, **more: object) -> list[tuple[str, str]]:
    made = rows(wanted(**more), found, {}, OWNER, False, removing)
    assert "s3cret" not in json.dumps(made)
    return [(row["action"], row["name"]) for row in made]


def test_what_is_missing_is_made() -> None:
    assert done([]) == [("create", "/app/HOST"), ("create", "/app/PASSWORD")]


def test_a_secret_that_is_there_is_nobodys_business() -> None:
    assert done([HOST, there("/app/PASSWORD")]) == []
    assert done([HOST, there("/app/PASSWORD")], secrets={"PASSWORD": ""}) == []


def test_a_secret_is_replaced_if_it_is_named() -> None:
    assert done([HOST, there("/app/PASSWORD")], replace=["PASSWORD"]) == [("update", "/app/PASSWORD")]
    assert done([HOST], replace=["/app/PASSWORD"]) == [("create", "/app/PASSWORD")]


def test_a_secret_without_a_value_can_be_neither_made_nor_replaced() -> None:
    assert done([HOST], secrets={"PASSWORD": ""}) == [("conflict", "/app/PASSWORD")]
    found = [HOST, there("/app/PASSWORD")]
    assert done(found, secrets={"PASSWORD": ""}, replace=["PASSWORD"]) == [("conflict", "/app/PASSWORD")]


def test_a_plain_value_is_brought_back() -> None:
    (row,) = rows(wanted(), [there("/app/HOST", "String", Value="b"), there("/app/PASSWORD")], {}, OWNER, False, False)
    assert row["changes"] == [{"attribute": "value", "before": "b", "after": "a"}]


@pytest.mark.parametrize(
    "found", [[there("/app/HOST"), there("/app/PASSWORD")], [HOST, there("/app/PASSWORD", "String", Value="x")]]
)
def test_a_type_cannot_be_changed(found: list[dict]) -> None:
    assert [action for action, _name in done(found)] == ["conflict"]


def test_a_secret_under_another_key_is_told_of() -> None:
    assert done([HOST, there("/app/PASSWORD", KeyId="alias/aws/ssm")]) == [("report", "/app/PASSWORD")]


def test_what_the_table_does_not_have_is_told_of_and_stays() -> None:
    found = [
        HOST,
        there("/app/PASSWORD"),
        there("/app/OLD"),
        there("/app/THEIRS", tags={}),
        there("/other/THEIRS", tags={}),
    ]
    assert done(found) == [("report", "/app/OLD"), ("report", "/app/THEIRS")]


def test_when_all_goes_only_ours_does() -> None:
    found = [HOST, there("/app/OLD"), there("/app/THEIRS", tags={})]
    assert done(found, removing=True) == [("delete", "/app/HOST"), ("delete", "/app/OLD"), ("report", "/app/THEIRS")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"plain": {"A B": "x"}}, "/app/A B is not a name"),
        ({"plain": {"PASSWORD": "x"}}, "/app/PASSWORD is both plain and secret"),
        ({"plain": {"PORT": 3306}}, "The value of /app/PORT is not a text: put it in quotes"),
        ({"secrets": {"PIN": 1234567}}, "The value of /app/PIN is not a text"),
        ({"plain": {"EMPTY": ""}}, "The parameter /app/EMPTY has no value"),
        ({"secrets": {"LONG": "s3cret" * 700}}, "The value of /app/LONG is longer than 4096 bytes"),
        ({"replace": ["HOST"]}, "/app/HOST is to be replaced, but is not a secret"),
    ],
)
def test_what_cannot_be_stored_is_named_without_its_value(more: dict, said: str) -> None:
    with pytest.raises(DeployError, match=said) as raised:
        wanted(**more)
    assert "s3cret" not in str(raised.value)
    assert "1234567" not in str(raised.value)


def test_names_with_a_slash_are_whole() -> None:
    assert set(wanted(secrets={"/deploy/TOKEN": "x"}).secrets) == {"/deploy/TOKEN"}
