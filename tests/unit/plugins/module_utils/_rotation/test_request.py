"""Which secrets are asked for, what is refused, and what each secret becomes."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

pytest.importorskip("botocore", reason="no boto3")

from ansible_collections.popcon.deploy.plugins.filter.rotation_refusals import FilterModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.request import (
    Secret,
    find_secrets,
    keys_of,
)
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.table import STRATEGIES, Strategy
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Parameter

refusals = FilterModule().filters()["rotation_refusals"]
DECLARED = {
    "TOKEN": {"strategy": "plain"},
    "KEY": {"strategy": "command"},
    "DB": {"strategy": "mysql"},
    "CACHE": {"strategy": "redis"},
    "WRONG": {"strategy": ["mysql"]},
    "TEXT": "plain",
}


@pytest.mark.parametrize(
    ("rotate", "keys"),
    [
        (["A", "B"], ["A", "B"]),
        (("A", "B", "A"), ["A", "B"]),
        ("[A,B]", ["A", "B"]),
        ("A", ["A"]),
        ("A, B", ["A", "B"]),
        # What Ansible makes of the text where it wants a list.
        (["[A", "B]"], ["A", "B"]),
        ("[]", []),
        ("", []),
        ([], []),
        (None, []),
        (["A", 7], ["A", "7"]),
    ],
)
def test_keys_of(rotate: t.Any, keys: list[str]) -> None:
    assert keys_of(rotate) == keys


@pytest.mark.parametrize(
    ("rotate", "hosts", "words"),
    [
        ("[TOKEN]", 3, ""),
        ("[TOKEN,KEY]", 3, ""),
        (["DB", "CACHE"], 1, ""),
        (
            [],
            1,
            "Say which, for example -e 'rotate=[DB_PASSWORD]'. The inventory knows how to rotate: CACHE, DB, KEY, T",
        ),
        (
            ["TOKEN", "NOPE"],
            1,
            "Not declared as secrets that can be rotated: NOPE. The inventory knows how to rotate: CACHE,",
        ),
        (["TOKEN", "DB", "CACHE"], 2, "DB, CACHE would be changed in the service of one host, and there are 2."),
        (["DB"], 2, "secrets of these strategies can be rotated: command, plain."),
        (
            ["WRONG"],
            1,
            "The strategy of WRONG in secret_rotation_secrets must be one of command, mariadb, mysql, plain, redis.",
        ),
        (["TEXT"], 1, "The options of TEXT are no mapping"),
    ],
)
def test_refusals(rotate: t.Any, hosts: int, words: str) -> None:
    assert words in "".join(refusals(rotate, DECLARED, hosts))
    assert bool(words) == bool(refusals(rotate, DECLARED, hosts))


def test_all_refusals_are_said_at_once() -> None:
    assert len(refusals(["WRONG", "TEXT", "DB"], DECLARED, 2)) == 3


def test_an_inventory_without_secrets() -> None:
    (refusal,) = refusals("[A]", {}, 1)
    assert refusal.endswith("The inventory knows how to rotate: none, as it does not set secret_rotation_secrets.")


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_a_strategy_says_of_itself_decides_on_many_hosts(name: str) -> None:
    assert bool(refusals(["A"], {"A": {"strategy": name}}, 2)) is STRATEGIES[name].per_host
    assert refusals(["A"], {"A": {"strategy": name}}, 1) == []


def plain(declared: t.Any, keys: t.Sequence[str] = ("TOKEN",)) -> dict[str, Secret]:
    parameters = {key: Parameter(f"/popcon/{key}", "/popcon", 1, "old") for key in ("TOKEN", "OTHER")}
    return find_secrets(keys, declared, parameters, {}, lambda _service: None)


def test_values_are_random_and_of_the_alphabet() -> None:
    secret = Secret(Parameter("/popcon/TOKEN", "/popcon", 1, ""), t.cast(Strategy, None), 500, "abc-")
    values = {secret.generate() for _dummy in range(3)}
    assert len(values) == 3
    assert {frozenset(value) for value in values} == {frozenset("abc-")}
    assert {len(value) for value in values} == {500}


@pytest.mark.parametrize(
    ("declared", "keys", "words"),
    [
        ({}, [], "No secret is named to be rotated."),
        ({"TOKEN": {}}, ["B", "A"], r"can be rotated: B, A\. The inventory knows how to rotate: TOKEN\."),
        ({}, ["TOKEN"], r"knows how to rotate: none, as it does not set"),
        ({"NEW": {"strategy": "plain"}}, ["NEW"], r"No parameter makes NEW\."),
        ({"TOKEN": "plain"}, ["TOKEN"], "The options of TOKEN are no mapping"),
        ({"TOKEN": {"strategy": "nope"}}, ["TOKEN"], "The strategy of TOKEN .* must be one of command, "),
        ({"TOKEN": {"strategy": "plain", "length": "32"}}, ["TOKEN"], "length of TOKEN must be a number"),
        ({"TOKEN": {"strategy": "plain", "length": 15}}, ["TOKEN"], "too easy to guess"),
        ({"TOKEN": {"strategy": "plain", "alphabet": "aaaab"}}, ["TOKEN"], "too easy to guess"),
        ({"TOKEN": {"strategy": "plain", "alphabet": ""}}, ["TOKEN"], "too easy to guess"),
        ({"TOKEN": {"strategy": "plain", "alphabet": "abcdefghé"}}, ["TOKEN"], "printable ASCII"),
        ({"TOKEN": {"strategy": "plain", "alphabet": "abcdefgh\n"}}, ["TOKEN"], "printable ASCII"),
        ({"TOKEN": {"strategy": "plain", "alphabet": "abcdefgh{"}}, ["TOKEN"], "no opening brace"),
    ],
)
def test_what_can_not_be_rotated(declared: dict, keys: list[str], words: str) -> None:
    with pytest.raises(DeployError, match=words):
        plain(declared, keys)


def test_a_secrets_strategy_is_made_with_its_key_and_its_service() -> None:
    services = []
    parameters = {"DB": Parameter("/popcon/DB", "/popcon", 1, "old")}
    declared = {"DB": {"strategy": "command", "service": "db", "command": ["rotate"]}}
    find_secrets(["DB"], declared, parameters, {}, services.append)
    assert services == ["db"]
