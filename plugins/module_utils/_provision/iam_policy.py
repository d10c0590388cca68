"""IAM policy documents: filled in from the files the roles come with, and compared statement by statement."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

# IAM's own variables, such as ${aws:userid}, are not in capitals and stay.
_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def fill(text: str, values: dict[str, str | list[str]]) -> Json:
    """A document with its placeholders filled in.

    A placeholder may stand for several values: then the list element it is in becomes several. A statement in which a
    list is left empty by one without a value is left out.

    :raises DeployError: there is no value for a placeholder.
    """
    document = json.loads(text)
    missing = sorted(set(_PLACEHOLDER.findall(text)) - set(values))
    if missing:
        raise DeployError(f"The policy needs values for {', '.join(missing)}.")
    filled: Json = _filled(document, values)
    if "Statement" in filled:
        filled["Statement"] = [statement for statement in filled["Statement"] if _says_something(statement)]
    return filled


def _says_something(value: t.Any) -> bool:
    if isinstance(value, dict):
        return all(map(_says_something, value.values()))
    return value != []


def _filled(value: t.Any, values: dict[str, str | list[str]]) -> t.Any:
    if isinstance(value, dict):
        # Keys can hold a placeholder too: the condition keys of an OIDC provider begin with its host.
        return {_expanded(key, values)[0]: _filled(one, values) for key, one in value.items()}
    if isinstance(value, list):
        return [
            one
            for item in value
            for one in (_expanded(item, values) if isinstance(item, str) else [_filled(item, values)])
        ]
    if isinstance(value, str):
        return _expanded(value, values)[0]
    return value


def _expanded(text: str, values: dict[str, str | list[str]]) -> list[str]:
    name = next(iter(_PLACEHOLDER.findall(text)), None)
    if name is None:
        return [text]
    choices = values[name] if isinstance(values[name], list) else [values[name]]
    return [done for choice in choices for done in _expanded(text.replace(f"${{{name}}}", str(choice)), values)]


def statements(document: Json | str | None) -> Json:
    """The statements of a policy by their names, each in one order, as AWS returns lists of one as texts and reorders."""
    if not document:
        return {}
    whole = json.loads(document) if isinstance(document, str) else document
    listed = whole.get("Statement") or []
    listed = [listed] if isinstance(listed, dict) else listed
    return {one.get("Sid") or f"statement {number}": _ordered(one) for number, one in enumerate(listed, 1)}


def _ordered(statement: Json) -> Json:
    plain = {key: value for key, value in statement.items() if key != "Sid"}
    return {key: _sorted(value) if key != "Effect" else value for key, value in sorted(plain.items())}


def _sorted(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _sorted(one) for key, one in sorted(value.items())}
    return sorted(map(_text, value if isinstance(value, list) else [value]))


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
