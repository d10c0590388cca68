"""Sessions: the table behind StartSession and its kin, and the websocket server where their data channels meet a shell.

A session ends when its shell exits, on TerminateSession, or when its client is gone for ``RESUME_GRACE`` seconds
without a ResumeSession (AWS waits for its idle timeout, 20 minutes; the lab's promise is that a killed client leaves
nothing running). Whatever the way, nothing of it stays in the host: see ``shell`` for what belongs to a session.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import hmac
import http
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from .channel import Channel, Event, Resized, Shaken, Typed
from .engine import EngineError
from .frames import BadFrame
from .shell import Shell
from .stream import TICK

log = logging.getLogger(__name__)

#: Seconds a session waits for its client to come back.
RESUME_GRACE = 10.0
#: Seconds a started session waits for its first connection.
CONNECT_GRACE = 60.0
#: Seconds a client has to acknowledge the last output, and to hang up once told that the session is over.
_FAREWELL = 2.0
# AWS's client refuses output, unacknowledged, for a moment after the handshake; waiting for its first input saves the
# re-send.
_SETTLE = 0.1

_PATH = "/v1/data-channel/"


class NoSuchSession(KeyError):
    """There never was a session of this id."""


@dataclass
class Session:
    """One session, running or over. Times are seconds since 1970; ``owner`` is an ARN."""

    id: str
    target: str
    container: str
    owner: str
    reason: str
    document: str
    token: str
    channel: Channel
    started: float = field(default_factory=time.time)
    ended: float | None = None
    status: str = "Connected"
    shell: Shell | None = None
    socket: ServerConnection | None = None
    connections: int = 0
    typed: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    farewell: asyncio.Task[None] | None = None


class Gateway:
    """All sessions of the account. Everything here runs in one event loop; other threads come in through ``call``.

    ``start_shell`` opens a shell in a container; ``first_output_delay`` tells how many seconds a shell's first output
    waits; ``typed`` is told all that is typed.
    """

    def __init__(
        self,
        url: str,
        start_shell: Callable[[str], Awaitable[Shell]],
        first_output_delay: Callable[[], float] = lambda: 0.0,
        typed: Callable[[bytes], None] = lambda data: None,
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self._url = url
        self._start_shell = start_shell
        self._first_output_delay = first_output_delay
        self._typed = typed
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, host: str, port: int) -> Server:
        """Listen for data channels. No pings of our own: AWS's client cannot answer while its output is blocked."""
        self._loop = asyncio.get_running_loop()
        return await serve(
            self._connection,
            host,
            port,
            process_request=self._check_path,
            ping_interval=None,
            compression=None,
            max_size=2**20,
        )

    def call(self, coroutine: Coroutine[Any, Any, dict[str, str]]) -> dict[str, str]:
        """Run one of the coroutines below from another thread and wait for its result."""
        if self._loop is None:
            raise RuntimeError("the gateway does not serve yet")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    async def start(
        self, target: str, container: str, owner: str, reason: str = "", document: str = ""
    ) -> dict[str, str]:
        """StartSession's answer for an instance and the container behind it."""
        name = owner.rsplit("/", 1)[-1]
        session_id = f"{name}-{secrets.token_hex(9)[:17]}"
        channel = Channel(session_id, target)
        session = Session(session_id, target, container, owner, reason, document, _token(), channel)
        self.sessions[session_id] = session
        self._spawn(session, self._expire(session, CONNECT_GRACE))
        return self._ticket(session)

    async def resume(self, session_id: str) -> dict[str, str]:
        """ResumeSession's answer: a new token, or none when the session is over (clients then say so and exit)."""
        session = self._session(session_id)
        if session.ended is not None:
            return {"SessionId": session_id}
        session.token = _token()
        return self._ticket(session)

    async def terminate(self, session_id: str) -> dict[str, str]:
        """TerminateSession's answer, given once nothing of a session it had to end runs in the host any more."""
        session = self._session(session_id)
        if session.ended is None:
            await self._finish(session, "Terminated")
            await session.over.wait()
        return {"SessionId": session_id}

    def owner(self, session_id: str) -> str | None:
        """The ARN of who started a session; None where there is no such session."""
        session = self.sessions.get(session_id)
        return session.owner if session else None

    async def close(self) -> None:
        """End every session."""
        await asyncio.gather(*(self.terminate(session_id) for session_id in list(self.sessions)))

    def _session(self, session_id: str) -> Session:
        try:
            return self.sessions[session_id]
        except KeyError:
            raise NoSuchSession(session_id) from None

    def _ticket(self, session: Session) -> dict[str, str]:
        url = f"{self._url}{_PATH}{session.id}?role=publish_subscribe"
        return {"SessionId": session.id, "TokenValue": session.token, "StreamUrl": url}

    def _check_path(self, connection: ServerConnection, request: Request) -> Response | None:
        session = self.sessions.get(urlsplit(request.path).path.removeprefix(_PATH))
        if session is None or session.ended is not None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "no such session\n")
        return None

    async def _connection(self, socket: ServerConnection) -> None:
        session = self.sessions[urlsplit(socket.request.path).path.removeprefix(_PATH)] if socket.request else None
        if session is None or not await _opened(socket, session.token) or session.ended is not None:
            await socket.close(1008, "session or token refused")
            return
        previous, session.socket = session.socket, socket
        session.connections += 1
        if previous is not None:
            await previous.close()
        session.channel.connected(_now())
        ticker = asyncio.create_task(self._tick(session))
        try:
            await self._flush(session)
            async for message in socket:
                if isinstance(message, bytes):
                    await self._message(session, message)
        except ConnectionClosed:
            pass
        finally:
            ticker.cancel()
            if session.socket is socket:
                session.socket = None
                if session.ended is None:
                    self._spawn(session, self._expire(session, RESUME_GRACE))

    async def _message(self, session: Session, message: bytes) -> None:
        try:
            events = session.channel.receive(message)
        except BadFrame as error:
            log.warning("%s: frame dropped: %s", session.id, error)
            return
        session.heard.set()
        await self._flush(session)
        for event in events:
            await self._handle(session, event)

    async def _handle(self, session: Session, event: Event) -> None:
        if isinstance(event, Shaken):
            await self._open_shell(session)
        elif isinstance(event, Typed):
            self._typed(event.data)
            session.typed.put_nowait(event.data)
        elif isinstance(event, Resized) and session.shell is not None:
            try:
                await session.shell.resize(event.columns, event.rows)
            except EngineError as error:
                log.warning("%s: %s", session.id, error)

    async def _open_shell(self, session: Session) -> None:
        try:
            session.shell = await self._start_shell(session.container)
        except EngineError as error:
            log.error("%s: %s", session.id, error)
            await self._finish(session, "Failed", f"The shell could not be started: {error}")
            return
        if session.ended is not None:
            await session.shell.end()
            return
        session.channel.complete_handshake(_now())
        await self._flush(session)
        self._spawn(session, self._type(session, session.shell))
        self._spawn(session, self._show(session, session.shell))

    async def _type(self, session: Session, shell: Shell) -> None:
        while True:
            await shell.write(await session.typed.get())

    async def _show(self, session: Session, shell: Shell) -> None:
        for _dummy in range(int(_SETTLE / 0.01)):
            if not session.typed.empty():
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(self._first_output_delay())
        while data := await shell.read():
            while session.channel.full:
                session.heard.clear()
                await session.heard.wait()
            session.channel.write(data, _now())
            await self._flush(session)
        session.channel.flush(_now())
        await self._flush(session)
        deadline = _now() + _FAREWELL
        while not session.channel.settled and session.socket is not None and _now() < deadline:
            await asyncio.sleep(0.01)
        await self._finish(session, "Terminated")

    async def _tick(self, session: Session) -> None:
        while True:
            await asyncio.sleep(TICK)
            session.channel.tick(_now())
            await self._flush(session)

    async def _flush(self, session: Session) -> None:
        outbox = session.channel.outbox
        while outbox and session.socket is not None:
            try:
                await session.socket.send(outbox.popleft())
            except ConnectionClosed:
                return

    async def _expire(self, session: Session, seconds: float) -> None:
        connections = session.connections
        await asyncio.sleep(seconds)
        if session.socket is None and session.connections == connections:
            await self._finish(session, "Terminated")

    async def _finish(self, session: Session, status: str, message: str = "") -> None:
        """Mark the session as over; a task of its own does the rest, so that a task of the session may call this."""
        if session.ended is None:
            session.ended, session.status = time.time(), status
            session.farewell = asyncio.create_task(self._bury(session, message))

    async def _bury(self, session: Session, message: str) -> None:
        session.channel.close(message)
        try:
            await asyncio.wait_for(self._flush(session), _FAREWELL)
        except TimeoutError:
            log.warning("%s: the client does not read", session.id)
        for task in session.tasks:
            task.cancel()
        if session.shell is not None:
            await session.shell.end()
        session.over.set()
        if session.socket is not None:
            try:
                await asyncio.wait_for(session.socket.wait_closed(), _FAREWELL)
            except TimeoutError:
                await session.socket.close()

    def _spawn(self, session: Session, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        session.tasks.add(task)
        task.add_done_callback(session.tasks.discard)


async def _opened(socket: ServerConnection, token: str) -> bool:
    """Whether the first message, a text, carries the session's token."""
    try:
        message = json.loads(await asyncio.wait_for(socket.recv(), 10))
    except (ConnectionClosed, TimeoutError, ValueError):
        return False
    offered = message.get("TokenValue") if isinstance(message, dict) else None
    return isinstance(offered, str) and hmac.compare_digest(offered.encode(), token.encode())


def _token() -> str:
    return secrets.token_urlsafe(96)


def _now() -> float:
    return asyncio.get_running_loop().time()
