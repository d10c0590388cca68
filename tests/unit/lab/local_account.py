"""An account in this process, and a gateway whose shells are this machine's own."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

REGION = "ap-northeast-2"
ACCOUNT = "123456789012"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ADMIN = ("AKIAADMIN", "admin-secret")
HOST_ADDRESS = "10.213.77.130"


@dataclass
class Answer:
    """What the account answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Account:
    """An account in this process. ``later`` moves its clock (s), ``containers`` are the addresses of running hosts."""

    later: float = 0.0
    containers: dict[str, str] = field(default_factory=dict)
    api: Any = None
    keyring: Any = None
    backends: Any = None
    metadata: Any = None

    def now(self) -> float:
        """The account's time, in seconds since 1970."""
        return time.time() + self.later

    def request(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """One HTTP request, as it is."""
        answer: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], *_dummy: Any) -> None:
            answer.update(status=int(status.split()[0]), headers=dict(headers))

        path = urlsplit(f"http://account{target}")
        environ = {
            "REQUEST_METHOD": method,
            "REQUEST_URI": target,
            "PATH_INFO": path.path,
            "QUERY_STRING": path.query,
            "SERVER_NAME": "account",
            "SERVER_PORT": "4566",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "10.213.77.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in {"Host": "account:4566", **(headers or {})}.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        content = b"".join(self.api(environ, start_response))
        return Answer(answer["status"], answer["headers"], content)

    def signed(
        self,
        keys: tuple[str, ...],
        service: str,
        target: str = "/",
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        tamper: Callable[[dict[str, str]], None] = lambda headers: None,
    ) -> Answer:
        """One request signed by botocore with (access key id, secret[, token]); ``tamper`` may change it after that."""
        from botocore.auth import S3SigV4Auth, SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        headers = {"Host": "account:4566", **(headers or {})}
        request = AWSRequest(method, f"http://account:4566{target}", data=body, headers=headers)
        (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(*keys), service, REGION).add_auth(request)
        sent = dict(request.headers.items())
        tamper(sent)
        return self.request(method, target, sent, body)

    def call(
        self, keys: tuple[str, ...], action: str, parameters: dict[str, Any] | None = None, **options: Any
    ) -> Answer:
        """One call of a JSON service, e.g. ``ssm:GetParameter``."""
        service, _dummy, name = action.partition(":")
        target = {"ssm": "AmazonSSM", "ecr": "AmazonEC2ContainerRegistry_V20150921", "kms": "TrentService"}[service]
        headers = {"X-Amz-Target": f"{target}.{name}", "Content-Type": "application/x-amz-json-1.1"}
        return self.signed(keys, service, headers=headers, body=json.dumps(parameters or {}).encode(), **options)

    def user(self, name: str, *statements: dict[str, Any]) -> tuple[str, str]:
        """A new user with one policy; its keys."""
        self.query("iam", {"Action": "CreateUser", "UserName": name})
        if statements:
            form = {"Action": "PutUserPolicy", "UserName": name, "PolicyName": "p"}
            self.query("iam", {**form, "PolicyDocument": policy(*statements)})
        body = self.query("iam", {"Action": "CreateAccessKey", "UserName": name}).body.decode()
        key_id, secret = (re.search(f"<{tag}>([^<]+)</{tag}>", body) for tag in ("AccessKeyId", "SecretAccessKey"))
        assert key_id and secret
        return key_id[1], secret[1]

    def instance(self, address: str = HOST_ADDRESS, *statements: dict[str, Any], **tags: str) -> Any:
        """A new instance at the address with the role popcon-lab-host, which gets the policy."""
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        names = {"InstanceProfileName": "popcon-lab-host", "RoleName": "popcon-lab-host"}
        self.query(
            "iam", {"Action": "CreateRole", "RoleName": "popcon-lab-host", "AssumeRolePolicyDocument": policy(trust)}
        )
        self.query("iam", {"Action": "CreateInstanceProfile", "InstanceProfileName": "popcon-lab-host"})
        self.query("iam", {"Action": "AddRoleToInstanceProfile", **names})
        if statements:
            form = {"Action": "PutRolePolicy", "RoleName": "popcon-lab-host", "PolicyName": "p"}
            self.query("iam", {**form, "PolicyDocument": policy(*statements)})
        form = {
            "Action": "RunInstances",
            "Version": "2016-11-15",
            "ImageId": "ami-12c6146b",
            "MinCount": "1",
            "MaxCount": "1",
            "PrivateIpAddress": address,
            "IamInstanceProfile.Name": "popcon-lab-host",
        }
        if tags:
            form["TagSpecification.1.ResourceType"] = "instance"
        for number, (name, value) in enumerate(tags.items(), 1):
            form |= {f"TagSpecification.1.Tag.{number}.Key": name, f"TagSpecification.1.Tag.{number}.Value": value}
        self.query("ec2", form)
        return next(instance for instance in self.backends.instances() if instance.private_ip == address)

    def query(self, service: str, form: dict[str, str], keys: tuple[str, ...] = ADMIN) -> Answer:
        """One call of a query service, which must succeed for the seeding principal."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.signed(keys, service, headers=headers, body=urlencode(form).encode())
        assert keys != ADMIN or answer.status == 200, answer.body
        return answer


def policy(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """An Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def _take_terminal() -> None:
    # Under nohup, what runs in the shell would outlive it and keep the terminal.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class LocalShell:
    """A gateway's shell on a terminal of this machine."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.process = subprocess.Popen(
            ["sh"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_terminal,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ "},
        )
        os.close(slave)

    async def read(self) -> bytes:
        """Output, empty at the end."""
        try:
            return await asyncio.to_thread(os.read, self.master, 4096)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Type."""
        await asyncio.to_thread(os.write, self.master, data)

    async def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size."""
        termios.tcsetwinsize(self.master, (rows, columns))

    async def end(self) -> None:
        """Hang up and make sure."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGHUP)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Running:
    """A gateway that serves, in a loop of its own thread."""

    gateway: Any
    loop: asyncio.AbstractEventLoop
    shells: list[LocalShell]
    typed: list[bytes]

    def start(self, target: str = "i-0123456789abcdef0") -> dict[str, str]:
        """StartSession."""
        return self.gateway.call(self.gateway.start(target, "container", f"arn:aws:iam::{ACCOUNT}:user/tester"))

    def terminate(self, session_id: str) -> None:
        """TerminateSession."""
        self.gateway.call(self.gateway.terminate(session_id))

    def drop(self, session_id: str) -> None:
        """Cut the connection of a session without a word."""
        socket = self.gateway.sessions[session_id].socket
        self.loop.call_soon_threadsafe(socket.transport.abort)
