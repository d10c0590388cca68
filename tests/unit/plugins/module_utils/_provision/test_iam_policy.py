"""Policies that are filled in and compared."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._provision.iam_policy import fill, statements


def filled(statement: dict, **values: str | list[str]) -> list[dict]:
    return fill(json.dumps({"Statement": [statement]}), values)["Statement"]


def test_a_placeholder_for_several_values_makes_several_elements() -> None:
    assert filled({"Resource": ["a/${X}/${Y}", "b"]}, X=["1", "2"], Y=["3", "4"]) == [
        {"Resource": ["a/1/3", "a/1/4", "a/2/3", "a/2/4", "b"]}
    ]


def test_iams_own_variables_stay() -> None:
    assert filled({"Resource": ["session/${aws:userid}-*"]}) == [{"Resource": ["session/${aws:userid}-*"]}]


@pytest.mark.parametrize("statement", [{"Resource": ["${X}"]}, {"Condition": {"StringEquals": {"sub": ["${X}"]}}}])
def test_a_statement_about_nothing_is_left_out(statement: dict) -> None:
    assert filled(statement, X=[]) == []


def test_a_value_with_a_dollar_is_not_filled_in_again() -> None:
    assert filled({"Resource": ["${X}"]}, X=["${aws:userid}"]) == [{"Resource": ["${aws:userid}"]}]


def test_a_missing_value_is_named() -> None:
    with pytest.raises(DeployError, match="needs values for X, Y"):
        filled({"Resource": ["${Y}${X}${Z}"]}, Z="1")


def test_what_means_the_same_is_the_same() -> None:
    ours = {"Statement": [{"Sid": "A", "Effect": "Allow", "Action": ["b", "a"], "Resource": ["*"]}]}
    aws = json.dumps({"Statement": {"Sid": "A", "Effect": "Allow", "Resource": "*", "Action": ["a", "b"]}})
    assert statements(ours) == statements(aws)
    condition = {"Sid": "A", "Condition": {"Bool": {"x": False}}}
    assert statements({"Statement": [condition]}) == statements(
        {"Statement": [{"Sid": "A", "Condition": {"Bool": {"x": ["false"]}}}]}
    )


def test_no_policy_has_no_statements() -> None:
    assert statements(None) == statements({}) == statements("") == {}
