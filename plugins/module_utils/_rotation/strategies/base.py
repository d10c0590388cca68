"""What a strategy of secret rotation is, and what those that work in a service's container share.

Adding one takes a file with its class and a line in `table.py`.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.exec import Exec

Options = t.Mapping[str, t.Any]
Settings = t.Mapping[str, str]

# Those of every secret; the caller adds `key`, the secret's name.
COMMON_OPTIONS = frozenset({"key", "strategy", "length", "alphabet"})


class Strategy(t.Protocol):
    """How one secret is changed where it is checked.

    A value reaches a container by stdin only. Every method may be cut short anywhere and called again, and none takes
    away what is neither of the two values it is given.

    :raises DeployError: from every method, when something is not as it must be; nothing that logs in is lost by that.
    """

    #: The options without which there is no such strategy, and those it can do without, beside COMMON_OPTIONS.
    required: t.ClassVar[frozenset[str]]
    optional: t.ClassVar[frozenset[str]]
    #: Whether it changes the service of one host, which other hosts' services know nothing of.
    per_host: t.ClassVar[bool]
    #: Whether `logs_in` can tell a valid value from any other.
    tells: t.ClassVar[bool]

    def __init__(self, options: Options, settings: Settings, run: Exec) -> None:
        """:param settings: the application's settings by key, as they are now."""

    def logs_in(self, value: str) -> bool:
        """Whether the value is accepted, by a real login and a real query. Where nothing checks it: True."""

    def apply(self, current: str, pending: str) -> None:
        """Make both values valid."""

    def retire(self, kept: str, gone: str) -> None:
        """Leave `kept` valid and `gone` not. To take back what `apply` did, `kept` is the old value."""


class InService:
    """The base of strategies that work in the container of a service."""

    def __init__(self, options: Options, settings: Settings, run: Exec) -> None:
        self._key = options["key"]
        self._service = options["service"]
        self._options = options
        self._settings = settings
        self._run = run

    def _problem(self, what: str, cure: str) -> DeployError:
        return DeployError(f"Secret {self._key}, service {self._service}: {what}. {cure}.")

    def _setting(self, option: str) -> str:
        """The value of the setting that an option names."""
        key = self._options[option]
        if key not in self._settings:
            raise self._problem(
                f"there is no setting {key}", f"Correct {option} of {self._key} in secret_rotation_secrets"
            )
        return self._settings[key]


class WithAdmin(InService):
    """The base of strategies that change a user's password as another user, or as the same."""

    def __init__(self, options: Options, settings: Settings, run: Exec, default_user: str | None = None) -> None:
        super().__init__(options, settings, run)
        if "user_key" in options:
            self._user = self._setting("user_key")
            # A setting's value, even a user's name, is in no text.
            self._user_words = f"the user named by {options['user_key']}"
        elif options.get("user", default_user):
            self._user = options.get("user", default_user)
            self._user_words = f"the user {self._user}"
        else:
            raise self._problem(
                "no user is named", f"Give {self._key} in secret_rotation_secrets the option user or user_key"
            )
        self._admin = options.get("admin_user", default_user)

    def _admin_password(self, valid: str) -> str:
        """:param valid: a value of the secret that logs in throughout, for a user who changes their own password."""
        return valid if self._user == self._admin else self._setting("admin_key")
