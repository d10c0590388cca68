"""What a registry holds under a tag, asked in its own protocol: no engine is needed and nothing is pulled.

Source: OCI distribution specification, "Pulling manifests", and image specification, "Image manifest" and "Image index".
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import hashlib
import ipaddress
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


@dataclass(frozen=True)
class Stored:
    """An image in a registry: its digest (`sha256:…`), and the bytes a pull takes (None for several platforms' index)."""

    digest: str
    size: int | None


@dataclass(frozen=True)
class Repository:
    """A repository of a registry, and the Basic credentials to read it with, if any.

    `made_by_push` tells that one that doesn't exist is no error, since the first push makes it, as ECR's doesn't.
    """

    registry: str
    name: str
    basic: str | None
    made_by_push: bool

    def find(self, tag: str) -> Stored | None:
        """What is stored under a tag, or None.

        :raises DeployError: there is no such repository, or the registry refuses, or can't be asked.
        """
        scheme = "http" if _on_this_machine(self.registry) else "https"
        headers = {"Accept": ", ".join(_MANIFESTS)}
        if self.basic:
            headers["Authorization"] = f"Basic {self.basic}"
        answer = https.get(f"{scheme}://{self.registry}/v2/{self.name}/manifests/{tag}", headers)
        if answer.status == 200:
            return _read(answer.body)
        if answer.status == 404:
            self._must_exist(answer.body)
            return None
        if answer.refused:
            raise DeployError(
                f"{self.registry} refuses access to {self.name}: use credentials that may read it "
                "(ecr:BatchGetImage and ecr:GetAuthorizationToken), or log in."
            )
        raise DeployError(f"Cannot ask {self.registry} for {self.name}:{tag}: {answer.trouble}.")

    def _must_exist(self, body: bytes) -> None:
        if not self.made_by_push and "NAME_UNKNOWN" in _codes(body):
            raise DeployError(
                f"{self.registry} has no repository {self.name}: make it (playbook provision, or Terraform), or correct "
                "its name, the account or the region."
            )


def _on_this_machine(registry: str) -> bool:
    """Whether Docker, too, speaks plain HTTP to this registry: it does to loopback addresses."""
    host = registry.rpartition(":")[0] or registry
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _read(body: bytes) -> Stored:
    manifest = json.loads(body)
    size = None
    if "config" in manifest:
        size = sum(part["size"] for part in [manifest["config"], *manifest["layers"]])
    return Stored(f"sha256:{hashlib.sha256(body).hexdigest()}", size)


def _codes(body: bytes) -> set[t.Any]:
    """The codes in an answer; empty if it has none."""
    try:
        return {error.get("code") for error in json.loads(body)["errors"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()
