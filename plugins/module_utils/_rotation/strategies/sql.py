"""What the strategies `mysql` and `mariadb` share: logins by the server's own client, in the server's container.

The client reads an option file from its stdin: the login, and the SQL to execute. So neither is on a command line. SQL
holds hashes of passwords only, made here, because a server may log statements as they are.

An account is a user at a host, and one secret may stand for several: `root` at `localhost` and at `%`. The secret logs in
if it does for all of them.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import abc
import hashlib
import re
import secrets
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.exec import Exec
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.base import (
    Options,
    Settings,
    WithAdmin,
)

# The client cuts longer lines of an option file in two.
_MAX_LINE = 4000
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b"}
# Access denied, with a password and without one.
REFUSED = frozenset({1045, 1698})
_NO_CONNECTION = frozenset({2002, 2003, 2005})
_CURES = {
    **dict.fromkeys(_NO_CONNECTION, "See whether the service runs and is healthy, then run this again"),
    1040: "It has too many connections: run this again later",
    1130: "Correct hosts in secret_rotation_secrets",
    1142: "The admin needs SELECT on the database mysql, and CREATE USER",
    1227: "The admin needs SELECT on the database mysql, and CREATE USER",
    1290: "It is read-only: rotate where it may be written",
    1396: "There is no such account: correct user and hosts in secret_rotation_secrets",
    1820: "The password is expired: set one by hand",
    1862: "The password is expired: set one by hand",
    3118: "The account is locked: unlock it",
    3955: "The account is locked after failed logins: unlock it",
}


class SqlError(DeployError):
    """The client failed with a number of the server's or its own (0: it gave none)."""

    def __init__(self, problem: DeployError, number: int) -> None:
        super().__init__(str(problem))
        self.number = number


class SqlAccounts(WithAdmin, abc.ABC):
    """Options: `user` or `user_key`; `hosts` of its accounts (`%` alone without); `admin_user` and `admin_key`, the
    setting with the password of a user who may change accounts. The admin may be the user itself.
    """

    required: t.ClassVar[frozenset[str]] = frozenset({"service", "admin_user", "admin_key"})
    optional: t.ClassVar[frozenset[str]] = frozenset({"user", "user_key", "hosts"})
    per_host: t.ClassVar[bool] = True
    tells: t.ClassVar[bool] = True
    #: The client.
    program: t.ClassVar[str]
    #: Lines for its option file.
    client_options: t.ClassVar[tuple[str, ...]]

    def __init__(self, options: Options, settings: Settings, run: Exec) -> None:
        super().__init__(options, settings, run)
        self._hosts: list[str] = options.get("hosts", ["%"])
        if (
            not isinstance(self._hosts, list)
            or not self._hosts
            or not all(isinstance(host, str) for host in self._hosts)
        ):
            raise self._problem("its hosts are not a list of strings", "Write them as ['%', localhost]")
        self._address = ""

    def logs_in(self, value: str) -> bool:
        """Whether every account takes the value.

        `localhost` is tried over the server's socket, any other host from the container's own address.

        :raises DeployError: another account answers for one, or one takes any password.
        """
        return all(self._logs_in(host, value) for host in self._hosts)

    def apply(self, current: str, pending: str) -> None:
        """Add the pending value to each account that does not have it."""
        for host in self._hosts:
            self._add(host, current, pending)

    def retire(self, kept: str, gone: str) -> None:
        """Take `gone` from each account that has it; open sessions stay."""
        for host in self._hosts:
            self._remove(host, kept, gone)

    @abc.abstractmethod
    def _add(self, host: str, current: str, pending: str) -> None: ...

    @abc.abstractmethod
    def _remove(self, host: str, kept: str, gone: str) -> None: ...

    def _logs_in(self, host: str, value: str) -> bool:
        try:
            answer = self._query(self._user, value, host, "SELECT HEX(CURRENT_USER())")
        except SqlError as exc:
            if exc.number in REFUSED:
                return False
            raise
        if self._unhex(answer) != f"{self._user}@{host}".encode():
            raise self._account_problem(
                host, "another account answers in its place", "Name the account that does in hosts, in its place"
            )
        if host == "localhost" and self._takes_anything():
            raise self._account_problem(
                host,
                "it is let in with any password",
                "Take unix_socket or auth_socket from it, or leave it out of hosts",
            )
        return True

    def _takes_anything(self) -> bool:
        """Whether the server trusts who is at the other end of its socket."""
        try:
            self._query(self._user, secrets.token_urlsafe(24), "localhost", "SELECT 1")
        except SqlError as exc:
            if exc.number in REFUSED:
                return False
            raise
        return True

    def _as_admin(self, valid: str, sql: str) -> str:
        """:param valid: a value of the secret that logs in throughout."""
        password = self._admin_password(valid)
        last = None
        for host in ("localhost", "%"):
            try:
                return self._query(self._admin, password, host, sql)
            except SqlError as exc:
                # At that point nothing of the SQL was done.
                if exc.number not in REFUSED | _NO_CONNECTION:
                    raise
                last = exc
        if last and last.number in _NO_CONNECTION:
            raise last
        raise self._problem(
            f"the admin {self._admin} is not let in",
            f"See that {self._options['admin_key']} holds its password, and run this again",
        )

    def _query(self, user: str, password: str, host: str, sql: str) -> str:
        """What the statements answer, without headings; the first that fails ends them.

        :raises SqlError: one failed, or the login.
        """
        at = ["protocol=SOCKET"] if host == "localhost" else ["protocol=TCP", f"host={self._own_address()}"]
        secret = [
            f"{name}={_quoted(value)}" for name, value in (("user", user), ("password", password), ("execute", sql))
        ]
        plain = ["batch", "skip-column-names", "skip-force", "connect-timeout=10", "default-character-set=utf8mb4"]
        lines = ["[client]", *at, *plain, *self.client_options, *secret]
        if any(len(line.encode()) > _MAX_LINE for line in lines):
            raise self._problem("a value is too long for a password", "Give it a shorter one")
        # No home: an option file there would be read after this one, and overrule it.
        argv = ["env", "HOME=/nonexistent", self.program, "--defaults-extra-file=/dev/stdin"]
        status, stdout, stderr = self._run(argv, "".join(f"{line}\n" for line in lines).encode())
        if status == 0:
            return stdout.decode(errors="replace")
        found = re.search(rb"^ERROR (\d+)", stderr, re.MULTILINE)
        number = int(found[1]) if found else 0
        what = f"{self.program} failed with error {number}" if number else f"{self.program} failed with status {status}"
        raise SqlError(self._problem(what, _CURES.get(number, "See the server's log, then run this again")), number)

    def _unhex(self, answer: str) -> bytes:
        try:
            return bytes.fromhex(answer.strip())
        except ValueError:
            raise self._problem(
                f"{self.program} gave an answer that its server doesn't give",
                "See what the container has under that name, and its option files",
            ) from None

    def _own_address(self) -> str:
        """The container's name for itself. A login from there is one from the application's network to the server;
        127.0.0.1 may be `localhost` to it.
        """
        if not self._address:
            status, stdout, _stderr = self._run(["cat", "/etc/hostname"], b"")
            self._address = stdout.decode(errors="replace").strip()
            if status or not re.fullmatch(r"[A-Za-z0-9._-]+", self._address):
                raise self._problem("its container does not tell its name", "See whether the service runs")
        return self._address

    def _account_problem(self, host: str, what: str, cure: str) -> DeployError:
        return self._problem(f"of {self._user_words}, the account at {host}: {what}", cure)

    def _account(self, host: str) -> str:
        """The account's name in a statement: no escapes but the doubled mark, whatever the server's sql_mode."""
        return "@".join("`" + name.replace("`", "``") + "`" for name in (self._user, host))

    def _where(self, host: str) -> str:
        """The condition on the account's row in a system table."""
        return f"User = CONVERT(x'{self._user.encode().hex()}' USING utf8mb4) AND Host = CONVERT(x'{host.encode().hex()}' USING utf8mb4)"


def native_hash(password: str) -> str:
    """The hash of mysql_native_password."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


def _quoted(value: str) -> str:
    """A value as option files want it, whatever it holds."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'
