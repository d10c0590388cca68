"""The logins of the user this runs as, in the form the Docker Engine takes them from its clients."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import base64
import json
import os
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import require_sdk, retrying_config
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._registry import credential_store, docker_config, ecr
from ansible_collections.popcon.deploy.plugins.module_utils._registry.login import Login

# Under this key docker/cli keeps the login of Docker Hub (registry.IndexServer).
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"


def stored(registry: str) -> str | None:
    """The `X-Registry-Auth` header for a registry (`docker.io` for Docker Hub) from the stored logins, or None.

    :raises DeployError: `config.json` or a credential helper it names is broken.
    """
    found = login(registry)
    return _header(found, _key(registry)) if found else None


def login(registry: str, config_path: str | None = None) -> docker_config.Credentials | None:
    """The stored login for a registry, or None. By default it is looked for where ecr_login puts it by default.

    :raises DeployError: as `stored`.
    """
    user = credential_store.own_user()
    config = credential_store.read_json(config_path or os.path.join(user.pw_dir, ".docker", "config.json"))
    key = _key(registry)
    helper = docker_config.helper_of(config, key)
    return credential_store.get_from_helper(helper, key) if helper else docker_config.stored_in_file(config, key)


def minted(registry: str) -> str | None:
    """The header with a new token that is kept nowhere, for a registry of ECR; None for another, or if AWS gives none."""
    try:
        named = ecr.named_registry(registry)
        require_sdk()
        return _header(ecr.mint(named.service, named.region, _client).credentials, registry)
    except DeployError:
        return None


def _key(registry: str) -> str:
    return _DOCKER_HUB_KEY if registry == "docker.io" else registry


def _client(service: str, region: str) -> t.Any:
    import boto3

    return boto3.client(service, region_name=region, config=retrying_config())


def _header(credentials: docker_config.Credentials, server: str) -> str:
    """Source: Docker Engine API, "Authentication"."""
    fields = {"username": credentials.username, "password": credentials.secret, "serveraddress": server}
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def tokens() -> list[Json]:
    """The registries that the running user is logged in to, and when the stored tokens end.

    :raises DeployError: the stored logins can't be read.
    """
    login = Login.of(None, True)
    config, notes = credential_store.read_json(login.path), credential_store.read_json(login.notes_path)
    rows = []
    for registry in sorted({**(config.get("auths") or {}), **(config.get("credHelpers") or {})}):
        helper = docker_config.helper_of(config, registry)
        stored = None if helper else docker_config.stored_in_file(config, registry)
        end = ecr.known_end(stored, notes.get(registry)) if stored else None
        rows.append({"registry": registry, "expires_at": None if end is None else ecr.iso(end)})
    return rows
