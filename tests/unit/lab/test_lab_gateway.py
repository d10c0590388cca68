"""The session gateway with real clients, our own and pyssm-client, and real shells on terminals of this machine."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets")

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

HERE = Path(__file__).resolve().parent
OURS = HERE.parents[2] / "lab" / "client" / "plugin.py"
PYSSM = HERE / "pyssm_plugin.py"
LAUNCHER = OURS.with_name("session-manager-plugin")


class Client:
    """A session-manager-plugin as a child process, its standard input and output pipes."""

    def __init__(self, program: Path, ticket: dict[str, str], **environment: str) -> None:
        arguments = [json.dumps(ticket), "ap-northeast-2", "StartSession", "", '{"Target": "i-1"}', "http://account"]
        self.process = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
        )
        self.output = b""

    def type(self, text: str) -> None:
        """Write to its standard input."""
        assert self.process.stdin
        self.process.stdin.write(text.encode())

    def until(self, text: str, seconds: float = 8.0) -> str:
        """Read its output up to and with the text."""
        assert self.process.stdout
        deadline = time.monotonic() + seconds
        while text.encode() not in self.output:
            if not select.select([self.process.stdout], [], [], deadline - time.monotonic())[0]:
                raise AssertionError(f"{text!r} not in {self.output!r}")
            data = self.process.stdout.read(65536)
            if not data:
                raise AssertionError(f"{text!r} not in {self.output!r}, and no more to come")
            self.output += data
        before, _dummy, self.output = self.output.partition(text.encode())
        return (before + text.encode()).decode()

    def wait(self) -> tuple[int, bytes]:
        """Its exit status and what it wrote to standard error."""
        _dummy, errors = self.process.communicate(timeout=8)
        return self.process.returncode, errors

    def quiet(self) -> Client:
        """Wait for the prompt and turn the echo off."""
        self.until("$ ")
        self.type("stty -echo; PS1=; echo ready''now\n")
        self.until("readynow\r\n")
        return self


@pytest.fixture(params=["ours", "pyssm"])
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Starts clients; none outlives its test."""
    clients: list[Client] = []

    def start(ticket: dict[str, str], **environment: str) -> Client:
        clients.append(Client(OURS if request.param == "ours" else PYSSM, ticket, **environment))
        return clients[-1]

    yield start
    for client in clients:
        client.process.kill()
        client.process.communicate()


@pytest.fixture
def ours() -> Iterator[Callable[..., Client]]:
    """Starts clients of our own."""
    clients: list[Client] = []
    yield lambda ticket: clients.append(Client(OURS, ticket)) or clients[-1]
    for client in clients:
        client.process.kill()
        client.process.communicate()


def gone(running: Any, seconds: float = 3.0) -> bool:
    """Whether the last shell has ended within some seconds."""
    deadline = time.monotonic() + seconds
    while running.shells[-1].process.poll() is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_what_is_typed_is_told(running: Any, start: Callable[..., Client]) -> None:
    client = start(running.start()).quiet()
    running.typed.clear()
    client.type("echo one\necho t''wo\n")
    client.until("two\r\n")
    assert b"".join(running.typed).replace(b"\r", b"\n") == b"echo one\necho t''wo\n"


def test_a_session_from_banner_to_end(running: Any, start: Callable[..., Client]) -> None:
    ticket = running.start()
    client = start(ticket)
    assert client.until("\n", 8) == "\n"
    assert client.until("\n") == f"Starting session with SessionId: {ticket['SessionId']}\n"
    client.quiet()
    client.type("tty; echo $TERM; echo | true; printf 'ünï🎉\\n'; exit 3\n")
    text = client.until("ünï🎉\r\n")
    assert text.startswith("/dev/") and "xterm-256color\r\n" in text and "error" not in text
    assert client.wait() == (0, b"")
    assert running.gateway.sessions[ticket["SessionId"]].status == "Terminated"


def test_a_megabyte_arrives_whole(running: Any, start: Callable[..., Client]) -> None:
    client = start(running.start()).quiet()
    client.type("i=0; while [ $i -lt 10000 ]; do printf '%099d\\n' $i; i=$((i+1)); done; echo the''end\n")
    lines = client.until("theend", 15).split("\r\n")
    assert lines[:-1] == [f"{number:099d}" for number in range(10_000)]


def test_much_input_while_nobody_reads(running: Any, ours: Callable[..., Client]) -> None:
    client = ours(running.start()).quiet()
    client.type("sleep 0.5; cat\n")
    line = "x" * 99 + "\n"
    for _dummy in range(600):
        client.type(line)
    client.type("last\n")
    assert client.until("last\r\n", 15).count("x") == 600 * 99


def test_terminate_ends_client_and_shell(running: Any, start: Callable[..., Client]) -> None:
    ticket = running.start()
    client = start(ticket).quiet()
    client.type("trap '' HUP; sleep 100\n")
    running.terminate(ticket["SessionId"])
    assert gone(running, 0)
    began = time.monotonic()
    assert client.wait() == (0, b"")
    assert time.monotonic() - began < 2
    running.terminate(ticket["SessionId"])


def test_end_of_input_ends_the_client(running: Any, ours: Callable[..., Client]) -> None:
    client = ours(running.start()).quiet()
    assert client.process.stdin
    client.type("echo last words\n")
    client.process.stdin.close()
    client.until("last words")
    client.process.stdin = None
    assert client.wait() == (0, b"")


def test_a_killed_client_leaves_no_shell(running: Any, ours: Callable[..., Client], monkeypatch: Any) -> None:
    monkeypatch.setattr("lab.account.gateway.RESUME_GRACE", 0.3)
    ours(running.start()).quiet().process.kill()
    assert gone(running)


def test_a_session_nobody_connects_to_ends(running: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("lab.account.gateway.CONNECT_GRACE", 0.1)
    ticket = running.start()
    time.sleep(0.3)
    assert running.gateway.sessions[ticket["SessionId"]].ended is not None
    assert running.gateway.call(running.gateway.resume(ticket["SessionId"])) == {"SessionId": ticket["SessionId"]}


def test_resuming_goes_on_where_it_broke(running: Any) -> None:
    from lab.account.frames import ACKNOWLEDGE, INPUT, OUTPUT, Frame, Payload, acknowledgement

    ticket = running.start()
    session = running.gateway.sessions[ticket["SessionId"]]
    seen: dict[int, bytes] = {}
    typed = iter(range(100))

    def converse(ticket: dict[str, str], lines: list[str], until: bytes, *, deaf: bool = False) -> None:
        with connect(ticket["StreamUrl"], proxy=None) as socket:
            socket.send(json.dumps({"TokenValue": ticket["TokenValue"]}))
            for _dummy in range(500):
                if seen and until in b"".join(seen[number] for number in sorted(seen)):
                    break
                frame = Frame.unpack(socket.recv(timeout=5))
                if frame.message_type == ACKNOWLEDGE:
                    continue
                assert frame.message_type == OUTPUT
                seen[frame.sequence] = frame.payload if frame.payload_type == Payload.DATA else b""
                if not deaf or frame.payload_type != Payload.DATA:
                    socket.send(acknowledgement(frame, 1).pack())
                if frame.payload_type == Payload.HANDSHAKE_REQUEST:
                    socket.send(Frame(INPUT, next(typed), b"{}", 1, Payload.HANDSHAKE_RESPONSE).pack())
                if frame.payload_type == Payload.HANDSHAKE_COMPLETE or frame.sequence > 1:
                    while lines:
                        socket.send(Frame(INPUT, next(typed), lines.pop(0).encode(), 1, Payload.DATA).pack())
            running.drop(ticket["SessionId"])

    # What this connection shows it does not acknowledge, so the next one gets it again.
    converse(ticket, ["stty -echo; PS1=; echo fir''st\n"], b"first", deaf=True)
    resumed = running.gateway.call(running.gateway.resume(ticket["SessionId"]))
    assert resumed["TokenValue"] != ticket["TokenValue"]
    first = dict(seen)
    seen.clear()
    converse(resumed, ["echo sec''ond\n"], b"second")
    assert {number: seen.get(number) for number in first if number > 1} == {n: p for n, p in first.items() if n > 1}
    assert session.ended is None
    running.terminate(ticket["SessionId"])


def test_refused_tokens_and_unknown_sessions(running: Any, ours: Callable[..., Client]) -> None:
    ticket = running.start()
    client = ours({**ticket, "TokenValue": "wrong"})
    status, errors = client.wait()
    assert (status, errors) == (1, b"")
    with pytest.raises(InvalidStatus, match="404"):
        connect(ticket["StreamUrl"].replace(ticket["SessionId"], "nobody"), proxy=None)
    assert running.shells == []


def test_a_dead_endpoint_ends_the_client(ours: Callable[..., Client]) -> None:
    client = ours({"SessionId": "s", "TokenValue": "t", "StreamUrl": "ws://127.0.0.1:9/v1/data-channel/s"})
    client.until("Cannot perform start session")
    assert client.wait() == (1, b"")


def test_a_broken_connection_ends_the_client(running: Any, ours: Callable[..., Client]) -> None:
    ticket = running.start()
    client = ours(ticket).quiet()
    running.drop(ticket["SessionId"])
    client.until("Cannot perform start session")
    assert client.wait() == (1, b"")


def test_a_shell_that_cannot_start_is_told(running: Any, ours: Callable[..., Client], monkeypatch: Any) -> None:
    from lab.account.engine import EngineError

    async def fail(container: str) -> None:
        raise EngineError("no user ssm-user")

    monkeypatch.setattr(running.gateway, "_start_shell", fail)
    client = ours(running.start())
    client.until("no user ssm-user")
    assert client.wait() == (0, b"")


def test_the_first_output_can_be_late_as_the_agents(
    running: Any, ours: Callable[..., Client], monkeypatch: Any
) -> None:
    monkeypatch.setattr(running.gateway, "_first_output_delay", lambda: 0.7)
    began = time.monotonic()
    ours(running.start()).until("$ ")
    assert time.monotonic() - began > 0.7


def test_ticket_in_an_environment_variable(running: Any) -> None:
    name = "AWS_SSM_START_SESSION_RESPONSE_1"
    environment = {**os.environ, name: json.dumps(running.start()), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, str(OURS), name, "ap-northeast-2", "StartSession"]
    done = subprocess.run(command, input=b"exit\n", capture_output=True, env=environment, timeout=8, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Exiting session with sessionId: tester-" in done.stdout


def test_version_and_misuse() -> None:
    environment = {**os.environ, "POPCON_LAB_PYTHON": sys.executable}

    def run(*arguments: str) -> tuple[int, bytes, bytes]:
        done = subprocess.run([str(LAUNCHER), *arguments], capture_output=True, env=environment, timeout=8, check=False)
        return done.returncode, done.stdout, done.stderr

    assert run("--version") == (0, b"1.2.0.0\n", b"")
    assert run("{}", "ap-northeast-2", "Dance") == (1, b"Invalid Operation\n", b"")
    assert run("{}", "ap-northeast-2", "StartSession") == (1, b"Invalid StartSession response\n", b"")
