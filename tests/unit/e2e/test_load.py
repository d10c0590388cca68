"""The load generator counts what it says it counts, on a server that fails in every way."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

import pytest
from ansible_collections.popcon.deploy.tests.e2e.load import Answer, Load, outages

GOOD = b"HTTP/1.0 200 OK\r\n\r\nwell"
UNWELL = b"HTTP/1.0 503 Service Unavailable\r\n\r\nunwell"
#: Accepted, never answered.
HANG = b""


class Server:
    """Gives each connection the next of the answers; then it is gone."""

    def __init__(self, *answers: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answers = answers
        self.hanging: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/health"
        self.gone = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for answer in self._answers:
            connection, _dummy = self._listener.accept()
            if answer == HANG:
                self.hanging.append(connection)
                continue
            connection.recv(1000)
            connection.sendall(answer)
            connection.close()
        self._listener.close()
        self.gone.set()


def seen(*kinds: str) -> list[Answer]:
    """A request each second."""
    return [Answer(second, second + 0.5, kind) for second, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("", []),
        ("g", []),
        ("gggg", []),
        ("ggfgg", [(1, 3)]),
        ("gffffg", [(0, 5)]),
        # Between two good answers it may have been down twice: each counts.
        ("gfgfg", [(0, 2), (2, 4)]),
        ("ffgg", [(0, 2)]),
        ("ggff", [(1, 9)]),
        ("ff", [(0, 9)]),
    ],
)
def test_an_outage_lasts_from_one_good_answer_to_the_next(kinds, expected):
    answers = seen(*({"g": "200", "f": "refused"}[kind] for kind in kinds))
    assert list(outages(answers, 9)) == expected
    assert list(outages(reversed(answers), 9)) == expected, "they arrive in another order than they were sent in"


def test_each_failure_is_counted_by_its_kind():
    server = Server(*[GOOD] * 3, *[UNWELL] * 4, *[GOOD] * 2, b"not HTTP", GOOD[:-4], HANG, HANG, GOOD)
    with Load(server.url, rate=50, timeout=0.3) as load:
        assert server.gone.wait(20)
        while not load.statuses["refused"]:
            time.sleep(0.01)
    statuses = load.statuses
    refused = statuses.pop("refused")
    assert statuses == Counter({"200": 6, "503": 4, "broken": 2, "timeout": 2})
    assert load.requests == 14 + refused and load.failed == 8 + refused
    assert [end for _dummy, end in outages(load.answers, load.seconds)][-1] == load.seconds
    assert 0 < load.downtime <= load.seconds


def test_a_service_that_stays_up_has_no_downtime():
    server = Server(*[GOOD] * 1000)
    with Load(server.url, rate=100) as load:
        while load.requests < 20:
            time.sleep(0.01)
    assert load.failed == 0 and load.downtime == 0
    assert load.statuses == {"200": load.requests}


def test_who_does_not_answer_is_asked_as_often():
    server = Server(*[HANG] * 40)
    with Load(server.url, rate=100, timeout=30) as load:
        # All of them before the first has timed out; those after them find nobody.
        assert server.gone.wait(20)
        assert set(load.statuses) <= {"refused"}
        server.hanging.clear()
    assert load.statuses["broken"] + load.statuses["refused"] == load.requests >= 40
    assert load.downtime == load.longest_gap == load.seconds


def test_the_longest_gap_shows_a_service_that_is_only_slow():
    load = Load("http://127.0.0.1:1/")
    load.answers = [Answer(0, 0.1, "200"), Answer(1, 3.5, "200"), Answer(2, 2.1, "503"), Answer(3, 4, "200")]
    load.seconds = 5
    assert load.longest_gap == pytest.approx(3.4)


def test_a_load_that_broke_off_is_an_error(monkeypatch):
    async def ask(_dummy):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Load, "_ask", ask)
    with pytest.raises(Exception, match="unhandled errors"), Load("http://127.0.0.1:1/") as load:
        load._end.exception(10)
