"""IAM policies: may this principal do this? Everything is denied, an Allow permits, a Deny wins.

Understood: Action, NotAction, Resource, NotResource with ``*`` and ``?``, policy variables, and Condition with the
operators of ``_OPERATORS``. A statement with an operator or a context key that is not known here never allows; as a
Deny it applies, so that the lab is never laxer than AWS. Of resource policies only those of buckets are asked, and only
for what they deny, to whomever. Not emulated: permission boundaries, SCPs, session policies, ``iam:PassRole``.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def allows(documents: Iterable[str], action: str, resource: str, context: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether the policies (JSON) allow the action on the resource, and whether an explicit Deny was the reason if not.

    ``context`` holds the values of condition keys and policy variables, keys in lower case.
    """
    allowed = False
    for document in documents:
        for statement in _list(json.loads(document).get("Statement")):
            if not _concerns(statement, action, resource, context):
                continue
            if statement.get("Effect") == "Deny":
                if _met(statement.get("Condition"), context, unknown=True):
                    return False, True
            elif _met(statement.get("Condition"), context, unknown=False):
                allowed = True
    return allowed, False


def _concerns(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    if "NotAction" in statement:
        named = not any(_like(pattern.lower(), action.lower()) for pattern in _list(statement["NotAction"]))
    else:
        named = any(_like(pattern.lower(), action.lower()) for pattern in _list(statement.get("Action")))
    if not named:
        return False
    if "NotResource" in statement:
        return not any(_covers(pattern, resource, context) for pattern in _list(statement["NotResource"]))
    return any(_covers(pattern, resource, context) for pattern in _list(statement.get("Resource")))


def _covers(pattern: str, resource: str, context: Mapping[str, str]) -> bool:
    filled = _fill(pattern, context)
    return filled is not None and _like(filled, resource)


def _met(condition: Mapping[str, Any] | None, context: Mapping[str, str], *, unknown: bool) -> bool:
    for operator, tests in (condition or {}).items():
        compare = _OPERATORS.get(operator)
        for key, expected in tests.items():
            actual = context.get(key.lower())
            if compare is None or actual is None:
                if not unknown:
                    return False
                continue
            wanted = [filled for value in _list(expected) if (filled := _fill(str(value), context)) is not None]
            if not compare(wanted, actual):
                return False
    return True


_OPERATORS: dict[str, Callable[[list[str], str], bool]] = {
    "StringEquals": lambda wanted, actual: actual in wanted,
    "StringNotEquals": lambda wanted, actual: actual not in wanted,
    "StringLike": lambda wanted, actual: any(_like(pattern, actual) for pattern in wanted),
    "StringNotLike": lambda wanted, actual: not any(_like(pattern, actual) for pattern in wanted),
    "ArnLike": lambda wanted, actual: any(_like(pattern, actual) for pattern in wanted),
    "Bool": lambda wanted, actual: actual in [value.lower() for value in wanted],
}


def _fill(pattern: str, context: Mapping[str, str]) -> str | None:
    """The pattern with its variables filled in; None when one is unknown: such a pattern covers nothing."""
    names = _VARIABLE.findall(pattern)
    if any(name.lower() not in context for name in names):
        return None
    return _VARIABLE.sub(lambda match: context[match[1].lower()], pattern)


def _like(pattern: str, value: str) -> bool:
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
