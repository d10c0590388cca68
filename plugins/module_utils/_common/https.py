"""A GET of a registry, with credentials that go to no other host, and in words what kept it from an answer."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import http.client
import socket
import ssl
import time
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass

TIMEOUT_SECONDS = 10
# Between three tries.
PAUSES_SECONDS = (0.5, 2.0)
# ECR answers 400 or 403, not 401, to some tokens that have expired or are malformed (aws/aws-sdk-js#1835,
# aws/containers-roadmap#2835, docker/docker-py#1170).
_REFUSED = frozenset({400, 401, 403})


@dataclass(frozen=True)
class Answer:
    """An answer's status (0 if there was none) and body; what is wrong in words, and whether asking again is pointless."""

    status: int
    trouble: str
    lasting: bool
    body: bytes = b""

    @property
    def refused(self) -> bool:
        """Whether it takes the credentials for none of its own."""
        return self.status in _REFUSED


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the answer; urllib would send the Authorization header along to wherever it leads."""

    def redirect_request(self, *_args: t.Any, **_kwargs: t.Any) -> None:
        return None


def get(url: str, headers: dict[str, str]) -> Answer:
    """Ask, and twice more if it may answer otherwise then, with the system's certificates and proxies."""
    answer = _get(url, headers)
    for pause in PAUSES_SECONDS:
        if answer.lasting:
            break
        time.sleep(pause)
        answer = _get(url, headers)
    return answer


def _get(url: str, headers: dict[str, str]) -> Answer:
    # A new one each time: a Request that went through a proxy once goes to the proxy without a tunnel the second time.
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            status, body = response.status, response.read()
    except urllib.error.HTTPError as exc:
        with exc:
            status, body = exc.code, exc.read()
    except (OSError, http.client.HTTPException) as exc:
        return Answer(0, *_trouble(exc.reason if isinstance(exc, urllib.error.URLError) else exc))
    return Answer(status, f"it answered HTTP {status}", status < 500 and status != 429, body)


def _trouble(exc: BaseException | str) -> tuple[str, bool]:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not accepted ({exc.verify_message}). Check ca-certificates and the clock", True
    if isinstance(exc, ssl.SSLError):
        return "TLS failed; is it really HTTPS that listens there?", True
    if isinstance(exc, socket.gaierror):
        return "its name cannot be resolved. Check DNS and the region in the name", exc.errno != socket.EAI_AGAIN
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return (
            f"no answer within {TIMEOUT_SECONDS} s. Check the way out (NAT, VPC endpoints) and security groups",
            False,
        )
    if isinstance(exc, ConnectionRefusedError):
        return "the connection was refused. Check HTTPS_PROXY and NO_PROXY, if they are set", False
    if "Tunnel connection failed" in str(exc):
        return "the proxy refused the connection. Check HTTPS_PROXY and NO_PROXY", False
    return f"the connection failed ({type(exc).__name__}). Check the way out and the proxy", False
