"""Redis 6 and newer: an ACL user may have several passwords; only their hashes are sent.

What is changed is made to outlast a restart in the same transaction: by `ACL SAVE` where the server has an aclfile, else
by `CONFIG REWRITE`. A server with neither is refused, because a restart would bring the old password back.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import hashlib
import re
import secrets
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._docker.exec import Exec
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.base import (
    Options,
    Settings,
    WithAdmin,
)

# The container's environment may hold a password for redis-cli, with which it would log in by itself.
_CLI = ["env", "-u", "REDISCLI_AUTH", "redis-cli"]


class Redis(WithAdmin):
    """Options: `user` or `user_key` (the user `default` without), `admin_user` (`default` without) and `admin_key`, which
    may be left out if the admin needs no password or is the user itself.
    """

    required: t.ClassVar[frozenset[str]] = frozenset({"service"})
    optional: t.ClassVar[frozenset[str]] = frozenset({"user", "user_key", "admin_user", "admin_key"})
    per_host: t.ClassVar[bool] = True
    tells: t.ClassVar[bool] = True

    def __init__(self, options: Options, settings: Settings, run: Exec) -> None:
        super().__init__(options, settings, run, default_user="default")

    def logs_in(self, value: str) -> bool:
        """Whether AUTH takes the value and the server then answers.

        :raises DeployError: it takes any password.
        """
        never = secrets.token_urlsafe(24)
        lines = self._ask([["AUTH", self._user, never], ["AUTH", self._user, value], ["PING"]]).split("\n")
        answers = [line for line in lines if line]
        if len(answers) != 3:
            raise self._strange()
        if answers[0] == "OK":
            raise self._problem(
                f"{self._user_words} is let in with any password",
                "Give it one (ACL SETUSER, and remove nopass), then rotate",
            )
        if answers[1].startswith("WRONGPASS"):
            return False
        # A user without the right to PING was let in all the same.
        if answers[1] != "OK" or not answers[2].startswith(("PONG", "NOPERM")):
            raise self._strange()
        return True

    def apply(self, current: str, pending: str) -> None:
        """Add the pending value's hash to the user."""
        self._change(current, pending, remove=False)

    def retire(self, kept: str, gone: str) -> None:
        """Remove the hash of `gone`; open connections stay."""
        self._change(kept, gone, remove=True)

    def _change(self, kept: str, other: str, *, remove: bool) -> None:
        login = self._login(kept)
        hashes, save = self._state(login)
        if _hash(kept) not in hashes:
            raise self._problem(
                f"{self._user_words} does not have the value that is to stay valid as a password",
                f"See what {self._key} should be, and set it by hand",
            )
        add, drop = f"#{_hash(other)}", f"!{_hash(other)}"
        setuser = ["ACL", "SETUSER", self._user]
        needed = (_hash(other) in hashes) == remove
        if save is None:
            if remove and not needed:
                return
            raise self._problem(
                "the server has neither an aclfile nor a configuration file, so a restart would bring the old password back",
                "Start it with --aclfile and a file on a volume",
            )
        # Saved even if there is nothing to change: whoever changed it may have been stopped before.
        steps = [[*setuser, drop if remove else add]] * needed + [save]
        answer = self._ask([*login, ["MULTI"], *steps, ["EXEC"]])
        if answer.split() == ["OK"] * len(login) + ["OK"] + ["QUEUED"] * len(steps) + ["OK"] * len(steps):
            return
        if needed:
            self._ask([*login, [*setuser, add if remove else drop]])
        raise self._problem(
            f"the server could not do {save[0]} {save[1]}, so nothing was changed",
            "See that it may write that file and that the admin may use ACL and CONFIG",
        )

    def _state(self, login: list[list[str]]) -> tuple[set[str], list[str] | None]:
        """The user's password hashes, and the command that keeps them over a restart, or None."""
        answer = self._ask([*login, ["ACL", "GETUSER", self._user], ["INFO", "server"], ["CONFIG", "GET", "aclfile"]])
        if answer.startswith("WRONGPASS"):
            raise self._problem(
                f"the admin {self._admin} is not let in",
                "See that the setting in admin_key is its password, and run this again",
            )
        config_file = re.search(r"^config_file:(.*)$", answer, re.MULTILINE)
        aclfile = re.search(r"^aclfile\n(.*)$", answer, re.MULTILINE)
        if not config_file or not aclfile:
            raise self._problem(
                f"the admin {self._admin} may not ask for ACL GETUSER, INFO and CONFIG GET",
                "Name a user who may in admin_user and admin_key",
            )
        hashes = set(re.findall(r"^[0-9a-f]{64}$", answer, re.MULTILINE))
        if aclfile[1]:
            return hashes, ["ACL", "SAVE"]
        if config_file[1].strip():
            return hashes, ["CONFIG", "REWRITE"]
        return hashes, None

    def _login(self, valid: str) -> list[list[str]]:
        if self._user != self._admin and "admin_key" not in self._options:
            return []
        return [["AUTH", self._admin, self._admin_password(valid)]]

    def _ask(self, commands: list[list[str]]) -> str:
        """The answers of redis-cli, one after the other."""
        script = "".join(" ".join(map(_quoted, command)) + "\n" for command in commands)
        status, stdout, _stderr = self._run(_CLI, script.encode())
        if status:
            raise self._strange()
        return stdout.decode(errors="replace").replace("\r", "")

    def _strange(self) -> Exception:
        return self._problem(
            "redis-cli got no answer, or one that Redis 6 and newer do not give",
            "See whether the service runs and is healthy, then run this again",
        )


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _quoted(word: str) -> str:
    """A word as redis-cli reads it, whatever it holds."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"'
