"""The local Docker Engine, asked over its socket: what runs, what is stored, what a registry holds.

The few calls a release needs, with the standard library alone, so that a host needs no Docker SDK. Everything that changes
containers goes through `docker compose`.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import calendar
import http.client
import json
import re
import socket
import time
import typing as t
from urllib.parse import quote, urlencode

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

SOCKET = "/var/run/docker.sock"
# Longer than the engine's own limit on reaching a registry.
TIMEOUT_SECONDS = 90.0
#: Compose's label for the service that a container is of.
SERVICE_LABEL = "com.docker.compose.service"
#: Compose's label for the project that a container, volume or network is of.
PROJECT_LABEL = "com.docker.compose.project"


class EngineError(DeployError):
    """An answer of the engine other than success: its HTTP status and its own message, which may quote a registry's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(
            f"The Docker Engine answered a request with status {status}: see journalctl -u docker on the host."
        )
        self.status = status
        self.message = message


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """The engine behind a socket.

    :raises DeployError: from every method, when nothing answers at the socket.
    :raises EngineError: from every method, for an answer other than success that the method doesn't say it expects.
    """

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path

    def containers(self, project: str) -> list[Json]:
        """All containers of a compose project, running or not, as `GET /containers/{id}/json` describes them; no one-off ones."""
        filters = json.dumps({"label": [f"{PROJECT_LABEL}={project}", "com.docker.compose.oneoff=False"]})
        found = []
        for row in self._get(f"/containers/json?{urlencode({'all': 1, 'filters': filters})}"):
            try:
                found.append(self._get(f"/containers/{row['Id']}/json"))
            except EngineError as exc:
                # Gone between the list and the look.
                if exc.status != 404:
                    raise
        return sorted(found, key=lambda container: container["Name"])

    def projects_in(self, folder: str) -> list[str]:
        """The compose projects that have containers, running or not, from compose files in a folder or below it."""
        filters = json.dumps({"label": ["com.docker.compose.project.working_dir", "com.docker.compose.oneoff=False"]})
        found = self._get(f"/containers/json?all=1&filters={quote(filters)}")
        return sorted(
            {
                container["Labels"]["com.docker.compose.project"]
                for container in found
                if f"{container['Labels']['com.docker.compose.project.working_dir']}/".startswith(f"{folder}/")
            }
        )

    def image_size(self, image: str) -> int | None:
        """The bytes a stored image takes, by its id or reference, or None if there is none."""
        return t.cast("int | None", self._image(image).get("Size"))

    def image_id(self, reference: str) -> str | None:
        """The id of a stored image, or None if the engine has none by that reference."""
        return t.cast("str | None", self._image(reference).get("Id"))

    def container(self, name: str) -> Json:
        """What the engine says of the container of a name, whatever project it is of; empty if there is none."""
        found = self._one(f"/containers/{quote(name, safe='')}/json")
        # It also finds one by its id's beginning.
        return found if found.get("Name") == f"/{name}" else {}

    def network(self, name: str) -> Json:
        """What the engine says of a network, by its name or id; empty if there is none."""
        found = self._one(f"/networks/{quote(name, safe='')}")
        return found if name in (found.get("Name"), found.get("Id")) else {}

    def volume(self, name: str) -> Json:
        """What the engine says of a volume; empty if there is none."""
        return self._one(f"/volumes/{quote(name, safe='')}")

    def volumes(self, project: str) -> list[Json]:
        """The named volumes that compose made for a project."""
        filters = json.dumps({"label": [f"{PROJECT_LABEL}={project}"]})
        return t.cast("list[Json]", self._get(f"/volumes?{urlencode({'filters': filters})}")["Volumes"] or [])

    def platform(self) -> tuple[str, str]:
        """The operating system and the processor that it runs containers on, as `platform:` in a compose file has them."""
        version = self._get("/version")
        return version["Os"], version["Arch"]

    def _image(self, reference: str) -> Json:
        """What the engine says of a stored image; empty if there is none."""
        return self._one(f"/images/{quote(reference, safe='/:@')}/json")

    def _one(self, path: str) -> Json:
        """What the engine says of one thing; empty if there is none."""
        try:
            return t.cast(Json, self._get(path))
        except EngineError as exc:
            if exc.status == 404:
                return {}
            raise

    def data_folder(self) -> str:
        """The folder that the engine keeps images and containers in."""
        return t.cast(str, self._get("/info")["DockerRootDir"])

    def remove_image(self, reference: str) -> bool:
        """Take a reference off its image, and the image away with its last one; False if it isn't there or in use."""
        try:
            self._request(f"/images/{quote(reference, safe='/:@')}", {}, "DELETE")
        except EngineError as exc:
            if exc.status in (404, 409):
                return False
            raise
        return True

    def wait_until_back(self, seconds: float) -> None:
        """Return once the engine answers, for it may be restarting.

        :raises DeployError: it does not within this time.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                self._request("/_ping", {})
                return
            except (DeployError, EngineError):
                if time.monotonic() > end:
                    raise
            time.sleep(1)

    def registry_digest(self, reference: str, auth: str | None) -> str:
        """The digest (`sha256:…`) that a registry now holds under a reference; nothing is pulled.

        :param auth: the value of the `X-Registry-Auth` header, or None to ask anonymously.
        """
        headers = {"X-Registry-Auth": auth} if auth else {}
        answer = self._get(f"/distribution/{quote(reference, safe='/:@')}/json", headers)
        return t.cast(str, answer["Descriptor"]["digest"])

    def logs(self, container_id: str, lines: int) -> str:
        """The last lines a container wrote, stdout and stderr together."""
        query = urlencode({"stdout": 1, "stderr": 1, "tail": lines})
        body = self._request(f"/containers/{container_id}/logs?{query}", {})
        return _demultiplexed(body).decode(errors="replace")

    def _get(self, path: str, headers: dict[str, str] | None = None) -> t.Any:
        return json.loads(self._request(path, headers or {}))

    def _request(self, path: str, headers: dict[str, str], method: str = "GET") -> bytes:
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as exc:
            raise DeployError(
                f"The Docker Engine does not answer at {self._path} ({type(exc).__name__}). See whether it runs: systemctl status docker"
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            raise EngineError(response.status, _message(body))
        return body


def epoch(stamp: str) -> float:
    """Seconds since 1970 of one of the engine's times: `2026-01-02T03:04:05.123456789Z`, or with an offset such as `+09:00`.

    Infinity for a text that is none.
    """
    found = re.fullmatch(r"(.{19})(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))", stamp)
    if not found:
        return float("inf")
    whole, fraction, sign, hours, minutes = found.groups()
    offset = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1) if sign else 0
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(fraction or 0) - offset


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500]


def _demultiplexed(body: bytes) -> bytes:
    """The bytes of a log stream; of a container without tty each piece has an 8-byte header (stream, 3 zeros, length).

    Source: Docker Engine API, "Stream format" of `ContainerAttach`.
    """
    pieces, rest = [], body
    while len(rest) >= 8:
        if rest[0] > 2 or rest[1:4] != b"\0\0\0":
            return body
        size = int.from_bytes(rest[4:8], "big")
        pieces.append(rest[8 : 8 + size])
        rest = rest[8 + size :]
    return b"".join(pieces)
