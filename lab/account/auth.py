"""Who asks, and may they: Signature Version 4 verified by recomputation, then the bucket's and the principal's policies.

The recomputation is botocore's own signer over the request as received. Source of rules and words: *Signature Version 4
signing process*, *Common errors* of each service's API reference, and the texts AWS answers with.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from . import policy
from .backends import Backends, Instance, Key
from .errors import Denial, Fault
from .request import Call, Request

_HEADER = re.compile(r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$")
#: Seconds a request's date may be off.
_SKEW = 300.0
#: Seconds an instance's credentials live, and the rest of that at which new ones are minted.
_ROLE_LIFE = 3600.0
_ROLE_RENEWAL = 1800.0


@dataclass(frozen=True)
class Principal:
    """Who signed. ``admin`` is the seeding principal, which may do all."""

    arn: str
    admin: bool = False

    @property
    def name(self) -> str:
        """The user's name, or an assumed role's session name."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def user_id(self) -> str:
        """``aws:userid``: made of the ARN, as moto knows nothing of the keys of ``Keyring``."""
        digest = hashlib.sha256(self.arn.rsplit("/", 1)[0].encode()).hexdigest().upper()[:14]
        return f"AROALAB{digest}:{self.name}" if ":assumed-role/" in self.arn else f"AIDALAB{digest}"


@dataclass(frozen=True)
class Signed:
    """A request whose signature was good: the principal, and the scope of the signature."""

    principal: Principal
    service: str
    region: str


@dataclass(frozen=True)
class RoleCredentials:
    """Temporary credentials of an instance; ``issued`` in seconds since 1970."""

    access_key_id: str
    key: Key
    issued: float


class Keyring:
    """Every access key of the account: the seeding principal's, moto's users and assumed roles, and the instances'."""

    def __init__(self, backends: Backends, admin: tuple[str, str], now: Callable[[], float] = time.time) -> None:
        self._backends = backends
        self._admin_id, self._admin_secret = admin
        self._now = now
        self._roles: dict[str, RoleCredentials] = {}
        self._by_instance: dict[tuple[str, str], RoleCredentials] = {}
        self._lock = threading.Lock()

    def find(self, access_key_id: str) -> tuple[Key, Principal] | None:
        """The key of this id and its owner."""
        if access_key_id == self._admin_id:
            arn = f"arn:aws:iam::{self._backends.account_id}:user/popcon-lab-admin"
            return Key(self._admin_secret, arn), Principal(arn, admin=True)
        minted = self._roles.get(access_key_id)
        key = minted.key if minted else self._backends.key(access_key_id)
        return (key, Principal(key.arn)) if key else None

    def for_instance(self, instance: Instance, role: str) -> RoleCredentials:
        """The credentials its metadata service hands to an instance; the same ones until half of their life is over."""
        with self._lock:
            current = self._by_instance.get((instance.id, role))
            if current is None or (current.key.expires or 0) - self._now() < _ROLE_RENEWAL:
                arn = f"arn:aws:sts::{self._backends.account_id}:assumed-role/{role}/{instance.id}"
                expires = self._now() + _ROLE_LIFE
                key = Key(secrets.token_urlsafe(30), arn, secrets.token_urlsafe(240), expires)
                letters = base64.b32encode(secrets.token_bytes(10)).decode()
                current = RoleCredentials(f"ASIA{letters}", key, self._now())
                self._by_instance[instance.id, role] = self._roles[current.access_key_id] = current
            return current


class Authenticator:
    """Verifies signatures; every refusal is a ``Fault`` for the errors module to word."""

    def __init__(self, keyring: Keyring, now: Callable[[], float] = time.time) -> None:
        self._keyring = keyring
        self._now = now

    def verify(self, request: Request) -> Signed:
        """The principal behind a request, by its Authorization header or, for S3, its presigned query."""
        if "authorization" in request.headers:
            return self._header(request)
        if "X-Amz-Signature" in request.query:
            return self._presigned(request)
        if "Signature" in request.query:
            raise Fault("unsupported-signature")
        raise Fault("unsigned")

    def _header(self, request: Request) -> Signed:
        match = _HEADER.match(request.headers["authorization"])
        if match is None:
            raise Fault("incomplete-signature")
        credential, signed_headers, signature = match.groups()
        access_key_id, date, region, service = _scope(credential)
        key, principal = self._key(access_key_id, service, request.headers.get("x-amz-security-token"))
        timestamp = request.headers.get("x-amz-date", "")
        self._check_date(timestamp, date, service)
        digest = request.headers.get("x-amz-content-sha256")
        # UNSIGNED-PAYLOAD and the STREAMING-… values are no digests.
        if digest and len(digest) == 64 and digest != hashlib.sha256(request.body).hexdigest():
            raise Fault("bad-digest", service)
        signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(_credentials(access_key_id, key), service, region)
        self._compare(signer, request, request.target, signed_headers, timestamp, signature, service)
        return Signed(principal, service, region)

    def _presigned(self, request: Request) -> Signed:
        query = request.query
        access_key_id, _dummy, region, service = _scope(query.get("X-Amz-Credential", ""))
        if service != "s3":
            raise Fault("incomplete-signature", service)
        key, principal = self._key(access_key_id, service, query.get("X-Amz-Security-Token"))
        timestamp = query.get("X-Amz-Date", "")
        life = query.get("X-Amz-Expires", "")
        if not life.isdigit() or self._now() > _seconds(timestamp, service) + int(life):
            raise Fault("url-expired", service)
        path, _dummy, raw = request.target.partition("?")
        target = f"{path}?{'&'.join(part for part in raw.split('&') if not part.startswith('X-Amz-Signature='))}"
        signer = S3SigV4QueryAuth(_credentials(access_key_id, key), service, region)
        signed_headers = query.get("X-Amz-SignedHeaders", "")
        self._compare(signer, request, target, signed_headers, timestamp, query["X-Amz-Signature"], service)
        return Signed(principal, service, region)

    def _key(self, access_key_id: str, service: str, token: str | None) -> tuple[Key, Principal]:
        found = self._keyring.find(access_key_id)
        if found is None or (found[0].token or "") != (token or ""):
            raise Fault("unknown-key", service)
        if found[0].expires is not None and found[0].expires < self._now():
            raise Fault("expired-token", service)
        return found

    def _check_date(self, timestamp: str, date: str, service: str) -> None:
        if timestamp[:8] != date or abs(_seconds(timestamp, service) - self._now()) > _SKEW:
            raise Fault("skewed", service)

    @staticmethod
    def _compare(
        signer: SigV4Auth,
        request: Request,
        target: str,
        signed_headers: str,
        timestamp: str,
        signature: str,
        service: str,
    ) -> None:
        names = signed_headers.split(";")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        if "host" not in names or len(headers) < len(names):
            raise Fault("bad-signature", service)
        url = f"http://{request.headers.get('host', '')}{target}"
        again = AWSRequest(request.method, url, headers=headers, data=request.body)
        again.context["timestamp"] = timestamp
        canonical = signer.canonical_request(again)
        if not hmac.compare_digest(signer.signature(signer.string_to_sign(again, canonical), again), signature):
            raise Fault("bad-signature", service)


class Authorizer:
    """Asks the bucket's policy, and the principal's identity-based ones; a refusal is a ``Denial``.

    ``session_owner`` tells the ARN of who started a session, None where there is no such session.
    """

    def __init__(
        self, backends: Backends, session_owner: Callable[[str], str | None] = lambda session_id: None
    ) -> None:
        self._backends = backends
        self._session_owner = session_owner

    def check(self, principal: Principal, call: Call, region: str, *, secure: bool = False) -> None:
        """Nothing, or a ``Denial`` that names the first resource the principal may not use; ``secure``: over TLS."""
        if call.name == "sts:GetCallerIdentity":
            return
        documents = self._backends.policies(principal.arn)
        context = {
            "aws:principalarn": principal.arn,
            "aws:principalaccount": self._backends.account_id,
            "aws:requestedregion": region,
            "aws:securetransport": str(secure).lower(),
            "aws:userid": principal.user_id,
        }
        if ":user/" in principal.arn:
            context["aws:username"] = principal.name
        for resource in call.resources:
            if policy.allows(self._backends.bucket_policies(resource), call.name, resource, context)[1]:
                raise Denial(call.service, principal.arn, call.name, resource, "a resource-based policy")
            if principal.admin:
                continue
            tags = self._tags(resource)
            allowed, explicitly = policy.allows(documents, call.name, resource, context | tags)
            if not allowed:
                by = "an identity-based policy" if explicitly else ""
                raise Denial(call.service, principal.arn, call.name, resource, by)

    def _tags(self, resource: str) -> dict[str, str]:
        """The condition keys of an instance's or a session's tags: sessions are commonly restricted by them."""
        if ":session/" in resource and (owner := self._session_owner(resource.rsplit("/", 1)[-1])):
            return {"ssm:resourcetag/aws:ssmmessages:session-id": Principal(owner).user_id}
        if ":instance/" not in resource:
            return {}
        instance_id = resource.rsplit("/", 1)[-1]
        tags = next((instance.tags for instance in self._backends.instances() if instance.id == instance_id), {})
        prefixes = ("aws:resourcetag/", "ssm:resourcetag/", "ec2:resourcetag/")
        return {f"{prefix}{name}".lower(): value for prefix in prefixes for name, value in tags.items()}


def _scope(credential: str) -> list[str]:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise Fault("incomplete-signature")
    return parts[:4]


def _credentials(access_key_id: str, key: Key) -> Credentials:
    return Credentials(access_key_id, key.secret, key.token)


def _seconds(timestamp: str, service: str) -> float:
    try:
        moment = datetime.datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ")
    except ValueError:
        raise Fault("skewed", service) from None
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()
