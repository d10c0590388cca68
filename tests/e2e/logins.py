"""Logging in to a host's database as the application does, with what is in its settings."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.env_readers import compose_interpolation

from .controller import Controller


def settings(controller: Controller, host: int = 0) -> dict[str, str]:
    """The settings on a host, as Compose reads them."""
    read = compose_interpolation(controller.env_file(host).encode())
    return {key: value or "" for key, value in read.items()}


def mysql_login(controller: Controller, user: str, password: str, client: str = "mysql") -> bool:
    """Whether a host's database lets this user in over the network."""
    # By name, so that the value is on no command line.
    through = ["docker", "exec", "--env", "MYSQL_PWD"]
    query = [client, "--host=127.0.0.1", f"--user={user}", "--execute=SELECT 1"]
    done = subprocess.run(
        [*through, controller.hosts()[0]["container"], *through, "popcon-mysql", *query],
        env={**os.environ, "MYSQL_PWD": password}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or "Access denied" in done.stdout, done.stdout
    return done.returncode == 0


class Prober:
    """Tries one login after the other while the `with` block runs, each with the settings of that moment.

    :param login: gets the settings, and says whether they log in.
    """

    def __init__(self, controller: Controller, login: Callable[[dict[str, str]], bool]) -> None:
        self._controller = controller
        self._login = login
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.tries = 0
        #: When logins failed, in seconds since the epoch.
        self.failures: list[float] = []

    def __enter__(self) -> Prober:
        self._end = self._pool.submit(self._run)
        return self

    def __exit__(self, *_dummy: object) -> None:
        self._ending.set()
        self._pool.shutdown()
        # A prober that broke off would have seen too few failures.
        self._end.result()

    def _run(self) -> None:
        while not self._ending.is_set():
            self.tries += 1
            if not self._login(settings(self._controller)):
                self.failures.append(time.time())


def app_logs_in(controller: Controller) -> Callable[[dict[str, str]], bool]:
    """A login of the application's user and of root, for `Prober`."""

    def login(now: dict[str, str]) -> bool:
        pairs = ((now["DB_USERNAME"], now["DB_PASSWORD"]), ("root", now["DB_ROOT_PASSWORD"]))
        return all(mysql_login(controller, user, password) for user, password in pairs)

    return login
