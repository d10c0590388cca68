"""Docker's `config.json` as plain values: no file, no program and no network is touched here.

A configuration is a dict as `parse` returns it; functions that change one return a new dict and leave the given one
alone. A registry is a host name such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com`. Where docker/cli has a rule,
its rule is followed: `cli/config/configfile/file.go` and `cli/config/credentials` of docker/cli 29.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import base64
import binascii
import json
import math
import typing as t
from dataclasses import dataclass, field

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError

# The suffix of docker-credential-ecr-login, the program of Debian's amazon-ecr-credential-helper.
ECR_HELPER = "ecr-login"

Config = dict[str, t.Any]

_SECTIONS = ("auths", "credHelpers", "credsStore")
_CREDENTIAL_FIELDS = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})


@dataclass(frozen=True)
class Credentials:
    """A user name and the password or token that goes with it, which no representation shows."""

    username: str
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """Both as HTTP's Basic scheme and `config.json` want them: base64 of `username:secret`."""
        return base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()

    @classmethod
    def from_basic(cls, text: str) -> Credentials | None:
        """The reverse of `basic`, or None if the text is no such thing."""
        try:
            username, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        return cls(username, secret.rstrip("\0")) if colon and username and secret.rstrip("\0") else None


def parse(data: bytes | None, path: str) -> Config:
    """The configuration in a file's bytes; no file and an empty file are an empty configuration, as docker/cli has it.

    Stricter than docker/cli: what could not be written back with the same meaning (text after the object, a key given
    twice, numbers no JSON has) is an error too.

    :raises DeployError: naming the path and the place of the fault, never a part of the content.
    """
    if data is None or not data.strip():
        return {}
    try:
        config = json.loads(
            data.decode(), object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as exc:
        raise DeployError(f"{path} is not valid JSON (line {exc.lineno}, column {exc.colno}). {_MEND}") from None
    except (ValueError, RecursionError):
        raise DeployError(f"{path} is not valid JSON (bad UTF-8, a key given twice, or no number). {_MEND}") from None
    if not isinstance(config, dict):
        raise DeployError(f"{path} does not hold a JSON object. {_MEND}")
    for section in _SECTIONS:
        # Go reads keys whatever their case.
        spelt = [key for key in config if key.lower() == section.lower()]
        if len(spelt) > 1:
            raise DeployError(f"{path} has {' and '.join(sorted(spelt))}, which Docker takes for one key. {_MEND}")
        if spelt and spelt[0] != section:
            config = {section if key == spelt[0] else key: value for key, value in config.items()}
    _check_shape(config, path)
    return config


def render(config: Config) -> bytes:
    """The bytes of a configuration, indented by tabs as docker/cli does."""
    return json.dumps(config, indent="\t", allow_nan=False).encode() + b"\n"


def helper_of(config: Config, registry: str) -> str | None:
    """The helper docker asks for this registry (without its `docker-credential-` prefix), or None for the file."""
    helpers = config.get("credHelpers") or {}
    return (helpers[registry] if registry in helpers else config.get("credsStore")) or None


def stored_in_file(config: Config, registry: str) -> Credentials | None:
    """The credentials the file itself holds for a registry, or None; Docker uses them where `helper_of` is None."""
    auths = config.get("auths") or {}
    names = [registry] if registry in auths else _names_of(auths, registry)
    for entry in [auths[name] or {} for name in names[:1]]:
        if entry.get("auth"):
            return Credentials.from_basic(str(entry["auth"]))
        if entry.get("username") and entry.get("password"):
            return Credentials(str(entry["username"]), str(entry["password"]))
    return None


def with_credentials(config: Config, registry: str, credentials: Credentials | None) -> Config:
    """Log in by token: the registry's entry holds these credentials, and the ECR helper no longer stands before it.

    :param credentials: None leaves the entry without a secret, as docker/cli does where a helper keeps it.
    """
    auths = dict(config.get("auths") or {})
    kept = {name: value for name, value in (auths.get(registry) or {}).items() if name not in _CREDENTIAL_FIELDS}
    for name in _names_of(auths, registry):
        if name != registry:
            del auths[name]
    auths[registry] = {**kept, "auth": credentials.basic} if credentials else kept
    return _with_section(without_ecr_helper(config, registry), "auths", auths)


def without_ecr_helper(config: Config, registry: str) -> Config:
    """The ECR helper no longer stands before a registry; another helper of it stays configured."""
    helpers = config.get("credHelpers") or {}
    if helpers.get(registry) != ECR_HELPER:
        return config
    return _with_section(config, "credHelpers", {k: v for k, v in helpers.items() if k != registry})


_MEND = "Mend or remove it: it is not overwritten, as other logins may be in it"


def _unique_keys(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(_name: str) -> t.NoReturn:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError
    return number


def _check_shape(config: Config, path: str) -> None:
    auths, helpers, store = (config.get(section) for section in ("auths", "credHelpers", "credsStore"))
    good = (
        (auths is None or (isinstance(auths, dict) and all(isinstance(e, (dict, type(None))) for e in auths.values())))
        and (helpers is None or (isinstance(helpers, dict) and all(isinstance(h, str) for h in helpers.values())))
        and (store is None or isinstance(store, str))
    )
    if not good:
        raise DeployError(f"{path}: auths, credHelpers or credsStore is not what Docker would write there. {_MEND}")


def _names_of(auths: dict[str, t.Any], registry: str) -> list[str]:
    """The keys docker/cli takes for this registry: its name, and old ones such as `https://name/v1/`."""
    return [name for name in auths if name.rpartition("://")[2].partition("/")[0] == registry]


def _with_section(config: Config, section: str, value: dict[str, t.Any]) -> Config:
    """The configuration with this section, or without it when nothing is left in it."""
    if value:
        return {**config, section: value}
    return {key: kept for key, kept in config.items() if key != section}
