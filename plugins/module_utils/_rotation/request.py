"""Which secrets a rotation is asked for, how each is rotated, and what is refused before anything is touched."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import math
import secrets
import string
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.table import (
    STRATEGIES,
    Exec,
    Strategy,
    make_strategy,
    strategy_class,
)
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Parameter

LENGTH = 32
ALPHABET = string.ascii_letters + string.digits + "-_"
# What nobody tries all of.
LEAST_BITS = 96


@dataclasses.dataclass(frozen=True)
class Secret:
    """A secret to rotate: its parameter, what logs in with it, and of what new values are made."""

    parameter: Parameter
    strategy: Strategy
    length: int
    alphabet: str

    def generate(self) -> str:
        """A new random value."""
        return "".join(secrets.choice(self.alphabet) for _character in range(self.length))


def keys_of(rotate: t.Any) -> list[str]:
    """The keys that `rotate` names, each once: a list, or the text `[A,B]`, as `-e rotate=[A,B]` gives it.

    What Ansible makes of that text where it wants a list, `["[A", "B]"]`, is as good.
    """
    text = rotate if isinstance(rotate, str) else ",".join(map(str, rotate or []))
    keys = [key.strip() for key in text.strip("[] ").split(",")]
    return list(dict.fromkeys(key for key in keys if key))


def refusals(rotate: t.Any, declared: t.Mapping[str, t.Any], hosts: int) -> list[str]:
    """Why this can't be rotated, as sentences; what only the host can tell is not among them.

    :param rotate: as in `keys_of`.
    :param declared: from a key to the options of its strategy, as in the inventory.
    :param hosts: how many hosts use the secrets.
    """
    keys = keys_of(rotate)
    _nothing, problem = attempt(_check_declared, keys, declared)
    if problem:
        return [problem]
    found = {key: attempt(strategy_class, key, declared[key]) for key in keys}
    problems = [problem for _strategy, problem in found.values() if problem]
    bound = [key for key, (strategy, _problem) in found.items() if strategy and strategy.per_host]
    if bound and hosts > 1:
        others = [name for name, strategy in STRATEGIES.items() if not strategy.per_host]
        problems.append(
            f"{', '.join(bound)} would be changed in the service of one host, and there are {hosts}. On many hosts, secrets of "
            f"these strategies can be rotated: {', '.join(others)}. They are changed on one host, for all."
        )
    return problems


def find_secrets(
    keys: t.Sequence[str],
    declared: t.Mapping[str, t.Any],
    parameters: t.Mapping[str, Parameter],
    settings: t.Mapping[str, str],
    executor: t.Callable[[str | None], Exec],
) -> dict[str, Secret]:
    """The secrets to rotate, by key.

    :param keys: which of the declared ones.
    :param declared: from a key to the options of its strategy, as in the inventory.
    :param parameters: from a key to its parameter.
    :param settings: from a key to its newest value, for the strategies; may change during the rotation.
    :param executor: gives what runs commands in a service; None where the options name none.
    :raises DeployError: a key that isn't declared or has no parameter, or options that can't be used.
    """
    _check_declared(keys, declared)
    missing = sorted(set(keys) - set(parameters))
    if missing:
        raise DeployError(f"No parameter makes {', '.join(missing)}. Check the path.")
    found = {}
    for key in keys:
        options = declared[key]
        strategy_class(key, options)
        length, alphabet = options.get("length", LENGTH), options.get("alphabet", ALPHABET)
        _check_strength(key, length, alphabet)
        strategy = make_strategy({**options, "key": key}, settings, executor(options.get("service")))
        found[key] = Secret(parameters[key], strategy, length, alphabet)
    return found


def _check_strength(key: str, length: t.Any, alphabet: t.Any) -> None:
    if not isinstance(length, int) or not isinstance(alphabet, str):
        raise DeployError(f"The length of {key} must be a number, and its alphabet a text.")
    # Parameter Store refuses values with {{.
    if not alphabet.isascii() or not alphabet.isprintable() or "{" in alphabet:
        raise DeployError(f"The alphabet of {key} may hold printable ASCII characters only, and no opening brace.")
    if length * math.log2(max(1, len(set(alphabet)))) < LEAST_BITS or len(set(alphabet)) < len(alphabet):
        raise DeployError(
            f"A value of {key} would be too easy to guess: make it longer, or its alphabet of more characters, each there once."
        )


def _check_declared(keys: t.Sequence[str], declared: t.Mapping[str, t.Any]) -> None:
    known = ", ".join(sorted(declared)) or "none, as it does not set secret_rotation_secrets"
    undeclared = [key for key in keys if key not in declared]
    if undeclared:
        raise DeployError(
            f"Not declared as secrets that can be rotated: {', '.join(undeclared)}. The inventory knows how to rotate: {known}."
        )
    if not keys:
        raise DeployError(
            "No secret is named to be rotated. Say which, for example -e 'rotate=[DB_PASSWORD]'. The inventory knows how to "
            f"rotate: {known}."
        )
