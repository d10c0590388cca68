"""MariaDB 10.4 and newer: an account may be let in by one of several ways, of which two or more may be passwords.

A statement names all of them, so doing it again changes nothing.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.sql import SqlAccounts, native_hash

_PASSWORD = "mysql_native_password"


class _Way(t.NamedTuple):
    """One way in: a plugin, and what it checks against."""

    plugin: str
    string: str


class MariaDb(SqlAccounts):
    """For accounts with mysql_native_password; other ways into the account stay as they are."""

    program = "mariadb"
    # Its own server, whose certificate it may not know.
    client_options = ("skip-ssl-verify-server-cert",)

    def _add(self, host: str, current: str, pending: str) -> None:
        ways = self._ways(host, current)
        self._must_have(host, ways, current)
        new = _Way(_PASSWORD, native_hash(pending))
        if new not in ways:
            self._identify(host, current, [new, *ways])

    def _remove(self, host: str, kept: str, gone: str) -> None:
        ways = self._ways(host, kept)
        self._must_have(host, ways, kept)
        left = [way for way in ways if way != _Way(_PASSWORD, native_hash(gone))]
        if left != ways:
            self._identify(host, kept, left)

    def _must_have(self, host: str, ways: list[_Way], password: str) -> None:
        if _Way(_PASSWORD, native_hash(password)) not in ways:
            raise self._account_problem(
                host,
                f"it does not have the value that is to stay valid as a {_PASSWORD}",
                f"See what {self._key} should be, and set it by hand with that plugin",
            )

    def _ways(self, host: str, valid: str) -> list[_Way]:
        answer = self._as_admin(valid, f"SELECT HEX(Priv) FROM mysql.global_priv WHERE {self._where(host)}").strip()
        if not answer:
            raise self._account_problem(
                host, "there is no such account", "Correct user and hosts in secret_rotation_secrets"
            )
        found = json.loads(self._unhex(answer))
        # In the list an empty entry stands for the one outside of it.
        entries = [entry or found for entry in found.get("auth_or", [{}])]
        return [_Way(entry.get("plugin", _PASSWORD), entry.get("authentication_string", "")) for entry in entries]

    def _identify(self, host: str, valid: str, ways: list[_Way]) -> None:
        if any(re.search(r"['\\]|[^ -~]", way.string) or not re.fullmatch(r"\w+", way.plugin) for way in ways):
            raise self._account_problem(
                host,
                "one of its other ways in cannot be written in a statement",
                "Remove that way, then run this again",
            )
        listed = " OR ".join(f"{plugin} USING '{string}'" if string else plugin for plugin, string in ways)
        self._as_admin(valid, f"ALTER USER {self._account(host)} IDENTIFIED VIA {listed}")
