# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._registry import docker_config as dc
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import OTHER, OWN, basic

NEW = dc.Credentials("AWS", "new-secret")


@pytest.mark.parametrize("data", [None, b"", b" \n\t"])
def test_no_file_and_an_empty_file_hold_nothing(data):
    assert dc.parse(data, "/f") == {}


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b'{"auths": {}} trailing',
        b'{"auths": {}}{"auths": {}}',
        b"[]",
        b'"auths"',
        b"null",
        b'{"a": 1, "a": 2}',
        b'{"auths": {"r": {}, "r": {}}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a":' + b"[" * 200_000,
        b'{"auths": []}',
        b'{"auths": {"r": "x"}}',
        b'{"credHelpers": {"r": 1}}',
        b'{"credHelpers": "x"}',
        b'{"credsStore": {}}',
        b'{"auths": {}, "Auths": {}}',
    ],
)
def test_a_broken_file_is_an_error_that_names_it_and_quotes_nothing(data):
    with pytest.raises(DeployError, match=r"^/home/me/config\.json ?.*not overwritten") as caught:
        dc.parse(data.replace(b'"a"', b'"canary"'), "/home/me/config.json")
    assert "canary" not in str(caught.value)


def test_the_error_says_where():
    with pytest.raises(DeployError, match="line 2, column 3"):
        dc.parse(b'{"a": 1,\n  b}', "/f")


def test_keys_are_read_in_whatever_case_as_go_does():
    config = dc.parse(json.dumps({"credsstore": "pass", "Auths": {OWN: {"auth": basic("s")}}}).encode(), "/f")
    assert dc.helper_of(config, OWN) == "pass"
    assert dc.stored_in_file(config, OWN) == dc.Credentials("AWS", "s")


@pytest.mark.parametrize(
    "config", [{"auths": None, "credHelpers": None, "credsStore": None}, {"auths": {OWN: None}}, {}]
)
def test_null_is_nothing_as_go_has_it(config):
    config = dc.parse(json.dumps(config).encode(), "/f")
    assert dc.stored_in_file(config, OWN) is None
    assert dc.helper_of(config, OWN) is None
    assert dc.stored_in_file(dc.with_credentials(config, OWN, NEW), OWN) == NEW


def test_everything_else_keeps_its_meaning():
    others = {
        "auths": {
            "https://index.docker.io/v1/": {"auth": basic("hub", "me"), "email": "é"},
            OTHER: {"identitytoken": "t"},
        },
        "HttpHeaders": {"X-Meta": "<&>"},
        "psFormat": "table {{.ID}}\t\ud800 \u2028 한글",
        "credHelpers": {"gcr.io": "gcloud"},
        "proxies": {"default": {"httpProxy": "http://p:1"}},
        "unknownToDocker": [1, 1.5, 12345678901234567890, True, None, {}],
        "detachKeys": "ctrl-e,e",
    }
    before = dc.parse(json.dumps(others).encode(), "/f")
    after = dc.parse(dc.render(dc.with_credentials(before, OWN, NEW)), "/f")
    assert after.pop("auths") == {**others["auths"], OWN: {"auth": basic("new-secret")}}
    assert after == {key: value for key, value in others.items() if key != "auths"}


def test_functions_leave_their_argument_alone():
    config = {"auths": {OWN: {"auth": basic("old")}}, "credHelpers": {OWN: "ecr-login"}}
    copy = json.loads(json.dumps(config))
    dc.with_credentials(config, OWN, NEW)
    dc.without_ecr_helper(config, OWN)
    assert config == copy


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": basic("s")}, dc.Credentials("AWS", "s")),
        ({"auth": basic("s\0")}, dc.Credentials("AWS", "s")),
        ({"username": "AWS", "password": "s:t"}, dc.Credentials("AWS", "s:t")),
        ({"auth": "%%%"}, None),
        ({"auth": basic("", "AWS")}, None),
        ({"auth": "QVdT"}, None),
        ({"auth": 7}, None),
        ({"username": "AWS"}, None),
        ({}, None),
    ],
)
def test_what_an_entry_holds(entry, expected):
    assert dc.stored_in_file({"auths": {OWN: entry}}, OWN) == expected


@pytest.mark.parametrize("name", [f"https://{OWN}", f"https://{OWN}/v1/", f"http://{OWN}/v2/", f"{OWN}/x"])
def test_old_names_of_a_registry_are_read_and_replaced(name):
    config = {"auths": {name: {"auth": basic("old")}, f"x{OWN}": {}}}
    assert dc.stored_in_file(config, OWN) == dc.Credentials("AWS", "old")
    assert dc.with_credentials(config, OWN, NEW)["auths"] == {f"x{OWN}": {}, OWN: {"auth": basic("new-secret")}}


def test_the_exact_name_comes_before_old_ones():
    config = {"auths": {f"https://{OWN}": {"auth": basic("old")}, OWN: {"auth": basic("exact")}}}
    assert dc.stored_in_file(config, OWN) == dc.Credentials("AWS", "exact")


def test_a_login_replaces_every_kind_of_credential_and_keeps_the_rest_of_the_entry():
    entry = {"username": "u", "password": "p", "identitytoken": "i", "registrytoken": "r", "auth": "a", "email": "e"}
    after = dc.with_credentials({"auths": {OWN: entry}}, OWN, NEW)
    assert after["auths"][OWN] == {"email": "e", "auth": basic("new-secret")}
    assert dc.with_credentials({"auths": {OWN: entry}}, OWN, None)["auths"][OWN] == {"email": "e"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, None),
        ({"credsStore": ""}, None),
        ({"credsStore": "pass"}, "pass"),
        ({"credsStore": "pass", "credHelpers": {OWN: "ecr-login"}}, "ecr-login"),
        ({"credsStore": "pass", "credHelpers": {OWN: ""}}, None),
        ({"credHelpers": {OTHER: "ecr-login"}}, None),
    ],
)
def test_which_helper_docker_asks(config, expected):
    assert dc.helper_of(config, OWN) == expected


def test_a_token_takes_the_ecr_helper_away_and_no_other():
    assert "credHelpers" not in dc.with_credentials({"credHelpers": {OWN: "ecr-login"}}, OWN, NEW)
    assert dc.with_credentials({"credHelpers": {OWN: "pass"}}, OWN, None)["credHelpers"] == {OWN: "pass"}
    assert dc.without_ecr_helper({"credHelpers": {OWN: "pass"}}, OWN) == {"credHelpers": {OWN: "pass"}}


def test_it_is_indented_as_docker_does():
    assert dc.render({"auths": {"r": {}}}) == b'{\n\t"auths": {\n\t\t"r": {}\n\t}\n}\n'


def test_credentials_show_no_secret():
    assert "new-secret" not in f"{NEW} {NEW!r}"
    assert dc.Credentials.from_basic(NEW.basic) == NEW
