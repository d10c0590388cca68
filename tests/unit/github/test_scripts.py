"""The scripts of the workflows, run as they are there; GitHub's API is a server on this machine."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

SCRIPTS = Path(__file__).parents[3] / ".github/scripts"
BOT = "github-actions[bot]"


class GitHub:
    """The comments of one pull request, and what was asked."""

    def __init__(self):
        self.comments = []
        self.asked = []

    def add(self, body, login):
        self.comments.append({"id": 100 + len(self.comments), "user": {"login": login}, "body": body})

    def answer(self, handler):
        path = urlsplit(handler.path)
        self.asked.append((handler.command, path.path, handler.headers["Authorization"]))
        content = json.loads(handler.rfile.read(int(handler.headers.get("Content-Length", 0))) or "{}")
        if handler.command == "GET":
            query = {name: int(values[0]) for name, values in parse_qs(path.query).items()}
            first = (query["page"] - 1) * query["per_page"]
            reply = self.comments[first : first + query["per_page"]]
        elif handler.command == "POST":
            self.add(content["body"], BOT)
            reply = self.comments[-1]
        else:
            reply = next(comment for comment in self.comments if comment["id"] == int(path.path.rpartition("/")[2]))
            reply["body"] = content["body"]
        body = json.dumps(reply).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def github():
    stub = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            stub.answer(self)

        do_POST = do_PATCH = do_GET

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield stub
    server.shutdown()
    server.server_close()


@pytest.fixture
def comment(github, tmp_path):
    """Put a text into the comment of a title."""

    def comment(text, title="Plan for inventories/dev"):
        file = tmp_path / "plan.txt"
        file.write_text(text)
        environment = {
            "PATH": os.environ["PATH"], "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "team/gitops", "PULL_REQUEST": "7",
            "GH_TOKEN": "token", "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        subprocess.run([sys.executable, SCRIPTS / "comment.py", title, file], env=environment, check=True)

    return comment


def test_a_plan_has_one_comment_that_is_kept_up_to_date(github, comment):
    github.add("<!-- popcon.deploy: Plan for inventories/dev --> looks like one", "somebody")
    for number in range(150):
        github.add(f"Comment {number}", BOT)
    comment("one\n```\n@everybody <b>\n")
    comment("two")
    comment("three", title="Plan for inventories/prod")
    assert len(github.comments) == 153
    assert github.comments[0]["body"].endswith("looks like one")
    assert (
        github.comments[151]["body"]
        == "<!-- popcon.deploy: Plan for inventories/dev -->\n### Plan for inventories/dev\n\n    two"
    )
    assert github.comments[152]["body"].endswith("\n    three")
    assert {(method, path) for method, path, _token in github.asked} == {
        ("GET", "/repos/team/gitops/issues/7/comments"),
        ("POST", "/repos/team/gitops/issues/7/comments"),
        ("PATCH", "/repos/team/gitops/issues/comments/251"),
    }
    assert {token for _method, _path, token in github.asked} == {"Bearer token"}


def test_all_of_a_plan_is_code(github, comment):
    comment("one\n```\n@everybody <b>\n\nlast")
    _mark, _title, _blank, *lines = github.comments[0]["body"].splitlines()
    assert lines == ["    one", "    ```", "    @everybody <b>", "    ", "    last"]


def test_of_a_long_plan_the_end_is_shown(github, comment):
    comment("".join(f"line {number}\n" for number in range(10_000)))
    body = github.comments[0]["body"]
    assert 50_000 < len(body) < 65_536
    assert body.endswith("\n    line 9999")
    (shown,) = re.findall(r"The last (\d+) lines of 10000; the run has all\.", body)
    assert body.count("    line ") == int(shown)


def with_values(values, *command):
    environment = {"PATH": os.environ["PATH"], "KEPT": "1", **({} if values is None else {"VALUES": values})}
    return subprocess.run(
        [sys.executable, SCRIPTS / "with_values.py", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_values_go_to_the_command_and_nowhere_else():
    show = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    password = 'a"b$c\nd'
    done = with_values(json.dumps({"POPCON_DB_PASSWORD": password}), *show)
    seen = json.loads(done.stdout)
    assert (seen["POPCON_DB_PASSWORD"], seen["KEPT"]) == (password, "1")
    assert "VALUES" not in seen
    for nothing in (None, ""):
        assert "KEPT" in json.loads(with_values(nothing, *show).stdout)
    assert with_values("{}", "sh", "-c", "exit 3").returncode == 3


@pytest.mark.parametrize("values", ["CANARY", '["CANARY"]', '{"A": 1, "B": "CANARY"}', '{"A": null, "B": "CANARY"}'])
def test_values_that_are_refused(values):
    done = with_values(values, "true")
    assert done.returncode == 1
    assert "The secret `values` is not" in done.stderr
    assert "CANARY" not in done.stdout + done.stderr
