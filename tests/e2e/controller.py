"""What a person at the controller does, and what they can see from there."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lab import config, gitops, stack, state

ROOT = Path(__file__).parents[2]
DEPLOY = "playbooks/deploy.yml"
ROTATE = "playbooks/rotate_secrets.yml"
#: On a host: the project's folder, and what is remembered of the project.
PROJECT = "/opt/popcon/app"
STATE = "/var/lib/popcon/projects/popcon"


def python_m_lab(*arguments: str) -> str:
    """Run one of the lab's commands; its output."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@dataclass
class Run:
    """A finished ansible-playbook: its exit status and everything it printed."""

    status: int
    output: str

    @property
    def words(self) -> str:
        """What it printed, as long lines are before they are folded."""
        return " ".join(self.output.split())

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The numbers of the recap, by host."""
        lines = re.findall(r"^(\S+)\s+: (ok=.*)$", self.output, re.MULTILINE)
        return {host: {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", numbers)} for host, numbers in lines}

    @property
    def changed(self) -> int:
        """Changed tasks on all hosts."""
        return sum(numbers["changed"] for numbers in self.recap.values())


class Started:
    """An ansible-playbook that runs.

    :param process: its standard output and error go to `log`.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid

    @property
    def output(self) -> str:
        """What it printed so far."""
        log = self._log.fileno()
        return os.pread(log, os.fstat(log).st_size, 0).decode(errors="replace")

    def wait(self, seconds: float | None = None) -> Run:
        """Wait for its end, for so long at most; else `subprocess.TimeoutExpired`."""
        self._process.wait(seconds)
        print(self.output)
        return Run(self._process.returncode, self.output)


def push(service: str, version: str, fault: str = "none") -> None:
    """Build an image of the app, of this version and with this fault, and push it."""
    python_m_lab("push", service, "--version", version, "--fault", fault)


def version(controller: Controller, host: int = 0) -> Any:
    """Of the back end, as the front end hears it."""
    return controller.health(host)["backend"]["version"]


def changed_between(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The services whose containers differ."""
    return {service for service in before.keys() | after.keys() if before.get(service) != after.get(service)}


class Controller:
    """The lab's deployment controller."""

    @property
    def env(self) -> dict[str, str]:
        """The environment after `. lab/.state/env`."""
        dump = subprocess.run(
            ["sh", "-c", '. "$0"; exec env -0', str(state.ENV)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        env = dict(entry.split("=", 1) for entry in dump.split("\0") if entry)
        # The tests' own way to the collection; a user has ansible.cfg.
        return {name: value for name, value in env.items() if name not in ("PYTHONPATH", "ANSIBLE_COLLECTIONS_PATH")}

    def start(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Started:
        """Start ansible-playbook."""
        # Not a pipe, which would stay open for as long as any process it started lives.
        log = tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            ["ansible-playbook", *arguments],
            cwd=cwd,
            env={**self.env, "ANSIBLE_NOCOLOR": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        return Started(process, log)

    def playbook(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Run:
        """Run ansible-playbook."""
        return self.start(*arguments, env=env, cwd=cwd).wait()

    def start_deploy(self, *arguments: str) -> Started:
        """Start a deployment to the lab."""
        return self.start(DEPLOY, "-i", "inventories/lab", *arguments)

    def deploy(self, *arguments: str) -> Run:
        """Deploy to the lab."""
        return self.start_deploy(*arguments).wait()

    def rollback(self, *arguments: str) -> Run:
        """Bring the lab's hosts back to an earlier release."""
        return self.playbook("playbooks/rollback.yml", "-i", "inventories/lab", *arguments)

    def start_rotation(self, *keys: str, **variables: object) -> Started:
        """Start to give secrets new values."""
        arguments = ["-i", "inventories/lab", "-e", f"rotate=[{','.join(keys)}]", "-e", json.dumps(variables)]
        return self.start(ROTATE, *arguments)

    def rotate(self, *keys: str, **variables: object) -> Run:
        """Give secrets new values."""
        return self.start_rotation(*keys, **variables).wait()

    def status(self, *arguments: str) -> Run:
        """Ask how the lab's hosts are."""
        return self.playbook("playbooks/status.yml", "-i", "inventories/lab", *arguments)

    def assert_at_target(self) -> None:
        """The app works, and a deploy finds nothing to do in one session a host."""
        hosts = range(len(self.hosts()))
        before = [self.containers(host) for host in hosts]
        self.reset_counters()
        run = self.deploy()
        assert (run.status, run.changed) == (0, 0)
        assert self.counters()["sessions"] == len(hosts)
        assert [self.containers(host) for host in hosts] == before
        assert all(self.health(host)["ok"] for host in hosts)

    def hosts(self) -> list[dict[str, str]]:
        """The lab's hosts: id, name, container, address, state."""
        # What `python -m lab status` says, without its start: this is asked hundreds of times.
        hosts: list[dict[str, str]] = stack.status()["hosts"]
        return hosts

    def on_host(self, *command: str, host: int = 0, check: bool = True) -> str:
        """Run a command as root on a host, not through Session Manager: for looking, and for breaking things."""
        container = self.hosts()[host]["container"]
        return subprocess.run(
            ["docker", "exec", container, *command],
            check=check,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout

    def containers(self, host: int = 0) -> dict[str, str]:
        """Ids of the app's running containers by service."""
        template = '{{.Label "com.docker.compose.service"}} {{.ID}}'
        lines = self.on_host("docker", "ps", "--no-trunc", "--format", template, host=host).splitlines()
        return dict(line.split() for line in lines)

    def records(self, host: int = 0) -> list[dict[str, Any]]:
        """The records of the releases that a host keeps, oldest first."""
        records = map(
            json.loads, self.on_host("sh", "-c", f"cat {STATE}/releases/*/record.json", host=host).splitlines()
        )
        return sorted(records, key=lambda record: record["number"])

    def history(self, host: int = 0) -> list[dict[str, Any]]:
        """The lines of a host's history, oldest first."""
        return [json.loads(line) for line in self.on_host("cat", f"{STATE}/history.jsonl", host=host).splitlines()]

    def env_file(self, host: int = 0) -> str:
        """The settings in the project's folder on a host, secrets among them."""
        return self.on_host("cat", f"{PROJECT}/.env", host=host)

    def url(self, host: int = 0, path: str = "/health") -> str:
        """Where a host's front end says how it is; with `/`, the page that visitors see."""
        return f"http://{self.hosts()[host]['address']}:{config.APP_PORT}{path}"

    def health(self, host: int = 0) -> dict[str, Any]:
        """What the front end says of itself, the back end and its databases."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url(host), timeout=10) as answer:
            return json.load(answer)

    def counters(self) -> dict[str, Any]:
        """What the emulated account counted since `reset_counters`."""
        with self._lab("GET", "/_lab/counters") as answer:
            return json.load(answer)

    def reset_counters(self) -> None:
        """Start counting anew."""
        self._lab("DELETE", "/_lab/counters").close()

    def settings(self, **changed: float) -> None:
        """Change settings of the emulated account, such as ecr_token_life_seconds."""
        self._lab("PUT", "/_lab/settings", json.dumps(changed).encode()).close()

    def hold(self, role: str, writes: int, calls: int) -> None:
        """Have the emulated account hold a call of a role: its so many-th write, or the call so many calls after that."""
        self._lab("PUT", "/_lab/hold", json.dumps({"role": role, "writes": writes, "calls": calls}).encode()).close()

    def held(self) -> bool:
        """Whether a call is held at this moment."""
        with self._lab("GET", "/_lab/hold") as answer:
            return json.load(answer)["held"]

    def release(self) -> None:
        """Have the held call refused, and hold no other."""
        self._lab("DELETE", "/_lab/hold").close()

    def _lab(self, method: str, path: str, body: bytes | None = None) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(urllib.request.Request(config.ENDPOINT_URL + path, body, method=method), timeout=10)

    @contextmanager
    def commit(self, message: str, branch: str = "main") -> Iterator[Path]:
        """A clone of the gitops repository to edit; what was edited is pushed as one commit."""
        env = {**os.environ, **gitops.git_environment()}
        with tempfile.TemporaryDirectory() as scratch:

            def git(*arguments: str) -> None:
                subprocess.run(["git", *arguments], cwd=scratch, env=env, check=True, stdout=subprocess.DEVNULL)

            git("clone", "--quiet", config.GIT_LOCAL_URL, ".")
            yield Path(scratch)
            git("add", "--all")
            git("commit", "--quiet", "--message", message)
            git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
