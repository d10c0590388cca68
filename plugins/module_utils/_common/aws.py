"""What AWS refuses, said in words an operator can act on and without quoting what AWS answered."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import re
import sys
import typing as t

from ansible.module_utils.common.warnings import warn
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError

try:
    import botocore.config
    import botocore.exceptions
except ImportError:
    HAS_BOTOCORE = False
else:
    HAS_BOTOCORE = True

try:
    import boto3  # noqa: F401  # pylint: disable=unused-import
except ImportError:
    HAS_BOTO3 = False
else:
    HAS_BOTO3 = HAS_BOTOCORE

_CLOCK = "Check the clock of this machine (timedatectl) and the credentials"
_PROFILE = (
    "On an EC2 instance: attach an instance profile, and let the instance metadata service answer; elsewhere: set a "
    "profile or keys"
)

# Codes as listed under "Common error types" and the errors of each action in the AWS API references.
_BY_CODE = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException"), "the credentials have expired. Get new ones, then run this again"
    ),
    "RequestExpired": f"the request was too old on arrival. {_CLOCK}",
    **dict.fromkeys(
        ("UnrecognizedClientException", "InvalidClientTokenId"),
        "the access key is not known to AWS. It may be deleted, mistyped, or of another partition or account",
    ),
    **dict.fromkeys(
        ("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"),
        f"the signature is wrong. {_CLOCK}",
    ),
    "InvalidKeyId": "the KMS key of a SecureString is disabled, deleted or not usable. Check its state and policy",
    "ParameterVersionNotFound": "a pinned version or label does not exist",
    "OptInRequired": "the account has not opted in to this region",
}
_THROTTLED = frozenset({
    "RequestLimitExceeded",
    "RequestThrottled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
})  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_DENIED_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]{1,32}:[A-Za-z]{1,64})\b")


def require_sdk() -> None:
    """:raises DeployError: boto3 is missing; the text names the package to install."""
    if not HAS_BOTO3:
        raise DeployError(
            f"boto3 is missing for {sys.executable} on this host. Install the package python3-boto3 "
            "(apt-get install python3-boto3, or dnf install python3-boto3), or boto3 by pip if that is not "
            "the system's Python."
        )


def retrying_config() -> botocore.config.Config:
    """Client settings that survive throttling: up to 10 tries, slowed down as the service asks (adaptive mode)."""
    return botocore.config.Config(
        retries={"mode": "adaptive", "total_max_attempts": 10}, connect_timeout=5, read_timeout=30
    )


def client_factory(module: t.Any) -> t.Callable[[str, str], t.Any]:
    """Makes boto3 clients, by service and region, with what an AnsibleAWSModule is told; it raises as `require_sdk` does."""

    def client(service: str, region: str) -> t.Any:
        require_sdk()
        return module.client(service, region=region, config=retrying_config())

    return client


def show_warnings(sentences: t.Iterable[str]) -> None:
    """Have them shown with the result of a module."""
    for sentence in sentences:
        # AnsibleAWSModule's own method passes them to exit_json too, of which newer ansible-core complains.
        warn(sentence)


@contextlib.contextmanager
def aws_errors_in_words(doing: str, action: str, region: str | None) -> t.Iterator[None]:
    """Turn what botocore raises inside the block into a DeployError.

    :param doing: what failed, as the object of `Cannot ...`, for example `read the parameters under /popcon`.
    :param action: the IAM action the call needs, for example `ssm:GetParametersByPath`.
    :param region: named in the text, since the wrong region is the commonest reason.
    """
    try:
        yield
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as exc:
        raise DeployError(f"Cannot {doing} in {region}: {_reason(exc, action)}.") from None


def _reason(exc: Exception, action: str) -> str:
    if isinstance(exc, botocore.exceptions.ClientError):
        return _service_reason(exc, action)
    known = botocore.exceptions
    if isinstance(exc, (known.NoCredentialsError, known.PartialCredentialsError)):
        return f"there are no AWS credentials. {_PROFILE}"
    if isinstance(exc, (known.CredentialRetrievalError, known.MetadataRetrievalError)):
        return f"the AWS credentials could not be fetched. {_PROFILE}"
    if isinstance(exc, known.SSLError):
        return (
            "the TLS certificate of the endpoint is not accepted. Check ca-certificates and the clock of this machine"
        )
    if isinstance(exc, (known.ConnectionError, known.HTTPClientError)):
        return (
            "the endpoint does not answer. Check the region's name, DNS, the way out (NAT or a VPC endpoint), its "
            "security group and the proxy"
        )
    return f"botocore raised {type(exc).__name__}"


def _service_reason(exc: botocore.exceptions.ClientError, action: str) -> str:
    error = exc.response.get("Error", {})
    code, message = str(error.get("Code", "Unknown")), str(error.get("Message", ""))
    if code in _DENIED:
        return _denial(message, action)
    if code in _THROTTLED:
        return (
            f"AWS still throttles ({code}) after all retries. Run this on fewer hosts at a time (serial), or raise the "
            "service's throughput setting"
        )
    reason = _BY_CODE.get(code)
    if reason:
        return f"{reason} ({code})"
    return f"AWS answered {code}"


def _denial(message: str, action: str) -> str:
    """Tell a denial of KMS, which comes through the calling service, from one of the service itself."""
    named = _DENIED_ACTION.search(message)
    # Older and cross-account denials of KMS name no action but "the ciphertext refers to a customer master key ...".
    if (named and named.group(1).startswith("kms:")) or (not named and "ciphertext" in message.lower()):
        return (
            "access denied by KMS. The role may read the parameters but not decrypt them: it needs kms:Decrypt on the "
            "key of the SecureStrings, and the key's policy must let it"
        )
    needed = named.group(1) if named else action
    return f"access denied. The role needs {needed}, and no policy, boundary or VPC endpoint may deny it"
