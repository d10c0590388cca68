"""The engine's API, as a server at a socket of this machine plays it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine, EngineError, epoch


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def engine(tmp_path: Path):
    """An engine; `answers` has status and body by method and path without query, `asked` what was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            path = self.path.partition("?")[0]
            made.asked.append((self.command, self.path, self.headers.get("X-Registry-Auth")))
            status, body = made.answers.get((self.command, path), (404, {"message": f"no such thing: {path}"}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        do_GET = do_DELETE = answer

        def address_string(self) -> str:
            return ""

        def log_message(self, *_args: object) -> None:
            pass

    path = str(tmp_path / "docker.sock")
    made = Engine(path)
    made.answers, made.asked = {("GET", "/_ping"): (200, b"OK")}, []
    server = Server(path, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def test_containers_of_a_project_without_those_that_go_meanwhile(engine):
    engine.answers["GET", "/containers/json"] = (200, [{"Id": "b"}, {"Id": "gone"}, {"Id": "a"}])
    engine.answers["GET", "/containers/a/json"] = (200, {"Name": "/a"})
    engine.answers["GET", "/containers/b/json"] = (200, {"Name": "/b"})
    assert [one["Name"] for one in engine.containers("app")] == ["/a", "/b"]
    assert "com.docker.compose.project%3Dapp" in engine.asked[0][1] and "oneoff%3DFalse" in engine.asked[0][1]


def test_projects_in_a_folder(engine):
    label = "com.docker.compose.project"
    where = {"b": "/opt/app", "a": "/opt/app/prod", "c": "/opt/app2", "d": "/opt"}
    listed = [{"Labels": {label: name, f"{label}.working_dir": folder}} for name, folder in where.items()]
    engine.answers["GET", "/containers/json"] = (200, [*listed, listed[0]])
    assert engine.projects_in("/opt/app") == ["a", "b"]
    assert "all=1" in engine.asked[0][1]


def test_images(engine):
    engine.answers["GET", "/images/reg:5000/app@sha256:1/json"] = (200, {"Id": "sha256:2", "Size": 7})
    assert engine.image_id("reg:5000/app@sha256:1") == "sha256:2"
    assert engine.image_size("reg:5000/app@sha256:1") == 7
    assert engine.image_id("other") is None and engine.image_size("other") is None


@pytest.mark.parametrize(("status", "removed"), [(200, True), (404, False), (409, False)])
def test_removing_an_image_that_is_used_or_gone_is_no_error(engine, status, removed):
    engine.answers["DELETE", "/images/app@sha256:1"] = (status, {"message": "conflict"})
    assert engine.remove_image("app@sha256:1") is removed
    assert engine.asked == [("DELETE", "/images/app@sha256:1", None)]


def test_the_registry_is_asked_with_the_login(engine):
    engine.answers["GET", "/distribution/app:1/json"] = (200, {"Descriptor": {"digest": "sha256:3"}})
    assert engine.registry_digest("app:1", "header") == "sha256:3"
    assert engine.asked[0][2] == "header"
    with pytest.raises(EngineError) as caught:
        engine.registry_digest("secret", None)
    # What the engine said may quote a registry.
    assert caught.value.message == "no such thing: /distribution/secret/json" and "secret" not in str(caught.value)


def test_logs_of_both_kinds(engine):
    pieces = b"\1\0\0\0\0\0\0\3out" + b"\2\0\0\0\0\0\0\4err\n"
    engine.answers["GET", "/containers/x/logs"] = (200, pieces)
    assert engine.logs("x", 5) == "outerr\n"
    assert "tail=5" in engine.asked[0][1]
    engine.answers["GET", "/containers/x/logs"] = (200, b"of a terminal\n")
    assert engine.logs("x", 5) == "of a terminal\n"


def test_one_thing_by_its_name(engine):
    engine.answers["GET", "/containers/web/json"] = (200, {"Name": "/web"})
    engine.answers["GET", "/networks/edge"] = (200, {"Name": "edge", "Id": "e1"})
    engine.answers["GET", "/networks/e1"] = (200, {"Name": "edge", "Id": "e1"})
    engine.answers["GET", "/volumes/data"] = (200, {"Name": "data"})
    assert engine.container("web")["Name"] == "/web" and engine.volume("data")["Name"] == "data"
    assert engine.network("edge")["Id"] == engine.network("e1")["Id"] == "e1"
    assert engine.container("x") == engine.network("x") == engine.volume("x") == {}
    # By the beginning of an id the engine finds another one.
    engine.answers["GET", "/containers/4f/json"] = (200, {"Name": "/web", "Id": "4f0c"})
    engine.answers["GET", "/networks/4f"] = (200, {"Name": "edge", "Id": "4f0c"})
    assert engine.container("4f") == engine.network("4f") == {}
    engine.answers["GET", "/volumes/broken"] = (500, {"message": "x"})
    with pytest.raises(EngineError):
        engine.volume("broken")


def test_volumes_of_a_project(engine):
    engine.answers["GET", "/volumes"] = (200, {"Volumes": None})
    assert engine.volumes("app") == []
    engine.answers["GET", "/volumes"] = (200, {"Volumes": [{"Name": "app_db"}]})
    assert engine.volumes("app") == [{"Name": "app_db"}] and "com.docker.compose.project%3Dapp" in engine.asked[-1][1]


def test_platform(engine):
    engine.answers["GET", "/version"] = (200, {"Os": "linux", "Arch": "arm64"})
    assert engine.platform() == ("linux", "arm64")


def test_data_folder(engine):
    engine.answers["GET", "/info"] = (200, {"DockerRootDir": "/var/lib/docker"})
    assert engine.data_folder() == "/var/lib/docker"


def test_waiting_for_an_engine_that_restarts(engine, monkeypatch):
    engine.answers["GET", "/_ping"] = (503, b"")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            engine.answers["GET", "/_ping"] = (200, b"OK")

    monkeypatch.setattr("time.sleep", sleep)
    engine.wait_until_back(60)
    assert len(slept) == 3
    engine.answers["GET", "/_ping"] = (503, b"")
    with pytest.raises(EngineError, match="status 503"):
        engine.wait_until_back(0)


def test_nobody_at_the_socket_is_named(tmp_path):
    nobody = Engine(str(tmp_path / "none.sock"))
    with pytest.raises(DeployError, match=r"does not answer at .*none\.sock \(FileNotFoundError\)"):
        nobody.wait_until_back(0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-02T03:00:00Z", 0.0),
        ("2026-01-02T03:00:00.5Z", 0.5),
        ("2026-01-02T12:00:00.123456789+09:00", 0.123456789),
        ("2026-01-01T22:30:00-04:30", 0.0),
    ],
)
def test_times_as_the_engine_writes_them(text, seconds):
    assert epoch(text) == pytest.approx(1767322800.0 + seconds, abs=1e-6)


def test_a_time_that_is_none_is_in_no_past():
    assert epoch("x") == float("inf")
