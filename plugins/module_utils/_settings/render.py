"""An app's settings: from its parameters and its contract to the content of its env file, and where each key came from."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import read_regular_file
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._settings import contract as _contract
from ansible_collections.popcon.deploy.plugins.module_utils._settings import dotenv, keys
from ansible_collections.popcon.deploy.plugins.module_utils._settings import parameters as _parameters
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import Settings


class Choice(t.NamedTuple):
    """Which parameters are used and how, as the options of the same names of `ssm_env_render` say."""

    include: t.Sequence[str] = ()
    exclude: t.Sequence[str] = ()
    rename: t.Mapping[str, str] = {}
    extra: t.Mapping[str, t.Any] = {}
    pins: t.Mapping[str, t.Any] = {}
    allow_keys: t.Sequence[str] = ()


EVERYTHING = Choice()


class Rendered(t.NamedTuple):
    """Settings, and what is to be said of them without values.

    `overridden` are parameters that lost their key, `unknown` the keys that the contract doesn't list, `read` is the number of
    parameters read.
    """

    settings: Settings
    overridden: list[_parameters.Override]
    unknown: list[str]
    read: int


def render(
    client: t.Any,
    paths: t.Sequence[str],
    contract: t.Mapping[str, str] | None,
    choice: Choice = EVERYTHING,
    file_format: str = "compose",
) -> Rendered:
    """Read the parameters below the paths and make an env file of them.

    :param client: for SSM.
    :param contract: keys and their defaults, empty for a required one; None without a contract.
    :raises DeployError: parameters that can't be read or made keys of, a required key that is missing, a value that the format
        can't carry.
    """
    read = _parameters.read_parameters(client, paths)
    chosen = _parameters.choose(read, choice.include, choice.exclude)
    pinned = _parameters.pin(client, chosen, choice.pins)
    parameters, overridden = _parameters.assign_keys(pinned, choice.rename)
    extra = keys.literals(choice.extra)
    overridden += [
        _parameters.Override(key, parameters[key].name, "extra") for key in sorted(extra) if key in parameters
    ]
    given = {**{key: parameter.value for key, parameter in parameters.items()}, **extra}
    values = _contract.apply_contract(given, contract or {})
    keys.refuse_reserved(values, choice.allow_keys)
    unknown = [] if contract is None else sorted(set(values) - set(contract))
    sources = [_source(key, parameters, extra) for key in sorted(values)]
    settings = Settings(dotenv.render(values, file_format), values, sources)
    return Rendered(settings, overridden, unknown, len(read))


def read_contract(path: str, uid: int | None = None) -> dict[str, str]:
    """The keys of a contract and their defaults.

    :param uid: of the user who may own the file, besides root and the running user.
    :raises DeployError: it isn't there or can't be read.
    """
    content = read_regular_file(path, uid=uid)
    if content is None:
        raise DeployError(f"The contract {path} is not there. Check the repository out first.")
    return dotenv.parse_env(content, path)


def change_lines(changes: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """What `key_changes` found, one line per key."""
    return [f"{key} ({what})" for what, keys in changes.items() for key in keys]


def unknown_warning(unknown: t.Sequence[str]) -> list[str]:
    """The warning about keys that the contract doesn't list, if there are any."""
    return [f"Not in the contract: {', '.join(unknown)}."] if unknown else []


def _source(key: str, parameters: t.Mapping[str, _parameters.Parameter], extra: t.Mapping[str, str]) -> Json:
    if key in extra or key not in parameters:
        source = "extra" if key in extra else "default"
        return {"key": key, "source": source, "name": None, "path": None, "version": None}
    found = parameters[key]
    return {"key": key, "source": "parameter", "name": found.name, "path": found.path, "version": found.version}
