"""The strategies of secret rotation by name."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.exec import Exec
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.base import (
    COMMON_OPTIONS,
    Options,
    Settings,
    Strategy,
)
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.command import Command
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.mariadb import MariaDb
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.mysql import MySql
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.plain import Plain
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.redis import Redis

__all__ = ["STRATEGIES", "Exec", "Strategy", "make_strategy", "strategy_class"]

STRATEGIES: dict[str, type[Strategy]] = {
    "command": Command,
    "mariadb": MariaDb,
    "mysql": MySql,
    "plain": Plain,
    "redis": Redis,
}


def strategy_class(key: str, options: t.Any) -> type[Strategy]:
    """The class of the strategy that a secret's options name.

    :raises DeployError: they name none that there is.
    """
    if not isinstance(options, t.Mapping):
        raise DeployError(f"The options of {key} are no mapping: give it at least a strategy.")
    name = options.get("strategy")
    if not isinstance(name, str) or name not in STRATEGIES:
        raise DeployError(f"The strategy of {key} in secret_rotation_secrets must be one of {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]


def make_strategy(options: Options, settings: Settings, run: Exec) -> Strategy:
    """The strategy of one secret.

    :param options: the secret's entry in `secret_rotation_secrets`, and its name as `key`.
    :param settings: the application's settings by key, as they are now.
    :param run: runs a command in the container of the service that the options name.
    :raises DeployError: an unknown strategy, an option that it lacks or does not have, a setting that is not there.
    """
    made = strategy_class(options["key"], options)
    name = options["strategy"]
    entry = f"{options['key']} in secret_rotation_secrets"
    missing = sorted(made.required - set(options))
    if missing:
        raise DeployError(f"{entry} lacks {', '.join(missing)}, which the strategy {name} needs.")
    known = made.required | made.optional | COMMON_OPTIONS
    unknown = sorted(set(options) - known)
    if unknown:
        raise DeployError(
            f"{entry} has {', '.join(unknown)}, which the strategy {name} does not know. It knows {', '.join(sorted(known - {'key'}))}."
        )
    return made(options, settings, run)
