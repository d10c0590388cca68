"""A session-manager-plugin of our own: standard input and output <-> the data channel of a shell session.

Called as AWS's plugin is, by ``aws ssm start-session`` and by ``amazon.aws.aws_ssm``::

    session-manager-plugin RESPONSE REGION StartSession PROFILE '{"Target": "i-…"}' ENDPOINT
    session-manager-plugin --version

RESPONSE is StartSession's answer as JSON, or the name of an environment variable that holds it. Exit status 0 when the
session is over or standard input has ended, 1 when there is no session to be had.

Nothing is ever written to standard error: aws_ssm of amazon.aws 10 fails on a single line there. There is no
ResumeSession either: when the connection breaks the client says so and exits, and aws_ssm starts another session.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab.account.frames import (
    ACKNOWLEDGE,
    CHANNEL_CLOSED,
    INPUT,
    OUTPUT,
    BadFrame,
    Frame,
    Payload,
    acknowledgement,
)
from lab.account.stream import TICK, Receiver, Sender, milliseconds

VERSION = "1.2.0.0"
_RESPONSE_VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
#: Seconds after the end of standard input in which the shell may still say something and the session end by itself.
_FAREWELL = 2.0
_CHUNK = 1024


def main(arguments: Sequence[str]) -> int:
    """Run one session; the exit status."""
    # Warnings of libraries would go to standard error.
    logging.disable(logging.CRITICAL)
    if list(arguments) == ["--version"]:
        print(VERSION)
        return 0
    if len(arguments) < 3 or arguments[2] != "StartSession":
        print("Invalid Operation")
        return 1
    response = arguments[0]
    if response.startswith(_RESPONSE_VARIABLE):
        response = os.environ.get(response, "")
    try:
        ticket = json.loads(response)
        session_id, url, token = ticket["SessionId"], ticket["StreamUrl"], ticket["TokenValue"]
    except (ValueError, KeyError, TypeError):
        print("Invalid StartSession response")
        return 1
    _write(f"\nStarting session with SessionId: {session_id}\n".encode())
    with _raw_terminal():
        try:
            # Not asyncio.run, which at its end waits for threads: one may wait for a line nobody will type.
            message = asyncio.new_event_loop().run_until_complete(Client(session_id).run(url, token))
        except (OSError, WebSocketException, TimeoutError) as error:
            _write(f"\nCannot perform start session: {error}\n".encode())
            return 1
    _write(message.encode())
    return 0


class Client:
    """The client's side of one data channel."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._sender = Sender(INPUT)
        self._receiver = Receiver()
        self._size: tuple[int, int] | None = None
        self._shaken = asyncio.Event()
        self._socket: ClientConnection

    async def run(self, url: str, token: str) -> str:
        """Pass bytes until the session is over; what is then to be told. Raises when the connection fails or breaks."""
        async with connect(url, compression=None, ping_interval=None, max_size=2**20, close_timeout=1) as self._socket:
            opening = {"MessageSchemaVersion": "1.0", "RequestId": str(uuid4()), "TokenValue": token}
            await self._socket.send(json.dumps(opening | {"ClientId": str(uuid4()), "ClientVersion": VERSION}))
            tasks = [asyncio.create_task(job) for job in (self._receive(), self._type(), self._tick())]
            try:
                done, _dummy = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                return next(iter(done)).result()
            finally:
                for task in tasks:
                    task.cancel()

    async def _receive(self) -> str:
        async for message in self._socket:
            if isinstance(message, str):
                continue
            # A frame that cannot be read is not acknowledged: its sender sends it again.
            with contextlib.suppress(BadFrame):
                frame = Frame.unpack(message)
                if frame.message_type == CHANNEL_CLOSED:
                    output = frame.json().get("Output")
                    if output:
                        return f"\n\nSessionId: {self._session_id} : {output}\n\n"
                    return f"\n\nExiting session with sessionId: {self._session_id}.\n\n"
                if frame.message_type == ACKNOWLEDGE:
                    self._sender.acknowledged(int(frame.json()["AcknowledgedMessageSequenceNumber"]))
                if frame.message_type == OUTPUT:
                    ready = self._receiver.take(frame)
                    await self._socket.send(acknowledgement(frame, milliseconds()).pack())
                    for taken in ready:
                        await self._take(taken)
        raise ConnectionError("the connection was closed")

    async def _take(self, frame: Frame) -> None:
        if frame.payload_type == Payload.DATA:
            # In a thread: what is typed must go on while nobody reads our output.
            await asyncio.to_thread(_write, frame.payload)
        elif frame.payload_type == Payload.HANDSHAKE_REQUEST:
            actions = [
                {"ActionType": action["ActionType"], "ActionStatus": 1, "ActionResult": None, "Error": ""}
                for action in frame.json()["RequestedClientActions"]
            ]
            answer = {"ClientVersion": VERSION, "ProcessedClientActions": actions, "Errors": None}
            await self._send(Payload.HANDSHAKE_RESPONSE, json.dumps(answer).encode())
        elif frame.payload_type == Payload.HANDSHAKE_COMPLETE:
            if message := frame.json().get("CustomerMessage"):
                await asyncio.to_thread(_write, f"{message}\n".encode())
            self._shaken.set()

    async def _type(self) -> str:
        await self._shaken.wait()
        loop = asyncio.get_running_loop()
        while data := await loop.run_in_executor(None, os.read, 0, _CHUNK):
            while self._sender.full:
                await asyncio.sleep(TICK)
            await self._send(Payload.DATA, data)
        await asyncio.sleep(_FAREWELL)
        return ""

    async def _tick(self) -> str:
        while True:
            await asyncio.sleep(TICK)
            if self._shaken.is_set():
                await self._report_size()
            if (frame := self._sender.due(asyncio.get_running_loop().time())) is not None:
                await self._socket.send(frame.pack())

    async def _report_size(self) -> None:
        try:
            size = os.get_terminal_size(0)
        except OSError:
            return  # no terminal, as under aws_ssm: the far side keeps the size it has
        if size != self._size:
            self._size = size
            await self._send(Payload.SIZE, json.dumps({"cols": size.columns, "rows": size.lines}).encode())

    async def _send(self, payload_type: Payload, payload: bytes) -> None:
        frame = self._sender.send(payload_type, payload, asyncio.get_running_loop().time())
        await self._socket.send(frame.pack())


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Pass keys through as they are typed, where standard input is a terminal."""
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _write(data: bytes) -> None:
    """Write all of it to standard output, without a buffer of ours."""
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    # Not sys.exit, for the same threads.
    os._exit(main(sys.argv[1:]))
