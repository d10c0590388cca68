# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="no boto3")

from ansible_collections.popcon.deploy.plugins.module_utils._common import aws
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from botocore import exceptions

# Texts as AWS gives them, with a canary where it puts what the caller sent.
SSM_DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/popcon-host/i-0123456789abcdef0 is not authorized to perform: "
    "ssm:GetParametersByPath on resource: arn:aws:ssm:ap-northeast-2:123456789012:parameter/popcon because no "
    "identity-based policy allows the ssm:GetParametersByPath action hunter2"
)
KMS_DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/popcon-host/i-0123456789abcdef0 is not authorized to perform: "
    "kms:Decrypt on the resource associated with this ciphertext because no identity-based policy allows the "
    "kms:Decrypt action hunter2"
)
KMS_DENIED_FORMERLY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access. hunter2"
)


def sentence(exc: Exception) -> str:
    wanted = ("read the parameters", "ssm:GetParameters", "ap-northeast-2")
    with pytest.raises(DeployError) as told, aws.aws_errors_in_words(*wanted):
        raise exc
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__
    return str(told.value)


def refusal(code: str, message: str = "hunter2") -> str:
    return sentence(exceptions.ClientError({"Error": {"Code": code, "Message": message}}, "GetParameters"))


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("AccessDeniedException", SSM_DENIED, "The role needs ssm:GetParametersByPath"),
        ("AccessDeniedException", "hunter2", "The role needs ssm:GetParameters,"),
        ("AccessDeniedException", KMS_DENIED, "needs kms:Decrypt on the key"),
        ("AccessDeniedException", KMS_DENIED_FORMERLY, "needs kms:Decrypt on the key"),
        ("ExpiredTokenException", "hunter2", "the credentials have expired"),
        ("RequestExpired", "hunter2", "Check the clock"),
        ("UnrecognizedClientException", "hunter2", "the access key is not known to AWS"),
        ("InvalidSignatureException", "hunter2", "the signature is wrong"),
        ("InvalidKeyId", "hunter2", "the KMS key of a SecureString"),
        ("ThrottlingException", "hunter2", "still throttles (ThrottlingException) after all retries"),
        ("ParameterVersionNotFound", "hunter2", "a pinned version or label does not exist"),
        ("InternalServerError", "hunter2", "AWS answered InternalServerError"),
    ],
)
def test_refusals_are_told_apart_without_quoting_aws(code: str, message: str, words: str) -> None:
    told = refusal(code, message)
    assert told.startswith("Cannot read the parameters in ap-northeast-2: ")
    assert words in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (exceptions.NoCredentialsError(), "attach an instance profile"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="hunter2"), "there are no AWS credentials"),
        (exceptions.CredentialRetrievalError(provider="sso", error_msg="hunter2"), "could not be fetched"),
        (exceptions.EndpointConnectionError(endpoint_url="https://hunter2"), "the endpoint does not answer"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://hunter2"), "the endpoint does not answer"),
        (exceptions.ProxyConnectionError(proxy_url="https://user:hunter2@proxy"), "the endpoint does not answer"),
        (exceptions.SSLError(endpoint_url="https://x", error="hunter2"), "TLS certificate"),
        (exceptions.PaginationError(message="hunter2"), "botocore raised PaginationError"),
    ],
)
def test_failures_to_ask_are_told_apart(exc: Exception, words: str) -> None:
    told = sentence(exc)
    assert words in told
    assert "hunter2" not in told


def test_other_exceptions_pass() -> None:
    with pytest.raises(KeyError), aws.aws_errors_in_words("x", "ssm:GetParameters", None):
        raise KeyError


def test_a_missing_boto3_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    aws.require_sdk()
    monkeypatch.setattr(aws, "HAS_BOTO3", False)
    with pytest.raises(DeployError, match="python3-boto3"):
        aws.require_sdk()
