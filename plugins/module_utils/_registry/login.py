"""Logging a user's Docker in to ECR and out again."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import pwd
import shutil
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

_HELPER_LOGIN = "credential_helper"
#: The share of its life that must be left of a stored token, if nothing else is asked for.
MIN_LIFE = 0.5


@dataclass(frozen=True)
class Login:
    """Whose logins are changed, where they are kept, and whether they really are."""

    user: pwd.struct_passwd
    path: str
    check: bool

    @classmethod
    def of(cls, user: str | None, path: str | None, check: bool) -> Login:
        """:raises DeployError: no such user, no right to change that user's logins, or a path that isn't absolute."""
        entry = store.find_user(user)
        path = path or os.path.join(entry.pw_dir, ".docker", "config.json")
        if not os.path.isabs(path):
            raise DeployError(f"config_path must be absolute, and {path} is not.")
        return cls(entry, path, check)

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

    def add(
        self, registry: ecr.Registry, before: str, login: str, *, changed: bool, expires: float | None = None
    ) -> None:
        """Note one registry."""
        expires_at = None if expires is None else ecr.iso(expires)
        self.rows.append({"name": registry.name, "login": login, "changed": changed, "expires_at": expires_at})
        self.before.append(before)
        self.changed = self.changed or changed


def log_in(login: Login, registries: list[ecr.Registry], min_life: float, client: ecr.ClientFactory) -> Outcome:
    """Have a token stored for each registry that it accepts and of whose life more than a share is left.

    :param min_life: the share, from 0 to 1.
    :raises DeployError: from this and the next two functions: whatever an operator can act on.
    """
    outcome = Outcome()
    minted: dict[tuple[str, str], ecr.Token] = {}
    fresh: dict[ecr.Registry, ecr.Token] = {}
    with store.acting_as(login.user):
        config, notes = _read_config(login), store.read_json(login.notes_path)
        found = {registry: _stored(login, config, registry.name) for registry in registries}
    for registry in registries:
        expires, before = _judge(registry, found[registry], notes.get(registry.name), min_life)
        if expires is not None:
            outcome.add(registry, before, "token", changed=False, expires=expires)
            continue
        if not login.check:
            source = (registry.service, registry.region)
            minted[source] = fresh[registry] = minted.get(source) or ecr.mint(*source, client)
            ecr.check_new(registry, fresh[registry])
        outcome.add(registry, before, "token", changed=True, expires=None if login.check else fresh[registry].expires)
    with store.acting_as(login.user):
        outcome.changed |= _keep(login, config, fresh)
    return outcome


def set_helper(login: Login, registries: list[ecr.Registry]) -> Outcome:
    """Have Docker ask the ECR helper for each registry."""
    program = f"docker-credential-{ECR_HELPER}"
    # In check mode, a task before this one may only have said that it would install it.
    if not login.check and shutil.which(program) is None:
        raise DeployError(
            f"{program} is not on PATH. Install the package amazon-ecr-credential-helper (apt-get or dnf install), "
            "or use the method token."
        )

    def change(config: Config, registry: str) -> Config:
        return docker_config.with_ecr_helper(config, registry)

    return _apply(login, registries, _HELPER_LOGIN, change)


def log_out(login: Login, registries: list[ecr.Registry]) -> Outcome:
    """Have neither a stored token nor the ECR helper for any of the registries."""
    erased = set()
    with store.acting_as(login.user):
        config = _read_config(login)
        for registry in registries:
            helper = docker_config.helper_of(config, registry.name)
            if helper and helper != ECR_HELPER and store.get_from_helper(helper, registry.name, login.user):
                erased.add(registry)
                if not login.check:
                    store.erase_from_helper(helper, registry.name, login.user)
    outcome = _apply(login, registries, "none", docker_config.without_login)
    for index, registry in enumerate(registries):
        if registry in erased:
            outcome.changed = outcome.rows[index]["changed"] = True
            outcome.before[index] = "token"
    return outcome


def _read_config(login: Login) -> Config:
    config = store.read_json(login.path)
    if config.get("credsStore") == ECR_HELPER:
        raise DeployError(
            f"{login.path} has credsStore {ECR_HELPER}, so Docker never looks for a stored token. Remove that line, "
            "or use the method credential_helper."
        )
    return config


def _stored(login: Login, config: Config, registry: str) -> Credentials | str | None:
    """The token Docker would use, None without one, or ECR_HELPER where it would ask that."""
    helper = docker_config.helper_of(config, registry)
    if helper is None:
        return docker_config.stored_in_file(config, registry)
    return ECR_HELPER if helper == ECR_HELPER else store.get_from_helper(helper, registry, login.user)


def _judge(
    registry: ecr.Registry, found: Credentials | str | None, note: t.Any, min_life: float
) -> tuple[float | None, str]:
    """When a stored token ends, or None if it must be replaced; and what was found, in words."""
    if not isinstance(found, Credentials):
        return None, _HELPER_LOGIN if found else "none"
    expires = ecr.known_end(found, note)
    if expires is None:
        return None, "token whose end is not known"
    left = ecr.share_left(expires)
    if left <= 0 or left < min_life:
        return None, "token near or past its end"
    if not ecr.accepts(registry, found):
        return None, "token the registry refuses"
    return expires, "token"


def _keep(login: Login, config: Config, fresh: dict[ecr.Registry, ecr.Token]) -> bool:
    """Store new tokens where Docker looks for them; True if a file changed (or would)."""
    in_file: dict[str, Credentials | None] = {}
    for registry, token in fresh.items():
        helper = docker_config.helper_of(docker_config.without_login(config, registry.name), registry.name)
        in_file[registry.name] = None if helper else token.credentials
        if helper:
            store.store_in_helper(helper, registry.name, token.credentials, login.user)

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


def _apply(
    login: Login, registries: list[ecr.Registry], after: str, change_one: t.Callable[[Config, str], Config]
) -> Outcome:
    """Make a change to config.json that needs no token, for each registry, and forget what was noted of its token."""
    outcome = Outcome()

    def change(config: Config) -> Config:
        for registry in registries:
            config = change_one(config, registry.name)
        return config

    with store.acting_as(login.user):
        config = store.read_json(login.path)
        for registry in registries:
            changed = change_one(config, registry.name) != config
            outcome.add(registry, _found_in_file(config, registry.name), after, changed=changed)
        outcome.changed |= store.update_json(login.path, change, check=login.check)
        outcome.changed |= _note(login, dict.fromkeys((registry.name for registry in registries), None))
    return outcome


def _found_in_file(config: Config, registry: str) -> str:
    if docker_config.helper_of(config, registry) == ECR_HELPER:
        return _HELPER_LOGIN
    return "token" if docker_config.stored_in_file(config, registry) else "none"
