"""The agent's side of a data channel as a state machine, played against a client made by hand."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from lab.account.channel import CHUNK, Channel, Event, Resized, Shaken, Typed
from lab.account.frames import ACKNOWLEDGE, CHANNEL_CLOSED, INPUT, OUTPUT, BadFrame, Frame, Payload, acknowledgement
from lab.account.stream import RESEND_AFTER, WINDOW, Receiver, Sender


@dataclass
class Wire:
    """A channel and what it sent, its frames sorted as they are taken."""

    channel: Channel = field(default_factory=lambda: Channel("s-1", "i-1"))

    def sent(self) -> list[Frame]:
        """Everything sent since the last look."""
        frames = [Frame.unpack(data) for data in self.channel.outbox]
        self.channel.outbox.clear()
        return frames

    def input(self, sequence: int, payload: bytes, payload_type: Payload = Payload.DATA) -> list[Event]:
        """A stream frame of the client."""
        return self.channel.receive(Frame(INPUT, sequence, payload, 1, payload_type).pack())

    def acknowledge(self, *frames: Frame) -> None:
        """Acknowledge frames of the agent."""
        for frame in frames:
            self.channel.receive(acknowledgement(frame, 1).pack())

    def open(self) -> Wire:
        """Play the handshake to its end."""
        self.channel.connected(0.0)
        (request,) = self.sent()
        self.acknowledge(request)
        assert self.input(0, b'{"ClientVersion": "9"}', Payload.HANDSHAKE_RESPONSE) == [Shaken()]
        self.channel.complete_handshake(0.5)
        _dummy, complete = self.sent()
        self.acknowledge(complete)
        return self


@pytest.fixture
def wire() -> Wire:
    return Wire().open()


def acknowledged(frames: list[Frame]) -> list[int]:
    return [frame.json()["AcknowledgedMessageSequenceNumber"] for frame in frames if frame.message_type == ACKNOWLEDGE]


def test_handshake() -> None:
    wire = Wire()
    wire.channel.connected(0.0)
    (request,) = wire.sent()
    assert (request.message_type, request.sequence, request.flags) == (OUTPUT, 0, 1)
    assert request.payload_type == Payload.HANDSHAKE_REQUEST
    (action,) = request.json()["RequestedClientActions"]
    assert action["ActionType"] == "SessionType"
    assert action["ActionParameters"]["SessionType"] == "Standard_Stream"
    # pyssm-client answers first and acknowledges afterwards.
    assert wire.input(0, b'{"ClientVersion": "1.2.0.0"}', Payload.HANDSHAKE_RESPONSE) == [Shaken()]
    wire.acknowledge(request)
    assert acknowledged(wire.sent()) == [0]
    wire.channel.complete_handshake(0.25)
    (complete,) = wire.sent()
    assert (complete.sequence, complete.flags, complete.payload_type) == (1, 0, Payload.HANDSHAKE_COMPLETE)
    assert complete.json() == {"HandshakeTimeToComplete": 250_000_000, "CustomerMessage": ""}


def test_a_second_handshake_response_starts_no_second_shell(wire: Wire) -> None:
    assert wire.input(1, b"{}", Payload.HANDSHAKE_RESPONSE) == []


def test_refused_early_output_is_sent_again() -> None:
    wire = Wire()
    wire.channel.connected(0.0)
    wire.acknowledge(*wire.sent())
    wire.input(0, b"{}", Payload.HANDSHAKE_RESPONSE)
    wire.channel.complete_handshake(0.0)
    wire.channel.write(b"$ ", 0.0)
    wire.channel.write(b"more", 0.01)
    _dummy, complete, early, later = wire.sent()
    wire.acknowledge(complete, later)
    wire.channel.tick(RESEND_AFTER / 2)
    assert wire.sent() == []
    wire.channel.tick(RESEND_AFTER)
    assert wire.sent() == [early]
    wire.channel.tick(RESEND_AFTER * 1.5)
    assert wire.sent() == []
    wire.channel.tick(RESEND_AFTER * 2)
    assert wire.sent() == [early]
    wire.acknowledge(early)
    wire.channel.tick(9.0)
    assert wire.sent() == []
    assert wire.channel.settled


def test_input_in_order_is_taken_and_acknowledged(wire: Wire) -> None:
    assert wire.input(1, b"a") == [Typed(b"a")]
    assert wire.input(2, b"b") == [Typed(b"b")]
    assert acknowledged(wire.sent()) == [1, 2]


def test_input_ahead_of_a_lost_frame_waits_for_it(wire: Wire) -> None:
    assert wire.input(2, b"b") == []
    assert wire.input(3, b"c") == []
    assert acknowledged(wire.sent()) == [2, 3]
    assert wire.input(1, b"a") == [Typed(b"a"), Typed(b"b"), Typed(b"c")]
    assert acknowledged(wire.sent()) == [1]


def test_duplicates_are_acknowledged_again_and_ignored(wire: Wire) -> None:
    assert wire.input(1, b"a") == [Typed(b"a")]
    assert wire.input(1, b"a") == []
    assert wire.input(0, b"{}", Payload.HANDSHAKE_RESPONSE) == []
    assert acknowledged(wire.sent()) == [1, 1, 0]


def test_input_far_ahead_is_refused(wire: Wire) -> None:
    with pytest.raises(BadFrame):
        wire.input(1_000_000, b"x")
    assert wire.sent() == []


def test_sizes_and_unknown_frames(wire: Wire) -> None:
    assert wire.input(1, b'{"cols": 132, "rows": 43}', Payload.SIZE) == [Resized(132, 43)]
    assert wire.input(2, b'{"cols": "x"}', Payload.SIZE) == []
    assert wire.channel.receive(Frame(INPUT, 3, b"?", 1, 99).pack()) == []
    assert wire.channel.receive(Frame("pause_publication", 0, b"", 1).pack()) == []
    assert acknowledged(wire.sent()) == [1, 2, 3]


def test_output_is_cut_between_characters(wire: Wire) -> None:
    text = ("é" * 700 + "日本語🎉" * 300) * 2
    data = text.encode()
    for start in range(0, len(data), 997):
        wire.channel.write(data[start : start + 997], 0.0)
    frames = wire.sent()
    assert all(len(frame.payload) <= CHUNK for frame in frames)
    assert "".join(frame.payload.decode() for frame in frames) == text
    assert [frame.sequence for frame in frames] == list(range(2, 2 + len(frames)))


def test_half_a_character_waits_and_is_flushed_at_the_end(wire: Wire) -> None:
    wire.channel.write(b"a\xf0\x9f", 0.0)
    assert [frame.payload for frame in wire.sent()] == [b"a"]
    wire.channel.write(b"\x8e\x89b\xe6", 0.0)
    assert [frame.payload for frame in wire.sent()] == ["🎉b".encode()]
    wire.channel.flush(0.0)
    assert [frame.payload for frame in wire.sent()] == [b"\xe6"]
    wire.channel.flush(0.0)
    assert wire.sent() == []


def test_bytes_that_are_no_text_pass_as_they_are(wire: Wire) -> None:
    data = bytes(range(256)) * 40
    wire.channel.write(data, 0.0)
    wire.channel.flush(0.0)
    assert b"".join(frame.payload for frame in wire.sent()) == data


def test_back_pressure(wire: Wire) -> None:
    for _dummy in range(WINDOW):
        assert not wire.channel.full
        wire.channel.write(b"x", 0.0)
    assert wire.channel.full
    first, *_dummy = wire.sent()
    wire.acknowledge(first)
    assert not wire.channel.full


def test_reconnecting_sends_all_that_is_unacknowledged(wire: Wire) -> None:
    for letter in (b"a", b"b", b"c"):
        wire.channel.write(letter, 0.0)
    a, b, c = wire.sent()
    wire.acknowledge(b)
    wire.channel.connected(1.0)
    assert wire.sent() == [a, c]
    # AWS's client had taken `a` before and never acknowledges it again; what it acknowledges later tells.
    wire.channel.write(b"d", 1.0)
    (d,) = wire.sent()
    wire.acknowledge(d)
    assert wire.channel.settled


def test_an_unacknowledged_frame_of_the_same_connection_is_kept(wire: Wire) -> None:
    wire.channel.write(b"a", 0.0)
    wire.channel.write(b"b", 0.0)
    _dummy, b = wire.sent()
    wire.acknowledge(b)
    assert not wire.channel.settled


def test_closing(wire: Wire) -> None:
    wire.channel.close("bye")
    (closed,) = wire.sent()
    assert (closed.message_type, closed.payload_type, closed.sequence) == (CHANNEL_CLOSED, 0, 0)
    content = closed.json()
    assert content["CreatedDate"].isdigit()
    assert {key: content[key] for key in ("SessionId", "DestinationId", "MessageType", "SchemaVersion", "Output")} == {
        "SessionId": "s-1",
        "DestinationId": "i-1",
        "MessageType": "channel_closed",
        "SchemaVersion": 1,
        "Output": "bye",
    }


def test_a_lossy_line_delivers_everything_in_order() -> None:
    sender, receiver = Sender(INPUT), Receiver()
    line: list[Frame] = [sender.send(Payload.DATA, str(number).encode(), 0.0) for number in range(200)]
    got: list[bytes] = []
    now = 0.0
    lost = 0
    while sender.unacknowledged:
        for number, frame in enumerate(reversed(line)):
            if number % 3 == lost % 3:
                continue
            got += [taken.payload for taken in receiver.take(frame)]
            if number % 4:
                sender.acknowledged(frame.sequence)
        lost += 1
        now += RESEND_AFTER
        again = sender.due(now)
        line = [again] * 5 if again else []
    assert got == [str(number).encode() for number in range(200)]


def test_acknowledgement_without_a_number_is_refused(wire: Wire) -> None:
    with pytest.raises(BadFrame):
        wire.channel.receive(Frame(ACKNOWLEDGE, 0, json.dumps({}).encode(), 1).pack())
