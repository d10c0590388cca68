"""What reading 1,000 parameters costs: ssm_env_render against `aws ssm get-parameters-by-path`, in one run.

After `make setup`, and with the AWS CLI on the PATH (`pip install awscli`, in an environment of its own):

    PYTHONPATH=.venv/collections .venv/bin/python benchmarks/parameters.py

Both are whole processes, from the start of Python to the end, and ask one moto server (in this process) by HTTP. The
module also checks, renders and writes the file, which is new each time; the CLI prints JSON. They take turns, and the
medians are compared.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

REGION = "ap-northeast-2"
PATH = "/benchmark"
PARAMETERS = 1000
ROUNDS = 5
MODULE = "ansible_collections.popcon.deploy.plugins.modules.ssm_env_render"


@dataclass
class Server:
    """moto behind HTTP: its URL, and how often each action was asked for."""

    url: str
    calls: collections.Counter[str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that asks this server; nothing of the user's own AWS settings is in it."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **own,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "NO_PROXY": "127.0.0.1",
        }


@dataclass
class Cost:
    """What one way to read all parameters cost: seconds, the API calls by action, and how many it read."""

    seconds: float
    calls: dict[str, int]
    read: int


@contextlib.contextmanager
def serve(parameters: int) -> t.Iterator[Server]:
    """A server that holds so many SecureStrings, at two depths."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    calls: collections.Counter[str] = collections.Counter()

    def counted(environ: dict, start_response: t.Callable) -> t.Iterable[bytes]:
        calls[environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]] += 1
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, counted, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "none"}
        ssm = boto3.client("ssm", endpoint_url=url, region_name=REGION, **keys)
        for number in range(parameters):
            name = f"{PATH}/group{number % 10}/P{number:04}"
            ssm.put_parameter(Name=name, Value=f"value {number} $x", Type="SecureString", Overwrite=True)
        yield Server(url, calls)
    finally:
        server.shutdown()


def _cost(server: Server, command: list[str]) -> tuple[Cost, bytes]:
    server.calls.clear()
    start = time.perf_counter()
    output = subprocess.run(command, env=server.environment, stdout=subprocess.PIPE, check=True).stdout
    return Cost(time.perf_counter() - start, dict(server.calls), 0), output


def by_module(server: Server) -> Cost:
    """Read by the module, started as Ansible starts it on a host: one process, the arguments in a file."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = {"path": [PATH], "dest": f"{folder}/.env"}
        file = Path(folder, "arguments.json")
        file.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        cost, output = _cost(server, [sys.executable, "-m", MODULE, str(file)])
    cost.read = json.loads(output)["counts"]["parameter"]
    return cost


def by_cli(server: Server) -> Cost:
    """Read by the AWS CLI on the PATH."""
    options = ["--path", PATH, "--recursive", "--with-decryption", "--output", "json"]
    cost, output = _cost(server, ["aws", "ssm", "get-parameters-by-path", *options])
    cost.read = len(json.loads(output)["Parameters"])
    return cost


def main() -> None:
    """Measure and print."""
    if shutil.which("aws") is None:
        sys.exit("The AWS CLI is not on the PATH: pip install awscli, in an environment of its own.")
    print(subprocess.run(["aws", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    with serve(PARAMETERS) as server:
        turns = [(by_module(server), by_cli(server)) for _dummy in range(ROUNDS)]
    medians = []
    for name, costs in zip(("ssm_env_render", "aws ssm get-parameters-by-path"), zip(*turns)):
        seconds = sorted(cost.seconds for cost in costs)
        medians.append(statistics.median(seconds))
        (calls,) = {tuple(sorted(cost.calls.items())) for cost in costs}
        (read,) = {cost.read for cost in costs}
        spread = f"{seconds[0]:.2f} to {seconds[-1]:.2f}"
        print(f"{name:31} {read} parameters  {medians[-1]:.2f} s ({spread})  API calls: {dict(calls)}")
    print(f"ssm_env_render takes {medians[0] / medians[1]:.2f} times the CLI's time (medians of {ROUNDS} turns)")


if __name__ == "__main__":
    main()
