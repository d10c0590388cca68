"""What the application's users notice of a deployment: a steady load, and for how long it was not answered."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from typing import NamedTuple
from urllib.parse import urlsplit

GOOD = "200"


class Answer(NamedTuple):
    """How one request went. Times are seconds since the load began."""

    sent: float
    done: float
    #: The HTTP status, or `timeout`, `refused` (nobody listens) or `broken` (no whole answer, or none that is HTTP).
    kind: str


def outages(answers: Iterable[Answer], ended: float) -> Iterator[tuple[float, float]]:
    """When the service may have been down, in seconds since the load began.

    From the last request before a failed one that was answered well to the first after it, by the times they were sent:
    never too short, and too long by no more than two pauses between requests. `ended` is when the load did.
    """
    good, failed = 0.0, False
    for answer in sorted(answers):
        if answer.kind != GOOD:
            failed = True
            continue
        if failed:
            yield good, answer.sent
        good, failed = answer.sent, False
    if failed:
        yield good, ended


class Load:
    """Requests a URL at a steady rate while the `with` block runs; the numbers are complete after it.

    A request is sent when its time has come, whether or not those before it were answered, so a service that stops
    answering is asked as often as one that does.

    :param url: http://host:port/path, asked without a proxy.
    :param rate: requests per second.
    :param timeout: seconds until a request that was not wholly answered counts as failed.
    """

    def __init__(self, url: str, rate: float = 20, timeout: float = 2) -> None:
        self._url = urlsplit(url)
        self._rate = rate
        self._timeout = timeout
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.answers: list[Answer] = []
        #: Seconds the load lasted.
        self.seconds = 0.0

    def __enter__(self) -> Load:
        self._began = time.monotonic()
        self._end = self._pool.submit(asyncio.run, self._run())
        return self

    def __exit__(self, *_dummy: object) -> None:
        self.seconds = self._now()
        self._ending.set()
        self._pool.shutdown()
        # A load that broke off would have counted too few failures.
        self._end.result()

    @property
    def requests(self) -> int:
        """How many were sent."""
        return len(self.answers)

    @property
    def failed(self) -> int:
        """How many were not answered with 200 in time."""
        return self.requests - self.statuses[GOOD]

    @property
    def statuses(self) -> Counter[str]:
        """How many there are of each kind of answer."""
        return Counter(answer.kind for answer in self.answers)

    @property
    def downtime(self) -> float:
        """Seconds in which the service may have been down, see `outages`."""
        return sum(end - start for start, end in outages(self.answers, self.seconds))

    @property
    def longest_gap(self) -> float:
        """The most seconds without a good answer arriving: a service that only gets slow shows here."""
        arrived = sorted(answer.done for answer in self.answers if answer.kind == GOOD and answer.done < self.seconds)
        return max(later - earlier for earlier, later in pairwise([0.0, *arrived, self.seconds]))

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as requests:
            for number in count():
                await asyncio.sleep(number / self._rate - self._now())
                if self._ending.is_set():
                    break
                requests.create_task(self._request())

    async def _request(self) -> None:
        sent = self._now()
        try:
            async with asyncio.timeout(self._timeout):
                kind = await self._ask()
        except TimeoutError:
            kind = "timeout"
        except ConnectionRefusedError:
            kind = "refused"
        except OSError:
            kind = "broken"
        self.answers.append(Answer(sent, self._now(), kind))

    async def _ask(self) -> str:
        reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        try:
            writer.write(f"GET {self._url.path} HTTP/1.0\r\nHost: {self._url.netloc}\r\n\r\n".encode())
            answer = await reader.read(-1)
        finally:
            writer.close()
        whole = re.match(rb"HTTP/1\.\d (\d{3}) .*?\r\n\r\n.", answer, re.DOTALL)
        return whole[1].decode() if whole else "broken"

    def _now(self) -> float:
        return time.monotonic() - self._began
