"""MySQL 8.0.14 and newer: an account has a first password and room for a second one.

`RETAIN CURRENT PASSWORD` makes the first one the second. Done twice it destroys the password in use, so every statement
runs only if the account still is as it was when the statement was decided on, and under a lock of the server's: that also
holds for a statement whose sender was killed and which the server gets to later.

`RETAIN CURRENT PASSWORD` after `AS` is in the server's grammar (sql_yacc.yy, `alter_user`), though not in the manual's.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import hashlib
import secrets
import string
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.sql import (
    SqlAccounts,
    SqlError,
    native_hash,
)

_ALPHABET = "./" + string.digits + string.ascii_uppercase + string.ascii_lowercase
_SALT_LENGTH = 20
_CHANGED = 1242
# An error (number 1242) where it is evaluated.
_STOP = "(SELECT 1 UNION SELECT 2)"
_SECOND = "IFNULL(HEX(User_attributes->>'$.additional_password'), '')"


class _Slots(t.NamedTuple):
    """The two passwords of an account, as hashes; empty for none."""

    plugin: str
    first: bytes
    second: bytes


class MySql(SqlAccounts):
    """For accounts with caching_sha2_password or mysql_native_password."""

    program = "mysql"
    # Without TLS, the server wants the password encrypted with a key of its own.
    client_options = ("get-server-public-key",)

    def _add(self, host: str, current: str, pending: str) -> None:
        slots = self._slots(host, current)
        if not any(_matches(current, slot) for slot in slots[1:]):
            raise self._lost(host)
        if any(_matches(pending, slot) for slot in slots[1:]):
            return
        if slots.second and not _matches(current, slots.second):
            raise self._account_problem(
                host,
                "somebody else's second password is in use",
                "When nothing logs in with it any more: ALTER USER … DISCARD OLD PASSWORD; then run this again",
            )
        if not _matches(current, slots.first):
            raise self._account_problem(
                host,
                "somebody has set another password, and the setting's is only the second one",
                f"Decide which {self._key} shall be, and set it by hand",
            )
        self._alter(host, current, slots, f"{_identified(slots, pending)} RETAIN CURRENT PASSWORD")

    def _remove(self, host: str, kept: str, gone: str) -> None:
        slots = self._slots(host, kept)
        if _matches(kept, slots.second) and _matches(gone, slots.first):
            self._alter(host, kept, slots, _identified(slots, kept))
            slots = self._slots(host, kept)
        if not _matches(kept, slots.first):
            raise self._lost(host)
        # The same one twice: what was begun the time before.
        if _matches(gone, slots.second) or _matches(kept, slots.second):
            self._alter(host, kept, slots, "DISCARD OLD PASSWORD")

    def _lost(self, host: str) -> Exception:
        return self._account_problem(
            host,
            "it does not have the value that is to stay valid as its password",
            f"See what {self._key} should be, and set it by hand",
        )

    def _slots(self, host: str, valid: str) -> _Slots:
        columns = f"plugin, HEX(authentication_string), {_SECOND}"
        row = (
            self._as_admin(valid, f"SELECT {columns} FROM mysql.user WHERE {self._where(host)}").strip("\n").split("\t")
        )
        if len(row) != 3:
            raise self._account_problem(
                host, "there is no such account", "Correct user and hosts in secret_rotation_secrets"
            )
        slots = _Slots(row[0], self._unhex(row[1]), self._unhex(row[2]))
        if slots.plugin not in ("caching_sha2_password", "mysql_native_password"):
            raise self._account_problem(
                host,
                "its plugin has no second password",
                "Use caching_sha2_password for it: ALTER USER … IDENTIFIED WITH",
            )
        return slots

    def _alter(self, host: str, valid: str, seen: _Slots, change: str) -> None:
        """Change the account, if it still is as seen."""
        unchanged = (
            f"HEX(authentication_string) = '{seen.first.hex().upper()}' AND {_SECOND} = '{seen.second.hex().upper()}'"
        )
        statements = (
            f"SELECT IF(GET_LOCK('popcon.deploy.rotation', 30), 1, {_STOP})",
            f"SELECT IF(COUNT(*) = 1, 1, {_STOP}) FROM mysql.user WHERE {self._where(host)} AND {unchanged}",
            f"ALTER USER {self._account(host)} {change}",
        )
        try:
            self._as_admin(valid, "; ".join(statements))
        except SqlError as exc:
            if exc.number != _CHANGED:
                raise
            raise self._account_problem(
                host, "somebody else changed it at this moment", "See who does; then run this again"
            ) from None


def _identified(slots: _Slots, password: str) -> str:
    """The clause that gives an account another first password, by a hash like that of the one it has."""
    if slots.plugin == "mysql_native_password":
        made = native_hash(password)
    else:
        salt = "".join(secrets.choice(_ALPHABET) for _dummy in range(_SALT_LENGTH))
        made = sha2_hash(password, salt.encode(), int(slots.first[3:6], 16) * 1000).decode()
    return f"IDENTIFIED WITH {slots.plugin} AS '{made}'"


def _matches(password: str, stored: bytes) -> bool:
    """Whether a stored hash is of this password."""
    if stored.startswith(b"$A$"):
        return stored == sha2_hash(password, stored[7 : 7 + _SALT_LENGTH], int(stored[3:6], 16) * 1000)
    return stored == native_hash(password).encode()


def sha2_hash(password: str, salt: bytes, rounds: int) -> bytes:
    """The hash of caching_sha2_password: `$A$`, the rounds in thousands (3 hex digits), `$`, the salt, the digest.

    The digest is that of crypt's `$5$` (Drepper, "Unix crypt using SHA-256"), with a salt of 20 bytes. In Python because
    the module crypt is gone from 3.13 on.
    """
    word = password.encode()
    other = _sha(word + salt + word)
    start = word + salt + _repeated(other, len(word))
    left = len(word)
    while left:
        start += other if left & 1 else word
        left >>= 1
    digest = _sha(start)
    words = _repeated(_sha(word * len(word)), len(word))
    salts = _repeated(_sha(salt * (16 + digest[0])), len(salt))
    for turn in range(rounds):
        odd = turn & 1
        middle = (salts if turn % 3 else b"") + (words if turn % 7 else b"")
        digest = _sha((words if odd else digest) + middle + (digest if odd else words))
    # Three bytes in four characters, in an order of its own; two are left for the last three characters.
    text = ""
    for a in range(0, 210, 21):
        text += _letters(digest[a % 30] << 16 | digest[(a + 10) % 30] << 8 | digest[(a + 20) % 30], 4)
    text += _letters(digest[31] << 8 | digest[30], 3)
    return b"$A$%03X$%b%b" % (rounds // 1000, salt, text.encode())


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _repeated(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length]


def _letters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 63] for place in range(count))
