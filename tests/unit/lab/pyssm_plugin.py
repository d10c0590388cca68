"""pyssm-client as a session-manager-plugin: a data-channel client that is not ours, to test the gateway against.

Takes the arguments of AWS's plugin. What pyssm-client's own command lacks for that: the banner, standard input from a
pipe, bytes instead of text, and a silent standard error.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

from pyssm_client.communicator.data_channel import SessionDataChannel
from pyssm_client.communicator.utils import create_websocket_config


def write(data: bytes) -> None:
    """Write all of it to standard output."""
    while data:
        data = data[os.write(1, data) :]


async def main() -> None:
    """Pass bytes both ways until the session is over, or 2 s after the end of standard input."""
    ticket = json.loads(sys.argv[1])
    write(f"\nStarting session with SessionId: {ticket['SessionId']}\n".encode())
    channel = SessionDataChannel(create_websocket_config(ticket["StreamUrl"], ticket["TokenValue"]))
    ready, closed = asyncio.Event(), asyncio.Event()
    channel.set_raw_input_handler(write)
    channel.set_handshake_complete_handler(ready.set)
    channel.set_closed_handler(closed.set)
    if not await channel.open():
        os._exit(1)
    typed: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        data = os.read(0, 1024)
        if not data:
            asyncio.get_running_loop().remove_reader(0)
        typed.put_nowait(data)

    async def send() -> None:
        await ready.wait()
        while data := await typed.get():
            await channel.send_raw_input_data(data)
        await asyncio.sleep(2)

    asyncio.get_running_loop().add_reader(0, read)
    jobs = [asyncio.create_task(send()), asyncio.create_task(closed.wait())]
    await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    os._exit(0)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main())
