"""HTTP checks against a real server on this machine."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import threading

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._release import http_check
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck


@pytest.fixture
def server(monkeypatch):
    """A server that answers with `statuses`, the last one for ever; a redirect leads to /ok."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            made.asked.append(self.path)
            status = 200 if self.path == "/ok" else made.statuses.pop(0) if len(made.statuses) > 1 else made.statuses[0]
            if status is None:
                self.wfile.write(b"not http\r\n")
                return
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/ok")
            self.end_headers()

        def log_message(self, *_args):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.statuses, made.asked = [200], []
    made.url = f"http://127.0.0.1:{made.server_port}/health"
    monkeypatch.setattr(http_check, "PAUSE_SECONDS", 0.01)
    # What a proxy would answer would say nothing of the host.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_it_is_asked_until_the_answer_is_as_wanted(server):
    server.statuses, said = [503, 503, 302, 204], []
    http_check.wait_for(HttpCheck(server.url, 204), 10, said.append)
    assert len(server.asked) == 4 and "/ok" not in server.asked
    assert said == [f"waiting for {server.url}: status 503", f"waiting for {server.url}: status 302"]


@pytest.mark.parametrize(("status", "answer"), [(500, "status 500"), (302, "status 302"), (None, r"no answer \(\w+\)")])
def test_another_answer_is_named_in_the_end(server, status, answer):
    server.statuses = [status]
    with pytest.raises(DeployError, match=f"{server.url} gave {answer} instead of status 200 for 0 s"):
        http_check.wait_for(HttpCheck(server.url, 200), 0, lambda _text: None)


def test_nobody_there():
    assert http_check.ask("http://127.0.0.1:1/") == "no answer (URLError)"
