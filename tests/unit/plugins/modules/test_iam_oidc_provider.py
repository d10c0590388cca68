"""Audiences of an OIDC provider, which moto can't change."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
from unittest import mock

import pytest

pytest.importorskip("boto3", reason="no boto3")

from ansible_collections.popcon.deploy.plugins.module_utils._provision import plan
from ansible_collections.popcon.deploy.plugins.modules.iam_oidc_provider import OidcProvider

ARN = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"


def provider(audiences: list[str], owner: str) -> tuple[OidcProvider, mock.Mock]:
    iam = mock.Mock()
    iam.list_open_id_connect_providers.return_value = {"OpenIDConnectProviderList": [{"Arn": ARN}]}
    tags = [{"Key": "ManagedBy", "Value": owner}]
    iam.get_open_id_connect_provider.return_value = {"ClientIDList": audiences, "Tags": tags}
    params = {
        "url": "https://token.actions.githubusercontent.com", "audience": "sts.amazonaws.com", "roles": [], "tags": {},
        "owner": "popcon.deploy", "state": "present",
    }  # fmt: skip
    module = types.SimpleNamespace(params=params, region="eu-west-3", client=lambda _service: iam)
    return OidcProvider(module), iam


def rows(one: OidcProvider) -> list[dict]:
    return plan.plan(one.wanted(), one.found(), "popcon.deploy", adopt=False)


def test_audiences_are_brought_to_what_is_wanted() -> None:
    one, iam = provider(["theirs"], "popcon.deploy")
    (row,) = rows(one)
    one.apply(row)
    iam.add_client_id_to_open_id_connect_provider.assert_called_once_with(
        OpenIDConnectProviderArn=ARN, ClientID="sts.amazonaws.com"
    )
    iam.remove_client_id_from_open_id_connect_provider.assert_called_once_with(
        OpenIDConnectProviderArn=ARN, ClientID="theirs"
    )


def test_somebody_elses_is_good_enough_if_it_knows_the_audience() -> None:
    assert rows(provider(["sts.amazonaws.com", "theirs"], "terraform")[0]) == []
    (row,) = rows(provider(["theirs"], "terraform")[0])
    assert row["action"] == "conflict"
