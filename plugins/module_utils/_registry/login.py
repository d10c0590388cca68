"""Logging Docker in to ECR."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._registry import credential_store as store
from ansible_collections.popcon.deploy.plugins.module_utils._registry import docker_config, ecr
from ansible_collections.popcon.deploy.plugins.module_utils._registry.docker_config import (
    ECR_HELPER,
    Config,
    Credentials,
)

# Ends of tokens that don't tell, {registry: _ecr.note_of(token)}. Not in config.json: Docker drops keys it doesn't
# know.
_NOTES_NAME = "ecr-login.json"

#: The share of its life that must be left of a stored token, if nothing else is asked for.
MIN_REMAINING = 0.5


@dataclass(frozen=True)
class Login:
    """Where the logins are kept, and whether they are really changed."""

    path: str
    check: bool

    @classmethod
    def of(cls, path: str | None, check: bool) -> Login:
        """:raises DeployError: a path that isn't absolute."""
        path = path or os.path.join(store.own_user().pw_dir, ".docker", "config.json")
        if not os.path.isabs(path):
            raise DeployError(f"config_path must be absolute, and {path} is not.")
        return cls(path, check)

    @property
    def notes_path(self) -> str:
        """Beside the real `config.json`."""
        return os.path.join(os.path.dirname(os.path.realpath(self.path)), _NOTES_NAME)


@dataclass
class Outcome:
    """What became of each registry: `rows` as the module returns them, and in `before` what was found, in words."""

    changed: bool = False
    rows: list[dict[str, t.Any]] = field(default_factory=list)
    before: list[str] = field(default_factory=list)

    def add(self, registry: ecr.Registry, before: str, *, changed: bool, expires: float | None) -> None:
        """Note one registry."""
        expires_at = None if expires is None else ecr.iso(expires)
        self.rows.append({"name": registry.name, "changed": changed, "expires_at": expires_at})
        self.before.append(before)
        self.changed = self.changed or changed


def log_in(login: Login, registries: list[ecr.Registry], min_remaining: float, client: ecr.ClientFactory) -> Outcome:
    """Have a token stored for each registry that it accepts and of whose life more than a share is left.

    :param min_remaining: the share, from 0 to 1.
    :raises DeployError: whatever an operator can act on.
    """
    outcome = Outcome()
    minted: dict[tuple[str, str], ecr.Token] = {}
    fresh: dict[ecr.Registry, ecr.Token] = {}
    config, notes = _read_config(login), store.read_json(login.notes_path)
    found = {registry: _stored(config, registry.name) for registry in registries}
    for registry in registries:
        expires, before = _judge(registry, found[registry], notes.get(registry.name), min_remaining)
        if expires is not None:
            outcome.add(registry, before, changed=False, expires=expires)
            continue
        if not login.check:
            source = (registry.service, registry.region)
            minted[source] = fresh[registry] = minted.get(source) or ecr.mint(*source, client)
            ecr.check_new(registry, fresh[registry])
        outcome.add(registry, before, changed=True, expires=None if login.check else fresh[registry].expires)
    outcome.changed |= _keep(login, config, fresh)
    return outcome


def _read_config(login: Login) -> Config:
    config = store.read_json(login.path)
    if config.get("credsStore") == ECR_HELPER:
        raise DeployError(
            f"{login.path} has credsStore {ECR_HELPER}, so Docker never looks for a stored token: remove that line."
        )
    return config


def _stored(config: Config, registry: str) -> Credentials | str | None:
    """The token Docker would use, None without one, or ECR_HELPER where it would ask that."""
    helper = docker_config.helper_of(config, registry)
    if helper is None:
        return docker_config.stored_in_file(config, registry)
    return ECR_HELPER if helper == ECR_HELPER else store.get_from_helper(helper, registry)


def _judge(
    registry: ecr.Registry, found: Credentials | str | None, note: t.Any, min_remaining: float
) -> tuple[float | None, str]:
    """When a stored token ends, or None if it must be replaced; and what was found, in words."""
    if not isinstance(found, Credentials):
        return None, "credential helper" if found else "none"
    expires = ecr.known_end(found, note)
    if expires is None:
        return None, "token whose end is not known"
    left = ecr.share_left(expires)
    if left <= 0 or left < min_remaining:
        return None, "token near or past its end"
    if not ecr.accepts(registry, found):
        return None, "token the registry refuses"
    return expires, "token"


def _keep(login: Login, config: Config, fresh: dict[ecr.Registry, ecr.Token]) -> bool:
    """Store new tokens where Docker looks for them; True if a file changed (or would)."""
    in_file: dict[str, Credentials | None] = {}
    for registry, token in fresh.items():
        helper = docker_config.helper_of(docker_config.without_ecr_helper(config, registry.name), registry.name)
        in_file[registry.name] = None if helper else token.credentials
        if helper:
            store.store_in_helper(helper, registry.name, token.credentials)

    def change(found: Config) -> Config:
        for name, credentials in in_file.items():
            found = docker_config.with_credentials(found, name, credentials)
        return found

    changed = store.update_json(login.path, change, check=login.check)
    return _note(login, {registry.name: ecr.note_of(token) for registry, token in fresh.items()}) or changed


def _note(login: Login, new: dict[str, dict[str, t.Any] | None]) -> bool:
    def change(notes: Config) -> Config:
        return {name: note for name, note in {**notes, **new}.items() if note is not None}

    return store.update_json(login.notes_path, change, check=login.check)
