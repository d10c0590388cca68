"""Reliable delivery in one direction of a data channel: numbering, acknowledging, re-sending, re-ordering.

No I/O and no clock of its own: callers pass ``now`` in seconds (any monotonic clock) and put the frames on the wire.
Both ends of a channel are built of one ``Sender`` and one ``Receiver``.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from dataclasses import dataclass

from .frames import FLAG_FIRST, BadFrame, Frame

#: Seconds after which an unacknowledged frame is sent again (AWS: 200 ms, then adapted to the round trip).
RESEND_AFTER = 0.2
#: Seconds between two looks at what is to be sent again.
TICK = 0.1
#: Unacknowledged frames at which a sender stops taking more.
WINDOW = 512


@dataclass
class _Pending:
    frame: Frame
    sent: float
    connection: int


class Sender:
    """Numbers outgoing stream frames and keeps each until its acknowledgement."""

    def __init__(self, message_type: str) -> None:
        self._message_type = message_type
        self._next = 0
        self._connection = 0
        self._pending: dict[int, _Pending] = {}

    @property
    def unacknowledged(self) -> int:
        """How many frames wait for their acknowledgement."""
        return len(self._pending)

    @property
    def full(self) -> bool:
        """Whether the caller should wait before it adds more."""
        return len(self._pending) >= WINDOW

    def send(self, payload_type: int, payload: bytes, now: float) -> Frame:
        """Number a new frame; the caller puts it on the wire."""
        flags = FLAG_FIRST if self._next == 0 else 0
        frame = Frame(self._message_type, self._next, payload, milliseconds(), payload_type, flags)
        self._pending[self._next] = _Pending(frame, now, self._connection)
        self._next += 1
        return frame

    def acknowledged(self, sequence: int) -> None:
        """Forget the frame ``sequence``. Acknowledgements are not cumulative, but for one case.

        AWS's client never acknowledges a second time what it had taken before a reconnect: so frames of an earlier
        connection, all sent again on this one, are forgotten when a later frame is acknowledged here.
        """
        if self._pending.pop(sequence, None) is None:
            return
        for number, pending in list(self._pending.items()):
            if number < sequence and pending.connection < self._connection:
                del self._pending[number]

    def due(self, now: float) -> Frame | None:
        """The oldest unacknowledged frame if it is time to send it again."""
        oldest = next(iter(self._pending.values()), None)
        if oldest is None or now - oldest.sent < RESEND_AFTER:
            return None
        oldest.sent = now
        return oldest.frame

    def reconnected(self, now: float) -> list[Frame]:
        """All unacknowledged frames, to be sent again over a new connection."""
        self._connection += 1
        for pending in self._pending.values():
            pending.sent = now
        return [pending.frame for pending in self._pending.values()]


class Receiver:
    """Puts incoming stream frames in order; every frame is to be acknowledged, whatever ``take`` yields."""

    #: Frames kept ahead of a missing one: a peer that goes further is broken or hostile.
    _AHEAD = 10_000

    def __init__(self) -> None:
        self._expected = 0
        self._early: dict[int, Frame] = {}

    def take(self, frame: Frame) -> list[Frame]:
        """What can now be processed, in order: nothing for a duplicate or a frame ahead of a missing one."""
        if frame.sequence >= self._expected + self._AHEAD:
            raise BadFrame(f"frame {frame.sequence} is too far ahead of {self._expected}")
        if frame.sequence >= self._expected:
            self._early[frame.sequence] = frame
        ready = []
        while self._expected in self._early:
            ready.append(self._early.pop(self._expected))
            self._expected += 1
        return ready


def milliseconds() -> int:
    """The time as frames carry it: milliseconds since 1970."""
    return time.time_ns() // 1_000_000
