"""Whether the host can log in to the registries, and needs to."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Findings, Look, Unchecked
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.identity import Caller
from ansible_collections.popcon.deploy.plugins.module_utils._registry import ecr
from ansible_collections.popcon.deploy.plugins.module_utils._registry import login as _login


def check(look: Look, caller: Caller) -> None:
    """Find whether the host is logged in."""
    names = look.options["registries"] or [caller.account]
    if names == [None]:
        raise Unchecked
    look.found.logged_in = check_registries(look.findings, names, look.found.region, look.client)


def check_registries(findings: Findings, names: t.Sequence[str], region: str | None, client: ecr.ClientFactory) -> bool:
    """Note what would keep the host from logging in to registries; nothing is stored.

    :param names: of ECR's registries, or account ids.
    :returns: whether it needn't log in, as for each a token is stored that has life left and is accepted.
    """
    registries = findings.tried(ecr.find_registries, names, region, client) or []
    if registries and _logged_in(registries, client):
        return True
    tokens: dict[tuple[str, str], ecr.Token | None] = {}
    for registry in registries:
        source = (registry.service, registry.region)
        if source not in tokens:
            tokens[source] = findings.tried(ecr.mint, *source, client)
        token = tokens[source]
        if token:
            findings.tried(ecr.check_new, registry, token)
    return False


def _logged_in(registries: list[ecr.Registry], client: ecr.ClientFactory) -> bool:
    """Whether logging in would change nothing. What can't be told, such as of a broken config.json, is left to the login."""
    try:
        login = _login.Login.of(None, check=True)
        return not _login.log_in(login, registries, _login.MIN_REMAINING, client).changed
    except DeployError:
        return False
