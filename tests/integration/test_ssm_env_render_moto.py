"""The module as a user runs it: by the ansible command, against the API over HTTP.

What a run may not leave anywhere is looked for where a run leaves things: output at the highest verbosity, the log, the
fact cache, the module files and arguments kept on the host, and the command lines of all processes meanwhile.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import collections
import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

boto3 = pytest.importorskip("boto3", reason="no boto3")
moto_server = pytest.importorskip("moto.server", reason="no moto (pip install 'moto[server,ssm]')")
serving = pytest.importorskip("werkzeug.serving", reason="no werkzeug (pip install 'moto[server,ssm]')")

from ansible_collections.popcon.deploy.plugins.module_utils._settings import dotenv

REGION = "ap-northeast-2"
# No encoding of text touches the core; the rest is what makes encodings differ.
CORE = "c4n4ryK7Qz"
CANARY = f'{CORE}$é"quoted"'
ANSIBLE = Path(sys.executable).parent / "ansible"
COLLECTIONS = Path(dotenv.__file__).parents[5]


class Api:
    """moto behind HTTP, counting actions."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
        self.calls: collections.Counter[str] = collections.Counter()

        def counted(environ: dict, start_response: t.Callable) -> t.Iterable[bytes]:
            self.calls[environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]] += 1
            return app(environ, start_response)

        self.server = serving.make_server("127.0.0.1", 0, counted, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.environment = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": REGION}
        self.client = boto3.client(
            "ssm",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="none",
        )


@pytest.fixture(scope="module")
def api() -> t.Iterator[Api]:
    api = Api()
    threading.Thread(target=api.server.serve_forever, daemon=True).start()
    yield api
    api.server.shutdown()


class Trace:
    """All that runs of Ansible left under one folder, and all command lines seen meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[bytes] = set()

    @contextlib.contextmanager
    def watch(self) -> t.Iterator[None]:
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.005):
                for process in Path("/proc").glob("[0-9]*"):
                    with contextlib.suppress(OSError):
                        self.seen.add((process / "cmdline").read_bytes())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def holds(self, value: str = CORE) -> list[str]:
        """Where the value is found, plain, as hex or as base64."""
        needles = {value.encode(), value.encode().hex().encode()}
        for before in range(3):
            # Whatever stands around it: the characters of base64 that depend on the value alone.
            encoded = base64.b64encode(b"\0" * before + value.encode())
            needles.add(encoded[-(-before * 8 // 6) : (before + len(value)) * 8 // 6])
        places = {str(file): file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
        places["command lines"] = b"\n".join(self.seen)
        return [place for place, content in places.items() if any(needle in content for needle in needles)]


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    (tmp_path / "trace").mkdir()
    return Trace(tmp_path / "trace")


@pytest.fixture
def ansible(api: Api, tmp_path: Path, trace: Trace) -> t.Callable[..., tuple[int, str]]:
    tmp_path.chmod(0o755)

    def ansible(*flags: str, **options: t.Any) -> tuple[int, str]:
        arguments = {"path": "/app", "dest": str(tmp_path / ".env"), "endpoint_url": api.url, **options}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_"))},
            **api.environment,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(trace.folder / "facts"),
            "ANSIBLE_DISPLAY_TRACEBACK": "always",
            "ANSIBLE_INJECT_INVOCATION": "1",
            "ANSIBLE_KEEP_REMOTE_FILES": "1",
            "ANSIBLE_LOG_PATH": str(trace.folder / "log"),
            "ANSIBLE_REMOTE_TMP": str(trace.folder / "remote"),
        }
        command = [
            *(
                str(ANSIBLE),
                "localhost",
                "-i",
                "localhost,",
                "-c",
                "local",
                "-e",
                f"ansible_python_interpreter={sys.executable}",
            ),
            *("-m", "popcon.deploy.ssm_env_render", "-a", json.dumps(arguments), *flags),
        ]
        with trace.watch():
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        output = done.stdout + done.stderr
        with (trace.folder / "output").open("a") as file:
            file.write(output)
        return done.returncode, output

    return ansible


@pytest.fixture
def secret(api: Api) -> t.Iterator[str]:
    api.client.put_parameter(Name="/app/DB_PASSWORD", Value=CANARY, Type="SecureString")
    yield CANARY
    api.client.delete_parameter(Name="/app/DB_PASSWORD")


@pytest.mark.skipif(not ANSIBLE.exists(), reason="no ansible command beside this Python")
def test_no_run_leaves_a_value_anywhere(ansible: t.Callable, secret: str, tmp_path: Path, trace: Trace) -> None:
    runs = [
        (0, "CHANGED", ("--check", "--diff"), {}),
        (0, "CHANGED", ("--diff",), {}),
        (0, "SUCCESS", ("--diff",), {}),
        (0, "CHANGED", ("--diff",), {"format": "portable"}),
        (2, "missing or empty: OTHER", (), {"contract_keys": ["OTHER"]}),
        (2, "Not in the contract: DB_PASSWORD", (), {"contract_keys": [], "unknown_keys": "refuse"}),
        (2, "No parameters under /nope", (), {"path": ["/app", "/nope"]}),
        (2, "do not exist: /app/DB_PASSWORD:7", (), {"pins": {"DB_PASSWORD": 7}}),
        (2, "no valid key", (), {"rename": {"DB_PASSWORD": "1-"}}),
        (2, "is not a plain file", (), {"dest": str(tmp_path / "trace")}),
    ]
    for code, words, flags, options in runs:
        returned, output = ansible("-vvvv", *flags, **options)
        assert (returned, words in output) == (code, True), output
    assert trace.seen
    assert (trace.folder / "log").stat().st_size > 10_000
    assert (tmp_path / ".env").read_text() == f"{dotenv.HEADER}DB_PASSWORD='{secret}'\n"
    assert trace.holds() == []


@pytest.mark.skipif(not ANSIBLE.exists(), reason="no ansible command beside this Python")
def test_the_search_finds_a_leak(ansible: t.Callable, api: Api, secret: str, trace: Trace) -> None:
    """What the module's documentation warns of: a secret as a task argument."""
    returned, _output = ansible("-vvvv", extra={"TOKEN": secret})
    assert returned == 0
    assert {Path(place).name for place in trace.holds()} >= {"log", "output", "command lines"}


@pytest.mark.skipif(not ANSIBLE.exists(), reason="no ansible command beside this Python")
def test_a_thousand_parameters_cost_a_hundred_calls(ansible: t.Callable, api: Api, tmp_path: Path) -> None:
    for number in range(1000):
        api.client.put_parameter(Name=f"/many/group{number % 10}/P{number:04}", Value=f"value {number}", Type="String")
    pages = api.client.get_paginator("get_parameters_by_path")
    api.calls.clear()
    start = time.monotonic()
    assert (
        sum(len(page["Parameters"]) for page in pages.paginate(Path="/many", Recursive=True, WithDecryption=True))
        == 1000
    )
    bare, needed = time.monotonic() - start, dict(api.calls)
    # A hundred, and moto's last and empty page.
    assert needed == {"GetParametersByPath": 101}

    api.calls.clear()
    start = time.monotonic()
    returned, output = ansible(path="/many")
    took = time.monotonic() - start
    assert returned == 0, output
    assert api.calls == needed
    assert len(dotenv.entries((tmp_path / ".env").read_bytes(), "compose")) == 1000
    print(f"\n1,000 parameters: {took:.1f} s by the ansible command, {bare:.1f} s for the calls alone")
