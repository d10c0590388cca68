"""The few calls of the Docker Engine API the lab needs, over the engine's unix socket, in the engine's own version."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from typing import Any
from urllib.parse import quote, urlencode

SOCKET = "/var/run/docker.sock"

#: What marks a container as an EC2 stand-in.
HOST_LABEL = "popcon.lab.role=host"
#: On a container that was made for an instance: the instance's id.
INSTANCE_LABEL = "popcon.lab.instance"


class EngineError(RuntimeError):
    """The engine refused a call, or is not there; the text says which call and why."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(method: str, path: str, body: Any = None) -> Any:
    """One API call, answer decoded from JSON (None when empty). Blocks: use ``asyncio.to_thread`` in coroutines."""
    content = _exchange(method, path, body)
    return json.loads(content) if content else None


def _exchange(method: str, path: str, body: Any) -> bytes:
    connection = _Connection(SOCKET)
    text = json.dumps(body) if body is not None else None
    try:
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
    except OSError as error:
        raise EngineError(f"{method} {path}: {error}") from error
    finally:
        connection.close()
    if response.status >= 300:
        raise EngineError(f"{method} {path}: {response.status} {content.decode(errors='replace').strip()}")
    return content


def hosts() -> dict[str, str]:
    """The running EC2 stand-ins: IP address -> container id, an entry for each of a container's networks."""
    filters = json.dumps({"label": [HOST_LABEL], "status": ["running"]})
    found: dict[str, str] = {}
    for container in call("GET", f"/containers/json?{urlencode({'filters': filters})}"):
        for network in container["NetworkSettings"]["Networks"].values():
            if network["IPAddress"]:
                found[network["IPAddress"]] = container["Id"]
    return found


def made() -> dict[str, tuple[str, bool]]:
    """The containers that were made for instances: instance id -> container id, and whether it runs."""
    filters = json.dumps({"label": [INSTANCE_LABEL]})
    containers = call("GET", f"/containers/json?{urlencode({'all': 1, 'filters': filters})}")
    return {one["Labels"][INSTANCE_LABEL]: (one["Id"], one["State"] == "running") for one in containers}


def make_like(model: str, instance: str, network: str, address: str) -> None:
    """Make a container for an instance, as another one is but for its address in the network; it does not run yet."""
    like = call("GET", f"/containers/{quote(model)}/json")
    labels = like["Config"]["Labels"]
    body = {
        # The name in the host itself is the new container's own.
        **{name: value for name, value in like["Config"].items() if name != "Hostname"},
        "HostConfig": {**like["HostConfig"], "NetworkMode": network},
        # To compose it is what `compose run` makes: nothing to count, to change or to take for an orphan.
        "Labels": {**labels, "com.docker.compose.oneoff": "True", INSTANCE_LABEL: instance},
        "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": address}}}},
    }
    name = f"{labels['com.docker.compose.project']}-{instance}"
    container = call("POST", f"/containers/create?{urlencode({'name': name})}", body)["Id"]
    for other in like["NetworkSettings"]["Networks"].keys() - {network}:
        call("POST", f"/networks/{quote(other)}/connect", {"Container": container})


def start(container: str) -> None:
    """Start a container."""
    call("POST", f"/containers/{quote(container)}/start")


def stop(container: str) -> None:
    """Stop a container in order, for as long as it says that this may take."""
    call("POST", f"/containers/{quote(container)}/stop")


def remove(container: str) -> None:
    """Remove a container with its own volumes."""
    call("DELETE", f"/containers/{quote(container)}?v=1&force=1")


def create_exec(container: str, command: list[str], **options: Any) -> str:
    """Prepare a command in a container (``options``: the API's, such as ``User`` or ``Tty``); its exec id."""
    return call("POST", f"/containers/{quote(container)}/exec", {"Cmd": command, **options})["Id"]


def run(container: str, command: list[str]) -> None:
    """Run a command in a container as root and wait for its end; its output and status are dropped."""
    exec_id = create_exec(container, command, User="0", AttachStdout=True, AttachStderr=True)
    _exchange("POST", f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})


def resize_exec(exec_id: str, columns: int, rows: int) -> None:
    """Set the size of an exec's terminal."""
    call("POST", f"/exec/{exec_id}/resize?{urlencode({'w': columns, 'h': rows})}")


async def attach_exec(exec_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Start a prepared command with a terminal; the streams carry its terminal's bytes both ways."""
    try:
        reader, writer = await asyncio.open_unix_connection(SOCKET)
        body = b'{"Detach":false,"Tty":true}'
        head = f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (OSError, asyncio.IncompleteReadError) as error:
        raise EngineError(f"exec {exec_id}: {error}") from error
    if answer.split()[1] != "101":
        writer.close()
        raise EngineError(f"exec {exec_id}: {answer.splitlines()[0]}")
    return reader, writer
