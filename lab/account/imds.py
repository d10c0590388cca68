"""The instance metadata service, version 2 only, with a hop limit of 1.

Source: *EC2 user guide, Use the Instance Metadata Service*. A caller is known by its source address in the link-local
network, which leads to its container and so to its instance. The answers leave with an IP time-to-live of 1: a
container inside the host, one hop further, never gets any.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import engine
from .auth import Keyring
from .backends import Backends, Instance

_TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN_HEADER = "X-aws-ec2-metadata-token"
_LONGEST = 21600


class Metadata:
    """Everything an instance can ask, as functions of the instance; no HTTP."""

    def __init__(self, backends: Backends, keyring: Keyring, now: Callable[[], float] = time.time) -> None:
        self._backends = backends
        self._keyring = keyring
        self._now = now
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def token(self, instance: Instance, life: str) -> str | None:
        """A session token of ``life`` seconds (text, as it came); None when that is no number from 1 to 21600."""
        if not life.isdigit() or not 1 <= int(life) <= _LONGEST:
            return None
        token = secrets.token_urlsafe(40)
        with self._lock:
            self._tokens[token] = instance.id, self._now() + int(life)
        return token

    def valid(self, instance: Instance, token: str) -> bool:
        """Whether the token is this instance's and has not expired."""
        with self._lock:
            owner, expires = self._tokens.get(token, ("", 0.0))
        return owner == instance.id and expires > self._now()

    def get(self, instance: Instance, path: str) -> str | None:
        """What is at a path below ``/latest/``; None when nothing is. A directory lists its entries."""
        leaves = self._leaves(instance)
        path = path.rstrip("/")
        if path in leaves:
            return leaves[path]()
        prefix = f"{path}/"
        below = [leaf.removeprefix(prefix) for leaf in leaves if leaf.startswith(prefix)]
        entries = {f"{name}/" if rest else name for name, _dummy, rest in (leaf.partition("/") for leaf in below)}
        return "\n".join(sorted(entries)) if entries else None

    def _leaves(self, instance: Instance) -> dict[str, Callable[[], str]]:
        leaves: dict[str, Callable[[], str]] = {
            "meta-data/ami-id": lambda: instance.image_id,
            "meta-data/hostname": lambda: self._hostname(instance),
            "meta-data/instance-id": lambda: instance.id,
            "meta-data/instance-type": lambda: instance.type,
            "meta-data/local-hostname": lambda: self._hostname(instance),
            "meta-data/local-ipv4": lambda: instance.private_ip,
            "meta-data/placement/availability-zone": lambda: instance.zone,
            "meta-data/placement/region": lambda: self._backends.region,
            "dynamic/instance-identity/document": lambda: self._document(instance),
        }
        if instance.role is not None:
            role = instance.role
            leaves["meta-data/iam/info"] = lambda: self._profile(role)
            leaves[f"meta-data/iam/security-credentials/{role}"] = lambda: self._credentials(instance, role)
        return leaves

    def _hostname(self, instance: Instance) -> str:
        return f"ip-{instance.private_ip.replace('.', '-')}.{self._backends.region}.compute.internal"

    def _document(self, instance: Instance) -> str:
        content = {
            "accountId": self._backends.account_id,
            "architecture": "x86_64",
            "availabilityZone": instance.zone,
            "imageId": instance.image_id,
            "instanceId": instance.id,
            "instanceType": instance.type,
            "privateIp": instance.private_ip,
            "region": self._backends.region,
            "version": "2017-09-30",
        }
        return json.dumps(content, indent=2)

    def _profile(self, role: str) -> str:
        arn = f"arn:aws:iam::{self._backends.account_id}:instance-profile/{role}"
        return json.dumps({"Code": "Success", "LastUpdated": _iso(self._now()), "InstanceProfileArn": arn}, indent=2)

    def _credentials(self, instance: Instance, role: str) -> str:
        minted = self._keyring.for_instance(instance, role)
        content = {
            "Code": "Success",
            "LastUpdated": _iso(minted.issued),
            "Type": "AWS-HMAC",
            "AccessKeyId": minted.access_key_id,
            "SecretAccessKey": minted.key.secret,
            "Token": minted.key.token,
            "Expiration": _iso(minted.key.expires or 0),
        }
        return json.dumps(content, indent=2)


def serve(metadata: Metadata, backends: Backends, address: tuple[str, int]) -> ThreadingHTTPServer:
    """Bind the service; the caller runs ``serve_forever``. ``OSError`` when the machine has no such address."""

    def caller(ip: str) -> Instance | None:
        hosts = engine.hosts()
        container = hosts.get(ip)
        own = {address for address, owner in hosts.items() if owner == container}
        return next(
            (instance for instance in backends.instances() if instance.running and instance.private_ip in own), None
        )

    return _Server(address, metadata, caller)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], metadata: Metadata, caller: Callable[[str], Instance | None]) -> None:
        self.metadata = metadata
        self.caller = caller
        super().__init__(address, _Handler)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    sys_version = ""

    def do_PUT(self) -> None:
        """Hand out a session token."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        instance = self._instance()
        if instance is None:
            return
        if self.path != "/latest/api/token":
            self._answer(404)
        elif "X-Forwarded-For" in self.headers:
            self._answer(403)
        elif (token := self.server.metadata.token(instance, self.headers.get(_TTL_HEADER, ""))) is None:
            self._answer(400)
        else:
            self._answer(200, token, {_TTL_HEADER: self.headers[_TTL_HEADER]})

    def do_GET(self) -> None:
        """Answer with metadata, for a token only."""
        instance = self._instance()
        if instance is None:
            return
        if not self.server.metadata.valid(instance, self.headers.get(_TOKEN_HEADER, "")):
            self._answer(401)
        elif (text := self.server.metadata.get(instance, self.path.partition("?")[0].removeprefix("/latest/"))) is None:
            self._answer(404)
        else:
            self._answer(200, text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the default writes every request to stderr."""

    def _instance(self) -> Instance | None:
        """The caller, or None after a 404: to a stranger there is no metadata service."""
        try:
            instance = self.server.caller(self.client_address[0])
        except engine.EngineError:
            instance = None
        if instance is None:
            self._answer(404)
        return instance

    def _answer(self, status: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
