"""Which keys an app's settings may have, and what a task may add to them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import fnmatch
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.base import KEY

# Keys that configure compose, docker, the dynamic linker or a shell rather than the app. In an .env of compose those of
# compose and docker take effect without an export.
RESERVED = (
    "BASHOPTS",
    "BASH_ENV",
    "BUILDKIT_*",
    "BUILDX_*",
    "COMPOSE_*",
    "DOCKER_*",
    "IFS",
    "LD_*",
    "PATH",
    "SHELLOPTS",
)


def literals(extra: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Literal values of a task as text: numbers as written, booleans as `true` and `false`.

    :raises DeployError: keys that are no keys, and values that are lists, mappings or null.
    """
    wrong = sorted(
        str(key)
        for key, value in extra.items()
        if not KEY.fullmatch(str(key)) or not isinstance(value, (str, int, float))
    )
    if wrong:
        raise DeployError(f"In extra, not a valid key with a text, number or boolean: {', '.join(wrong)}.")
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in extra.items()}


def refuse_reserved(keys: t.Iterable[str], allowed: t.Collection[str]) -> None:
    """:raises DeployError: reserved keys that are not allowed by name."""
    reserved = sorted(
        key for key in keys if key not in allowed and any(fnmatch.fnmatchcase(key, pattern) for pattern in RESERVED)
    )
    if reserved:
        raise DeployError(
            f"These keys would steer compose, docker or the shell instead of the app: {', '.join(reserved)}. "
            "Use exclude or rename, or name them in allow_keys."
        )
