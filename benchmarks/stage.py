"""The lab as the benchmarks use it: a host for each way to deploy, and what a run of a way cost.

Each way has a host of its own, since they name images differently, so that each would first undo what another did.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
import typing as t
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ansible_collections.popcon.deploy.benchmarks.ways import OURS, SCRIPT, WAYS, Json
from ansible_collections.popcon.deploy.tests.e2e.controller import PROJECT, ROOT, Controller, Run, python_m_lab

from lab import config, images, seed, state
from lab.console import step

#: A host is deployed to by the way at its place; those beyond serve the measurements on many hosts.
HOSTS = 4

_INVENTORY = ("-i", "inventories/lab")
_POLICY = "benchmarks"
# What the usual playbook asks Parameter Store for on the controller, which ours has no right to.
_RIGHTS = {"Effect": "Allow", "Action": ["ssm:GetParameter*", "kms:Decrypt"], "Resource": "*"}
_SETTLE_SECONDS = 180


@dataclass
class Cost:
    """What a run took. Seconds are wall time; `counters` are the lab's, and `tasks` those that Ansible ran, 0 without it."""

    status: int
    seconds: float
    served: float | None
    tasks: int
    counters: Json = field(repr=False)

    @property
    def row(self) -> Json:
        """It as a row of the results."""
        counters = self.counters
        sessions = counters["sessions"]
        return {
            "status": self.status,
            "seconds": round(self.seconds, 2),
            "served": None if self.served is None else round(self.served, 2),
            "tasks": self.tasks,
            "sessions": sessions,
            "commands": commands(sessions, counters["lines"], by_ansible=self.tasks > 0),
            "s3_puts": counters["s3"]["put"],
            "s3_bytes": counters["s3"]["uploaded_bytes"],
            "api_calls": sum(counters["api"].values()),
            "api": counters["api"],
            "registry_requests": sum(counters["registry"].values()),
            "registry": counters["registry"],
        }


def commands(sessions: int, lines: int, by_ansible: bool) -> int:
    """How many remote commands so many typed lines are.

    The connection types two lines to prepare each session's terminal, three around and with each command, and two to end.
    """
    if not by_ansible:
        return lines
    count, rest = divmod(lines - 4 * sessions, 3)
    if rest:
        raise RuntimeError(f"{lines} lines in {sessions} sessions are not what amazon.aws.aws_ssm types")
    return count


class Stage:
    """A fresh lab, its hosts with Docker and all that any of the ways needs, but nothing of the app."""

    def __init__(self) -> None:
        python_m_lab("down")
        python_m_lab("up", "--hosts", str(HOSTS))
        self.controller = Controller()
        self.hosts = self.controller.hosts()
        self._env = self.controller.env
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take the lab down."""
        python_m_lab("down")

    def playbook(
        self, name: str, *arguments: str, hosts: t.Sequence[int] = (), env: dict[str, str] | None = None
    ) -> Run:
        """Run a playbook, on some of the hosts or on all."""
        limit = ("--limit", ",".join(self.hosts[number]["id"] for number in hosts)) if hosts else ()
        with _quiet():
            return self.controller.playbook(name, *_INVENTORY, *limit, *arguments, env=env)

    def deploy(self, way: str, *arguments: str, hosts: t.Sequence[int] = (), env: dict[str, str] | None = None) -> Run:
        """Deploy in one of the ways to its host, or with ours to others."""
        hosts = hosts or [WAYS.index(way)]
        if way == SCRIPT:
            return self._deploy_sh(hosts[0])
        playbook = "playbooks/deploy.yml" if way == OURS else "benchmarks/usual/deploy.yml"
        return self.playbook(playbook, *arguments, hosts=hosts, env=env)

    def measure(self, run: Callable[[], Run], host: int = 0, served: Callable[[Json], bool] | None = None) -> Cost:
        """Run something and tell what it cost.

        :param served: says whether what the front end answers is of the new release. It is asked until it is, also when the
            run has ended by then.
        """
        self.controller.reset_counters()
        began = time.monotonic()
        with self._watch(host, served, began) as seen:
            done = run()
            seconds = time.monotonic() - began
        tasks = sum(numbers["ok"] for numbers in done.recap.values())
        return Cost(done.status, seconds, seen[0] if seen else None, tasks, self.controller.counters())

    def health(self, host: int) -> Json:
        """What the front end of a host says; empty if it says nothing."""
        try:
            with self._opener.open(self.url(host), timeout=10) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return {}

    def url(self, host: int) -> str:
        """Where the front end of a host says how it is."""
        return f"http://{self.hosts[host]['address']}:{config.APP_PORT}/health"

    def push(self, service: str, fault: str = "none") -> str:
        """Push a new image of a service; its version."""
        version = str(time.time_ns() // 10**8)
        images.push_version(service, version, fault, 0)
        return version

    def set_parameter(self, name: str, value: str) -> None:
        """Change a parameter of the app."""
        seed.set_parameter(name, value)

    @contextlib.contextmanager
    def _watch(self, host: int, served: Callable[[Json], bool] | None, began: float) -> Iterator[list[float]]:
        """Ask the front end all the time; gives a list that holds, afterwards, the seconds until it was as wanted."""
        seen: list[float] = []
        if served is None:
            yield seen
            return
        give_up = threading.Event()

        def watch() -> None:
            while not give_up.is_set():
                found = self.health(host)
                if found.get("ok") and served(found):
                    seen.append(time.monotonic() - began)
                    return
                time.sleep(0.1)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield seen
            watcher.join(_SETTLE_SECONDS)
        finally:
            give_up.set()
            watcher.join()

    def _prepare(self) -> None:
        _plain_secrets()
        document = json.dumps({"Version": "2012-10-17", "Statement": [_RIGHTS]})
        seed.client("iam").put_user_policy(UserName=config.CONTROLLER_USER, PolicyName=_POLICY, PolicyDocument=document)
        with step("Preparing the hosts"):
            done = self.playbook("benchmarks/prepare.yml")
            if done.status != 0:
                raise RuntimeError(f"the hosts could not be prepared:\n{done.output}")
            self._let_git_in(WAYS.index(SCRIPT))

    def _deploy_sh(self, host: int) -> Run:
        """What the guide has a person do: `git pull`, or `git clone` the first time, and the script, in one session."""
        first = f"git clone --quiet {config.GIT_URL} {PROJECT}"
        command = f"sudo sh -c 'cd {PROJECT} 2>/dev/null && git pull --quiet || {first} && cd {PROJECT} && ./deploy.sh'"
        done = subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / "session.py"), self.hosts[host]["id"], command],
            env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return Run(done.returncode, done.stdout)

    def _let_git_in(self, host: int) -> None:
        """Give a host what a person once gave it by hand: the credentials of the repository."""
        url = config.GIT_URL.replace("https://", f"https://{config.GIT_USER}:{state.load_secrets()['git_token']}@")
        container = self.hosts[host]["container"]
        store = "umask 077 && cat > /root/.git-credentials && git config --system credential.helper store"
        subprocess.run(["docker", "exec", "-i", container, "sh", "-c", store], input=f"{url}\n".encode(), check=True)


def _plain_secrets() -> None:
    """Secrets of letters and digits: neither the script nor a plain template gets `$`, `#` and quotes across."""
    ssm = seed.client("ssm")
    for name in ("DB_USERNAME", "DB_PASSWORD", "DB_ROOT_PASSWORD"):
        value = secrets.token_hex(8)
        ssm.put_parameter(Name=f"{config.PARAMETER_PATH}/{name}", Value=value, Type="SecureString", Overwrite=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on standard output, where the controller of the tests shows all that a playbook says."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
