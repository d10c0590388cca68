"""The wire format of Session Manager's data channel: one ``ClientMessage`` is one binary websocket message.

Source of the layout: ``message/clientmessage.go`` and ``message/messageparser.go`` of aws/session-manager-plugin.
Big-endian; the 120-byte header is followed by the payload:

==== === ============== ====================================================================
 off len field          notes
==== === ============== ====================================================================
   0   4 HeaderLength   116, the offset of PayloadLength (the payload starts 4 bytes later)
   4  32 MessageType    padded with spaces; readers strip spaces and NULs
  36   4 SchemaVersion  1
  40   8 CreatedDate    milliseconds since 1970, never 0 (the Go client drops such a frame)
  48   8 SequenceNumber signed, one count per direction
  56   8 Flags          1 on a direction's first stream frame, 3 on acknowledgements, else 0
  64  16 MessageId      UUID with its halves swapped: bytes 8..15, then 0..7
  80  32 PayloadDigest  SHA-256 of the payload
 112   4 PayloadType    0 on acknowledgements and ``channel_closed``
 116   4 PayloadLength
==== === ============== ====================================================================
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from uuid import UUID, uuid4

INPUT = "input_stream_data"
OUTPUT = "output_stream_data"
ACKNOWLEDGE = "acknowledge"
CHANNEL_CLOSED = "channel_closed"

FLAG_FIRST = 1
FLAG_ACKNOWLEDGE = 3

_HEADER = struct.Struct(">I32sIQqQ16s32sII")
_HEADER_LENGTH = _HEADER.size - 4


class Payload(IntEnum):
    """What a stream frame carries; the numbers are the protocol's."""

    NONE = 0
    DATA = 1
    SIZE = 3
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7


class BadFrame(ValueError):
    """The bytes are no ClientMessage: too short, lengths that disagree, or a wrong digest."""


@dataclass(frozen=True)
class Frame:
    """One ClientMessage. ``created``: milliseconds since 1970; ``payload_type``: a ``Payload``, or another number."""

    message_type: str
    sequence: int
    payload: bytes
    created: int
    payload_type: int = Payload.NONE
    flags: int = 0
    message_id: UUID = field(default_factory=uuid4)

    def pack(self) -> bytes:
        """The frame as it goes over the wire."""
        header = _HEADER.pack(
            _HEADER_LENGTH,
            self.message_type.encode().ljust(32),
            1,
            self.created,
            self.sequence,
            self.flags,
            _swap(self.message_id.bytes),
            hashlib.sha256(self.payload).digest(),
            self.payload_type,
            len(self.payload),
        )
        return header + self.payload

    @classmethod
    def unpack(cls, data: bytes) -> Frame:
        """Read one websocket message; ``BadFrame`` when it is none of ours."""
        if len(data) < _HEADER.size:
            raise BadFrame(f"{len(data)} bytes are fewer than a header's {_HEADER.size}")
        header_length, kind, _dummy, created, sequence, flags, message_id, digest, payload_type, length = (
            _HEADER.unpack_from(data)
        )
        payload = data[_HEADER.size :]
        if header_length != _HEADER_LENGTH or length != len(payload):
            raise BadFrame(
                f"header of {header_length} and payload of {length} bytes announced, {len(payload)} received"
            )
        # Acknowledgements of some clients leave the digest empty; AWS's client checks it only where there is a payload.
        if payload and digest != hashlib.sha256(payload).digest():
            raise BadFrame("the payload does not match its digest")
        return cls(
            message_type=kind.rstrip(b" \0").decode("ascii", "replace"),
            sequence=sequence,
            payload=payload,
            created=created,
            payload_type=payload_type,
            flags=flags,
            message_id=UUID(bytes=_swap(message_id)),
        )

    def json(self) -> dict[str, Any]:
        """The payload as a JSON object; ``BadFrame`` when it is none."""
        try:
            value = json.loads(self.payload)
        except ValueError as error:
            raise BadFrame(f"{self.message_type} carries no JSON") from error
        if not isinstance(value, dict):
            raise BadFrame(f"{self.message_type} carries no JSON object")
        return value


def acknowledgement(frame: Frame, created: int) -> Frame:
    """The acknowledgement of a stream frame, to go back to its sender."""
    content = {
        "AcknowledgedMessageType": frame.message_type,
        "AcknowledgedMessageId": str(frame.message_id),
        "AcknowledgedMessageSequenceNumber": frame.sequence,
        "IsSequentialMessage": True,
    }
    return Frame(ACKNOWLEDGE, 0, json.dumps(content).encode(), created, flags=FLAG_ACKNOWLEDGE)


def _swap(halves: bytes) -> bytes:
    return halves[8:] + halves[:8]
