"""The evaluation of policies."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.popcon.deploy.tests.unit.lab.local_account import allow, policy

from lab.account.policy import allows

PARAMETER = "arn:aws:ssm:ap-northeast-2:123456789012:parameter/popcon/A"
CONTEXT = {"aws:username": "deployer", "aws:requestedregion": "ap-northeast-2", "ssm:resourcetag/app": "popcon"}


def verdict(
    *statements: dict[str, Any], action: str = "ssm:GetParameter", resource: str = PARAMETER
) -> tuple[bool, bool]:
    return allows([policy(statement) for statement in statements], action, resource, CONTEXT)


def deny(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    "statement",
    [
        allow("*"),
        allow("ssm:*"),
        allow("SSM:getparameter"),
        allow("ssm:Get*"),
        allow("ssm:GetParamete?"),
        allow(["s3:*", "ssm:GetParameter"], [PARAMETER, "x"]),
        allow("ssm:GetParameter", "arn:aws:ssm:*:*:parameter/popcon/*"),
        {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::*"},
        allow("*", Condition={"StringEquals": {"AWS:RequestedRegion": ["us-east-1", "ap-northeast-2"]}}),
        allow("*", Condition={"StringLike": {"ssm:resourceTag/App": "pop*"}}),
        allow("*", Condition={"StringNotEquals": {"aws:username": "admin"}}),
    ],
)
def test_allowed(statement: dict[str, Any]) -> None:
    assert verdict(statement) == (True, False)


@pytest.mark.parametrize(
    "statement",
    [
        allow("ssm:GetParameters"),
        allow("ssm:GetParameter", "arn:aws:ssm:*:*:parameter/popcon"),
        allow("ssm:GetParameter", PARAMETER.lower()),
        allow("ssm:GetParameter", "arn.aws.ssm.*"),
        {"Effect": "Allow", "NotAction": "ssm:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "NotResource": PARAMETER},
        allow("*", Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}}),
        allow("*", Condition={"StringEquals": {"aws:PrincipalTag/x": "y"}}),
        allow("*", Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "1"}}),
        allow("*", "arn:aws:ssm:*:*:parameter/${aws:unknown}*"),
    ],
)
def test_not_allowed(statement: dict[str, Any]) -> None:
    assert verdict(statement) == (False, False)


def test_nothing_is_allowed_by_default() -> None:
    assert allows([], "ssm:GetParameter", PARAMETER, {}) == (False, False)


def test_a_deny_wins_wherever_it_stands() -> None:
    for statements in ((allow("*"), deny("ssm:*")), (deny("ssm:*"), allow("*"))):
        assert verdict(*statements) == (False, True)
    assert verdict(allow("*"), deny("ssm:*", "arn:aws:ssm:*:*:parameter/other/*")) == (True, False)
    assert verdict(allow("*"), deny("*", Condition={"StringEquals": {"aws:username": "admin"}})) == (True, False)


def test_a_deny_that_is_not_understood_applies() -> None:
    assert verdict(allow("*"), deny("*", Condition={"DateLessThan": {"aws:CurrentTime": "2020"}})) == (False, True)


@pytest.mark.parametrize(("secure", "expected"), [("true", (True, False)), ("false", (False, True))])
def test_a_deny_without_tls(secure: str, expected: tuple[bool, bool]) -> None:
    document = policy(allow("*"), deny("*", Condition={"Bool": {"aws:SecureTransport": ["false"]}}))
    assert allows([document], "s3:GetObject", "arn:aws:s3:::b/k", {"aws:securetransport": secure}) == expected


def test_variables() -> None:
    session = "arn:aws:ssm:ap-northeast-2:123456789012:session/"
    own = allow("ssm:TerminateSession", "arn:aws:ssm:*:*:session/${aws:username}-*")
    assert verdict(own, action="ssm:TerminateSession", resource=f"{session}deployer-0") == (True, False)
    assert verdict(own, action="ssm:TerminateSession", resource=f"{session}other-0") == (False, False)
