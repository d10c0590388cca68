"""ECR's authorization tokens: minted by GetAuthorizationToken, checked by the registry's front for every request.

Source: ECR's API reference (GetAuthorizationToken) and user guide (*Private registry authentication*): the token is
base64 of ``AWS:<password>``, valid 12 hours, and acts with the rights of the principal that asked for it.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .auth import Authorizer, Principal
from .errors import Denial, Refusal
from .request import Call

#: Seconds a token of ECR lives.
LIFE = 12 * 3600.0

_REPOSITORY = re.compile(r"/v2/(?P<name>.+)/(?:manifests|blobs|tags)/")
_NO_CREDENTIALS = "no basic auth credentials"
_EXPIRED = "Your authorization token has expired. Reauthenticate and try again."


@dataclass(frozen=True)
class Verdict:
    """On a request to the registry: 200, 401 (no such token) or 403 (expired, or not allowed), and why."""

    status: int
    reason: str = ""


class Tokens:
    """The tokens in circulation, kept as digests. ``life`` tells how many seconds a new token shall live."""

    def __init__(
        self,
        registry: str,
        account_id: str,
        region: str,
        authorizer: Authorizer,
        life: Callable[[], float] = lambda: LIFE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.registry = registry
        self._account_id = account_id
        self._region = region
        self._authorizer = authorizer
        self._life = life
        self._now = now
        self._tokens: dict[str, tuple[Principal, float]] = {}
        self._lock = threading.Lock()

    def mint(self, principal: Principal, parameters: dict[str, Any], region: str) -> dict[str, Any]:
        """GetAuthorizationToken's answer: a token for each of ``registryIds``, by default for the own account."""
        ids = parameters.get("registryIds") or [self._account_id]
        if not isinstance(ids, list) or any(not re.fullmatch(r"\d{12}", str(registry_id)) for registry_id in ids):
            constraint = "Invalid parameter at 'registryIds' failed to satisfy constraint: '[0-9]{12}'"
            raise Refusal("InvalidParameterException", constraint)
        return {"authorizationData": [self._token(principal, registry_id, region) for registry_id in ids]}

    def check(self, authorization: str, method: str = "", uri: str = "") -> Verdict:
        """May the bearer of this Authorization header make this request? Without ``uri`` only the token counts."""
        scheme, _dummy, encoded = authorization.partition(" ")
        with self._lock:
            known = self._tokens.get(_digest(encoded.strip()))
        if scheme.lower() != "basic" or known is None:
            return Verdict(401, _NO_CREDENTIALS)
        principal, expires = known
        if expires <= self._now():
            return Verdict(403, _EXPIRED)
        repository = repository_of(uri)
        if not repository:
            return Verdict(200)
        action = _action(method, uri)
        resource = f"arn:aws:ecr:{self._region}:{self._account_id}:repository/{repository}"
        try:
            self._authorizer.check(principal, Call("ecr", action, {}, (resource,)), self._region)
        except Denial as denial:
            return Verdict(403, denial.message)
        return Verdict(200)

    def _token(self, principal: Principal, registry_id: str, region: str) -> dict[str, Any]:
        # As AWS's, long and opaque; urlsafe so that it needs no quoting anywhere.
        token = base64.b64encode(f"AWS:{secrets.token_urlsafe(900)}".encode()).decode()
        expires = self._now() + self._life()
        if registry_id != self._account_id or region != self._region:
            # No registry of the lab: such a token opens nothing.
            return _entry(token, expires, f"{registry_id}.dkr.ecr.{region}.amazonaws.com")
        with self._lock:
            self._tokens[_digest(token)] = principal, expires
        return _entry(token, expires, self.registry)


def repository_of(uri: str) -> str:
    """The repository that a request of the registry's protocol is about; empty if none."""
    match = _REPOSITORY.match(uri)
    return match["name"] if match else ""


def _entry(token: str, expires: float, registry: str) -> dict[str, Any]:
    return {"authorizationToken": token, "expiresAt": expires, "proxyEndpoint": f"https://{registry}"}


def _action(method: str, uri: str) -> str:
    """The IAM action behind a call of the registry's protocol."""
    if method in ("GET", "HEAD"):
        if "/blobs/" in uri:
            return "InitiateLayerUpload" if "/blobs/uploads/" in uri else "GetDownloadUrlForLayer"
        return "ListImages" if "/tags/" in uri else "BatchGetImage"
    if method == "DELETE":
        return "BatchDeleteImage"
    return "InitiateLayerUpload" if "/blobs/" in uri else "PutImage"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
