"""Files of `KEY=value` that their readers read back exactly, or an error that names the keys they could not.

The formats and their rules are in `formats`, and are tested against the readers themselves.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.compose import parse_env
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.table import FORMATS

__all__ = ["HEADER", "differing_keys", "entries", "parse_env", "render"]

HEADER = "# Written by popcon.deploy.ssm_env_render: edits are lost at the next run.\n"


def render(values: t.Mapping[str, str], format: str) -> bytes:
    """The whole file, keys sorted, ending in a line feed.

    :param values: keys (`[A-Za-z_][A-Za-z0-9_]*`, checked by the caller) and values.
    :param format: one of `FORMATS`.
    :raises DeployError: names every key whose value the format can't carry.
    """
    chosen = FORMATS[format]
    reasons = {key: _unencodable(value) or chosen.refusal(key, value) for key, value in sorted(values.items())}
    refused = [f"{key} ({reason})" for key, reason in reasons.items() if reason]
    if refused:
        raise DeployError(f"The format {format} cannot carry the value of {', '.join(refused)}.")
    return (HEADER + "".join(chosen.entry(key, values[key]) for key in sorted(values))).encode()


def entries(content: bytes, format: str) -> dict[str, str]:
    """The keys of a file made by `render`, each with its text, to be compared with another file's of the same format.

    It never fails, unlike `parse_env`: in a file that another program wrote it finds what looks like an entry.
    """
    text = content.decode("utf-8", "replace")
    return {found["key"]: found[0] for found in FORMATS[format].written.finditer(text)}


def differing_keys(recorded: t.Mapping[str, str], found: t.Mapping[str, str]) -> list[str]:
    """The keys that only one of them has, or that have another value there; sorted."""
    return sorted(key for key in {*recorded, *found} if recorded.get(key) != found.get(key))


def _unencodable(value: str) -> str | None:
    if "\0" in value:
        return "it has a NUL, which no environment variable can hold"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return None
