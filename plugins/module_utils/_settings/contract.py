"""The contract: the keys an app needs, as its `.env.example` lists them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError


def apply_contract(values: t.Mapping[str, str], contract: t.Mapping[str, str]) -> dict[str, str]:
    """The values, completed by the contract's defaults.

    :raises DeployError: required keys that are missing or empty, all at once.
    """
    complete = {**{key: default for key, default in contract.items() if default}, **values}
    missing = sorted(key for key, default in contract.items() if not default and not complete.get(key))
    if missing:
        raise DeployError(f"Required by the contract, but missing or empty: {', '.join(missing)}.")
    return complete


def refuse_unknown(unknown: t.Sequence[str]) -> None:
    """:raises DeployError: there are keys that the contract doesn't list."""
    if unknown:
        raise DeployError(f"Not in the contract: {', '.join(unknown)}. Add them to it, or use exclude.")
