"""The agent's side of one data channel as a state machine: bytes in, events and bytes out, no I/O.

The order of play is amazon-ssm-agent's (``agent/session/datachannel``): handshake request, the client's response, then
the shell is started by the caller, handshake complete, shell data both ways, ``channel_closed``.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from uuid import uuid4

from .frames import ACKNOWLEDGE, CHANNEL_CLOSED, INPUT, OUTPUT, BadFrame, Frame, Payload, acknowledgement
from .stream import Receiver, Sender, milliseconds

AGENT_VERSION = "3.3.0.0"

#: Shell bytes in one frame, as the agent reads them.
CHUNK = 1024


@dataclass(frozen=True)
class Shaken:
    """The client answered the handshake: start the shell, then call ``complete_handshake``."""


@dataclass(frozen=True)
class Typed:
    """Bytes for the shell's standard input."""

    data: bytes


@dataclass(frozen=True)
class Resized:
    """The client's terminal has this many columns and rows."""

    columns: int
    rows: int


Event = Shaken | Typed | Resized


class Channel:
    """One session's channel. It outlives connections: ``reconnected`` carries it over to the next one.

    Everything to be sent gathers in ``outbox`` in order; ``now`` is in seconds of any monotonic clock.
    """

    def __init__(self, session_id: str, target: str) -> None:
        self.session_id = session_id
        self.target = target
        self.outbox: deque[bytes] = deque()
        self._sender = Sender(OUTPUT)
        self._receiver = Receiver()
        self._asked_at: float | None = None
        self._shaken = False
        self._tail = b""

    @property
    def full(self) -> bool:
        """Whether so much is unacknowledged that the shell should not be read for now."""
        return self._sender.full

    @property
    def settled(self) -> bool:
        """Whether the client has acknowledged everything."""
        return not self._sender.unacknowledged

    def connected(self, now: float) -> None:
        """A client connected, for the first time or again: greet it, or send it all that is unacknowledged."""
        self.outbox.clear()
        if self._asked_at is not None:
            self.outbox.extend(frame.pack() for frame in self._sender.reconnected(now))
            return
        self._asked_at = now
        session_type = {"SessionType": "Standard_Stream", "Properties": {}}
        actions = [{"ActionType": "SessionType", "ActionParameters": session_type}]
        content: dict[str, object] = {"AgentVersion": AGENT_VERSION, "RequestedClientActions": actions}
        self._send_json(Payload.HANDSHAKE_REQUEST, content, now)

    def receive(self, data: bytes) -> list[Event]:
        """Take one binary message; ``BadFrame`` when it is not worth an answer."""
        frame = Frame.unpack(data)
        if frame.message_type == ACKNOWLEDGE:
            sequence = frame.json().get("AcknowledgedMessageSequenceNumber")
            if not isinstance(sequence, int):
                raise BadFrame("an acknowledgement without a sequence number")
            self._sender.acknowledged(sequence)
            return []
        if frame.message_type != INPUT:
            return []
        ready = self._receiver.take(frame)
        self.outbox.append(acknowledgement(frame, milliseconds()).pack())
        return [event for taken in ready if (event := self._event(taken)) is not None]

    def complete_handshake(self, now: float) -> None:
        """Tell the client that the shell runs."""
        # AWS's client reads the duration as Go does: whole nanoseconds, no fraction.
        took = 0 if self._asked_at is None else int((now - self._asked_at) * 1e9)
        self._send_json(Payload.HANDSHAKE_COMPLETE, {"HandshakeTimeToComplete": took, "CustomerMessage": ""}, now)

    def write(self, data: bytes, now: float) -> None:
        """Send shell output, cut on UTF-8 boundaries; an incomplete last character waits for the rest of it."""
        data = self._tail + data
        while data:
            chunk = data[:CHUNK]
            chunk = chunk[: len(chunk) - _incomplete(chunk)]
            if not chunk:
                break
            self._send(Payload.DATA, chunk, now)
            data = data[len(chunk) :]
        self._tail = data

    def flush(self, now: float) -> None:
        """Send what waits for the rest of its character: there will be none."""
        if self._tail:
            self._send(Payload.DATA, self._tail, now)
            self._tail = b""

    def close(self, message: str = "") -> None:
        """Tell the client that the session is over, with a message for its user."""
        content = {
            "MessageId": str(uuid4()),
            "CreatedDate": str(milliseconds()),
            "DestinationId": self.target,
            "SessionId": self.session_id,
            "MessageType": CHANNEL_CLOSED,
            "SchemaVersion": 1,
            "Output": message,
        }
        self.outbox.append(Frame(CHANNEL_CLOSED, 0, json.dumps(content).encode(), milliseconds()).pack())

    def tick(self, now: float) -> None:
        """Send the oldest unacknowledged frame again if its time has come; call it every ``stream.TICK`` seconds."""
        if (frame := self._sender.due(now)) is not None:
            self.outbox.append(frame.pack())

    def _event(self, frame: Frame) -> Event | None:
        if frame.payload_type == Payload.HANDSHAKE_RESPONSE and not self._shaken:
            self._shaken = True
            return Shaken()
        if frame.payload_type == Payload.DATA and self._shaken:
            return Typed(frame.payload)
        if frame.payload_type == Payload.SIZE:
            size = frame.json()
            columns, rows = size.get("cols"), size.get("rows")
            return Resized(columns, rows) if isinstance(columns, int) and isinstance(rows, int) else None
        return None

    def _send_json(self, payload_type: Payload, content: dict[str, object], now: float) -> None:
        self._send(payload_type, json.dumps(content).encode(), now)

    def _send(self, payload_type: Payload, payload: bytes, now: float) -> None:
        self.outbox.append(self._sender.send(payload_type, payload, now).pack())


def _incomplete(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character without finishing it (0 for bytes that are no UTF-8)."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4 if byte & 0xF8 == 0xF0 else 1
        return back if length > back else 0
    return 0
