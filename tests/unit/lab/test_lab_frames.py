"""The data channel's codec against the one of pyssm-client, an implementation that is not ours."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from uuid import UUID

import pytest
from pyssm_client.communicator import protocol

from lab.account.frames import ACKNOWLEDGE, OUTPUT, BadFrame, Frame, Payload, acknowledgement

MESSAGE_ID = UUID("01234567-89ab-cdef-0011-223344556677")
FRAME = Frame(OUTPUT, 7, "héllo\n".encode(), 1_700_000_000_123, Payload.DATA, 1, MESSAGE_ID)


def test_layout_byte_for_byte() -> None:
    data = FRAME.pack()
    assert data[:4] == (116).to_bytes(4, "big")
    assert data[4:36] == b"output_stream_data" + b" " * 14
    assert data[36:40] == (1).to_bytes(4, "big")
    assert data[40:48] == (1_700_000_000_123).to_bytes(8, "big")
    assert data[48:56] == (7).to_bytes(8, "big")
    assert data[56:64] == (1).to_bytes(8, "big")
    assert data[64:80].hex() == "0011223344556677" + "0123456789abcdef"
    assert data[112:116] == (1).to_bytes(4, "big")
    assert data[116:120] == (7).to_bytes(4, "big")
    assert data[120:] == "héllo\n".encode()
    assert Frame.unpack(data) == FRAME


def test_pyssm_reads_what_we_write() -> None:
    read = protocol.parse_client_message(FRAME.pack())
    assert (read.header_length, read.message_type, read.schema_version) == (116, OUTPUT, 1)
    assert (read.created_date, read.sequence_number, read.flags) == (1_700_000_000_123, 7, 1)
    assert read.get_message_id_string() == str(MESSAGE_ID)
    assert (read.payload_type, read.payload_length, read.payload) == (1, 7, FRAME.payload)


def test_we_read_what_pyssm_writes() -> None:
    data = protocol.serialize_client_message(
        message_type=OUTPUT,
        schema_version=1,
        created_date=1_700_000_000_123,
        sequence_number=7,
        flags=1,
        message_id=MESSAGE_ID.bytes,
        payload=FRAME.payload,
        payload_type=1,
    )
    assert data == FRAME.pack()
    assert Frame.unpack(data) == FRAME


def test_acknowledgements_agree_with_pyssm() -> None:
    theirs = Frame.unpack(protocol.create_acknowledge_message(protocol.parse_client_message(FRAME.pack())))
    ours = acknowledgement(FRAME, 1)
    assert (theirs.message_type, theirs.flags, theirs.sequence) == (ours.message_type, ours.flags, ours.sequence)
    assert (
        theirs.json()
        == ours.json()
        == {
            "AcknowledgedMessageType": OUTPUT,
            "AcknowledgedMessageId": str(MESSAGE_ID),
            "AcknowledgedMessageSequenceNumber": 7,
            "IsSequentialMessage": True,
        }
    )


def test_padding_with_nuls_is_read_too() -> None:
    data = bytearray(Frame(ACKNOWLEDGE, 0, b"{}", 1).pack())
    data[4:36] = b"acknowledge".ljust(32, b"\0")
    assert Frame.unpack(bytes(data)).message_type == ACKNOWLEDGE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 119,
        FRAME.pack()[:-1],
        FRAME.pack() + b"x",
        FRAME.pack()[:-1] + b"!",
        b"\0\0\0\x78" + FRAME.pack()[4:],
    ],
    ids=["empty", "short", "payload cut", "payload longer", "wrong digest", "other header"],
)
def test_broken_frames_are_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        Frame.unpack(data)


@pytest.mark.parametrize("payload", [b"{", b"[]", json.dumps("text").encode()])
def test_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(BadFrame):
        Frame(ACKNOWLEDGE, 0, payload, 1).json()
