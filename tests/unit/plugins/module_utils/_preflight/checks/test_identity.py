"""Who a host is to AWS, and in which words it is told if AWS does not say."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import email.utils
import time

import boto3
import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import identity
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import REGION
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

ARN = "arn:aws:sts::123456789012:assumed-role/popcon/i-0123456789abcdef0"


def answered(seconds_ago):
    """The metadata of an answer by a clock that is so much behind."""
    return {"HTTPHeaders": {"date": email.utils.formatdate(time.time() - seconds_ago, usegmt=True)}}


def identified(prepare):
    """Who a host is to an STS that `prepare` has set up; and the configuration it was asked with."""
    sts = boto3.client("sts", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y")
    configs = []
    with Stubber(sts) as stub:
        prepare(sts, stub)
        found = identity.identify(lambda service, config: configs.append(config) or {"sts": sts}[service])
    (config,) = configs
    assert config.retries["total_max_attempts"] == 3
    assert config.connect_timeout == 5
    return found


def test_identity_and_clock():
    who = {"Arn": ARN, "Account": "123456789012", "UserId": "x", "ResponseMetadata": answered(120)}
    found = identified(lambda _sts, stub: stub.add_response("get_caller_identity", who, {}))
    assert found[:2] == (ARN, "123456789012")
    assert 119 <= found.ahead <= 130
    assert found[3:] == (None, False)


def test_a_refusal_tells_the_clock_too():
    def prepare(_sts, stub):
        stub.add_client_error("get_caller_identity", "SignatureDoesNotMatch", "canary", response_meta=answered(-900))

    found = identified(prepare)
    assert -901 <= found.ahead <= -890
    assert "the signature is wrong" in found.problem and "canary" not in found.problem
    assert (found.arn, found.unreachable) == (None, False)


@pytest.mark.parametrize(
    ("error", "words", "unreachable"),
    [
        (NoCredentialsError(), "attach an instance profile", False),
        (EndpointConnectionError(endpoint_url="https://canary"), "does not answer", True),
        (ConnectTimeoutError(endpoint_url="https://canary"), "does not answer", True),
    ],
)
def test_without_an_answer(monkeypatch, error, words, unreachable):
    def fail(*_args, **_kwargs):
        raise error

    found = identified(lambda sts, _stub: monkeypatch.setattr(sts, "get_caller_identity", fail))
    assert words in found.problem and "canary" not in found.problem
    assert found._replace(problem=None) == identity.Caller(unreachable=unreachable)
