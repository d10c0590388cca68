"""Stand-ins for what ecr_login talks to: registries (real TLS, behind a real proxy), AWS, and a credential helper."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import json
import select
import socket
import socketserver
import ssl
import stat
import threading
import time
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ACCOUNT = "123456789012"
REGION = "ap-northeast-2"
OWN = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
OTHER = "210987654321.dkr.ecr.eu-west-1.amazonaws.com"
PUBLIC = "public.ecr.aws"
NAMES = (
    OWN,
    OTHER,
    PUBLIC,
    f"210987654321.dkr.ecr.{REGION}.amazonaws.com",
    f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
)
HOUR = 3600


def aws_token(name: str, life: float = 12 * HOUR) -> str:
    """The password of a token shaped as AWS shapes it, ending in so many seconds."""
    claims = {
        "payload": name,
        "datakey": "AQEB",
        "version": "2",
        "type": "DATA_KEY",
        "expiration": int(time.time() + life),
    }
    return base64.b64encode(json.dumps(claims).encode()).decode()


def basic(secret: str, user: str = "AWS") -> str:
    """What config.json and HTTP hold for these credentials."""
    return base64.b64encode(f"{user}:{secret}".encode()).decode()


def make_certificate(folder: Path, names: t.Iterable[str] = NAMES, *, ends_in_days: int = 1) -> Path:
    """A self-signed certificate for these names, its key in the same PEM file; it serves as its own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "popcon.deploy test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=ends_in_days))
        .add_extension(
            x509.SubjectAlternativeName(
                [*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"certificate{ends_in_days}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


class RegistryStub:
    """All registries at once: RV(secrets) are accepted; RV(status) (and RV(headers)) answer instead, while set.

    RV(bodies) has what is there at a path below V(/v2/), and of a repository without an entry there is nothing.
    """

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.status: int | None = None
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.bodies: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.port = 0
        self.proxied: list[str] = []
        self.proxy_refuses = False

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request: note host and path, answer as a registry would."""
        self.asked.append((handler.headers["Host"], handler.path))
        given = handler.headers.get("Authorization", "")
        status = 200 if given in {f"Basic {basic(secret)}" for secret in self.secrets} else 401
        status = self.statuses.pop(0) if self.statuses else self.status or status
        body = b""
        if status == 200 and "/manifests/" in handler.path:
            status, body = self._look_up(handler.path.removeprefix("/v2/"))
        handler.send_response(status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _look_up(self, path: str) -> tuple[int, bytes]:
        """As ECR answers (botocore and docker show its codes)."""
        if path in self.bodies:
            return 200, self.bodies[path]
        known = any(path.partition("/")[0] == other.partition("/")[0] for other in self.bodies)
        return 404, json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN" if known else "NAME_UNKNOWN"}]}).encode()


class AwsStub:
    """The APIs of ECR, ECR Public and STS: RV(reply) gives status and body for an action; RV(actions) counts them."""

    def __init__(self) -> None:
        self.actions: list[str] = []
        self.token: t.Callable[[], str] = self.unknown_token
        self.expires_at: float | None = None
        self.error: tuple[int, str] | None = None
        self.url = ""

    def unknown_token(self) -> str:
        """A token that no registry knows of."""
        return aws_token(f"minted{len(self.actions)}")

    def be_known_to(self, registry: RegistryStub) -> None:
        """Let the registries accept the tokens that are minted from now on."""

        def token() -> str:
            registry.secrets.add(secret := self.unknown_token())
            return secret

        self.token = token

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request, in the JSON protocol or (STS) the Query protocol."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0"))).decode()
        target = handler.headers.get("X-Amz-Target", "")
        self.actions.append(target or "GetCallerIdentity")
        if self.error is not None:
            status, code = self.error
            reply = json.dumps({"__type": code, "message": f"CANARY in what AWS says about {body[:20]}"})
            if not target:
                reply = f"<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
        elif not target:
            status = 200
            reply = (
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn</Arn><UserId>u</UserId>"
                f"<Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
        else:
            ends = time.time() + 12 * HOUR if self.expires_at is None else self.expires_at
            data = {"authorizationToken": basic(self.token()), "expiresAt": ends}
            public = target.startswith("Spencer")
            status, reply = 200, json.dumps({"authorizationData": data if public else [data]})
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(reply)))
        handler.end_headers()
        handler.wfile.write(reply.encode())


def _handler(answer: t.Callable[[BaseHTTPRequestHandler], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Every request goes to the stub."""

        def do_GET(self) -> None:
            """Ask the stub."""
            answer(self)

        do_POST = do_GET

        def log_message(self, *_args: t.Any) -> None:
            """Keep quiet."""

    return Handler


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> t.Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def serve_aws() -> t.Iterator[AwsStub]:
    """The AWS stub on a port of its own."""
    stub = AwsStub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub.answer))
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    with _serving(server):
        yield stub


@contextlib.contextmanager
def serve_registries(certificate: Path) -> t.Iterator[tuple[RegistryStub, str]]:
    """The registries over TLS, and the URL of a proxy that leads every name to them."""
    stub = RegistryStub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub.answer))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    # A client that turns the certificate down is what some tests are about.
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    stub.port = server.server_address[1]

    class Proxy(socketserver.StreamRequestHandler):
        """CONNECT to any name ends at the stub."""

        def handle(self) -> None:
            """One tunnel."""
            stub.proxied.append(self.rfile.readline().decode().split()[1])
            while self.rfile.readline().strip():
                pass
            if stub.proxy_refuses:
                self.wfile.write(b"HTTP/1.1 403 CANARY\r\n\r\n")
                return
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(("127.0.0.1", stub.port)) as upstream:
                _pipe(self.connection, upstream)

    proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads = True
    with _serving(server), _serving(proxy):
        yield stub, f"http://127.0.0.1:{proxy.server_address[1]}"


@contextlib.contextmanager
def reach_registries(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[RegistryStub]:
    """The registries, which this process reaches by their names from now on."""
    with serve_registries(certificate) as (stub, proxy):
        for name, value in (("HTTPS_PROXY", proxy), ("NO_PROXY", "127.0.0.1"), ("SSL_CERT_FILE", str(certificate))):
            monkeypatch.setenv(name, value)
        yield stub


def _pipe(one: socket.socket, other: socket.socket) -> None:
    pairs = {one: other, other: one}
    with contextlib.suppress(OSError):
        while True:
            for ready in select.select(list(pairs), [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                pairs[ready].sendall(data)


HELPER = """#!/bin/sh
# Keeps one folder of files, one per registry, and notes its argv: a secret on argv would show.
set -eu
dir={folder}
echo "$# $* home=$HOME" >> "$dir/calls"
[ -z "${{HELPER_FAILS:-}}" ] || {{ echo "CANARY-helper-output"; echo "CANARY-helper-error" >&2; exit 7; }}
input=$(cat)
case "$1" in
  store)
    server=$(printf %s "$input" | sed -n 's/.*"ServerURL": *"\\([^"]*\\)".*/\\1/p')
    printf %s "$input" > "$dir/$server"
    ;;
  get) [ -e "$dir/$input" ] || {{ echo "credentials not found in native keychain"; exit 1; }}; cat "$dir/$input" ;;
esac
"""


def make_helper(bin_folder: Path, name: str = "stub") -> Path:
    """A credential helper that works; gives the folder where it keeps what it got, and V(calls), its argv lines."""
    kept = bin_folder / f"kept-{name}"
    kept.mkdir(parents=True)
    kept.chmod(0o777)
    program = bin_folder / f"docker-credential-{name}"
    program.write_text(HELPER.format(folder=kept))
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return kept
