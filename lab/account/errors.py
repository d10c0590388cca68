"""Refusals in AWS's own words and each protocol's form: JSON (ssm, ecr, kms), query (sts, iam), ec2, s3."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes


@dataclass
class Fault(Exception):
    """A request that cannot be attributed to anybody. ``kind`` is a key of the tables below."""

    kind: str
    service: str = ""


@dataclass
class Denial(Exception):
    """A principal without the right. ``action`` as IAM writes it, ``resource`` an ARN or ``*``."""

    service: str
    principal: str
    action: str
    resource: str
    #: What denies it expressly, such as ``an identity-based policy``; empty if nothing does, and nothing allows it.
    denied_by: str = ""

    @property
    def message(self) -> str:
        """AWS's sentence, e.g. ``User: … is not authorized to perform: ssm:GetParameter on resource: … because …``."""
        # S3 quotes the resource, EC2 leaves it out.
        quote = '"' if self.service == "s3" else ""
        where = "" if self.service == "ec2" else f" on resource: {quote}{self.resource}{quote}"
        if self.denied_by:
            why = f"with an explicit deny in {self.denied_by}"
        else:
            why = f"because no identity-based policy allows the {self.action} action"
        return f"User: {self.principal} is not authorized to perform: {self.action}{where} {why}"


@dataclass
class Refusal(Exception):
    """An error of one of the actions the lab itself answers, all of the JSON protocol."""

    code: str
    message: str


_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
_EXPIRED = "The security token included in the request is expired"
_INVALID = "The security token included in the request is invalid."
_SKEWED = "Signature expired: the request's date is too far from the account's"
_NOT_VALIDATED = "AWS was not able to validate the provided access credentials"
_UNSIGNED = "Request is missing Authentication Token"
_INCOMPLETE = "Authorization header or query requires the credential scope, signed headers and a signature."

# kind -> (code, status, message), per family of services.
_JSON_FAULTS = {
    "unknown-key": ("UnrecognizedClientException", 400, _INVALID),
    "bad-signature": ("InvalidSignatureException", 400, _MISMATCH),
    "bad-digest": ("InvalidSignatureException", 400, _MISMATCH),
    "expired-token": ("ExpiredTokenException", 400, _EXPIRED),
    "skewed": ("InvalidSignatureException", 400, _SKEWED),
    "unsigned": ("MissingAuthenticationTokenException", 400, _UNSIGNED),
    "incomplete-signature": ("IncompleteSignatureException", 400, _INCOMPLETE),
}
_QUERY_FAULTS = {
    "unknown-key": ("InvalidClientTokenId", 403, _INVALID),
    "bad-signature": ("SignatureDoesNotMatch", 403, _MISMATCH),
    "bad-digest": ("SignatureDoesNotMatch", 403, _MISMATCH),
    "expired-token": ("ExpiredToken", 403, _EXPIRED),
    "skewed": ("SignatureDoesNotMatch", 403, _SKEWED),
    "unsigned": ("MissingAuthenticationToken", 403, _UNSIGNED),
    "incomplete-signature": ("IncompleteSignature", 400, _INCOMPLETE),
}
_EC2_FAULTS = _QUERY_FAULTS | {
    "unknown-key": ("AuthFailure", 401, _NOT_VALIDATED),
    "bad-signature": ("AuthFailure", 401, _NOT_VALIDATED),
    "bad-digest": ("AuthFailure", 401, _NOT_VALIDATED),
    "expired-token": ("RequestExpired", 400, "Request has expired."),
    "skewed": ("RequestExpired", 400, "Request has expired."),
}
_S3_FAULTS = {
    "unknown-key": ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    "bad-signature": (
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    ),
    "bad-digest": (
        "XAmzContentSHA256Mismatch",
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
    "expired-token": ("ExpiredToken", 400, "The provided token has expired."),
    "skewed": (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
    ),
    "url-expired": ("AccessDenied", 403, "Request has expired"),
    "unsigned": ("AccessDenied", 403, "Access Denied"),
    "incomplete-signature": ("AuthorizationQueryParametersError", 400, _INCOMPLETE),
    "unsupported-signature": (
        "InvalidRequest",
        400,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    ),
}


def reply(error: Fault | Denial | Refusal, *, json_protocol: bool, service: str) -> Reply:
    """The answer to a refused request. ``service`` is the best guess there is when the signature does not tell."""
    if isinstance(error, Refusal):
        return _json(error.code, error.message)
    service = error.service or service
    if isinstance(error, Denial):
        if json_protocol:
            return _json("AccessDeniedException", error.message)
        if service == "ec2":
            return _ec2(
                "UnauthorizedOperation", 403, f"You are not authorized to perform this operation. {error.message}"
            )
        return (_query if service in ("sts", "iam") else _s3)("AccessDenied", 403, error.message)
    if json_protocol:
        code, _dummy, message = _JSON_FAULTS[error.kind]
        return _json(code, message)
    if service == "ec2":
        return _ec2(*_EC2_FAULTS[error.kind])
    return _query(*_QUERY_FAULTS[error.kind]) if service in ("sts", "iam") else _s3(*_S3_FAULTS[error.kind])


def _json(code: str, message: str) -> Reply:
    return Reply(400, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode())


def _query(code: str, status: int, message: str) -> Reply:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return _xml(status, f"<ErrorResponse>{error}<RequestId>{uuid4()}</RequestId></ErrorResponse>")


def _ec2(code: str, status: int, message: str) -> Reply:
    error = f"<Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
    return _xml(status, f"<Response>{error}<RequestID>{uuid4()}</RequestID></Response>")


def _s3(code: str, status: int, message: str) -> Reply:
    error = f"<Code>{code}</Code><Message>{escape(message)}</Message><RequestId>{uuid4()}</RequestId>"
    return _xml(status, f"<Error>{error}</Error>")


def _xml(status: int, body: str) -> Reply:
    return Reply(status, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode())
