"""A table of parameters: what of it has to be made or changed. Values of secrets are neither read nor compared nor told."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource, as_row, plan, with_owner

#: How much a parameter of the standard tier holds, in bytes.
_LIMIT = 4096
_NAME = re.compile(r"^(/[A-Za-z0-9_.-]+)+$")
_HIDDEN = "(secret)"


class Table(t.NamedTuple):
    """What the parameters should be."""

    path: str
    #: Values by names, which begin with a slash.
    plain: dict[str, str]
    secrets: dict[str, str]
    key_id: str
    #: Secrets that get the value of the table though they have one.
    replace: frozenset[str]


def table(path: str, plain: Json, secrets: Json, key_id: str, replace: list[str]) -> Table:
    """The table, with whole names.

    :raises DeployError: a name or a value can't be stored; a value is never told.
    """
    stem = path.rstrip("/")

    def whole(name: str) -> str:
        return name if name.startswith("/") else f"{stem}/{name}"

    made = Table(
        stem,
        {whole(name): value for name, value in plain.items()},
        {whole(name): value for name, value in secrets.items()},
        key_id,
        frozenset(map(whole, replace)),
    )
    wrong = [f"{name} is not a name for a parameter." for name in [*made.plain, *made.secrets] if not _NAME.match(name)]
    wrong += [f"{name} is both plain and secret." for name in made.plain if name in made.secrets]
    wrong += [
        f"{name} is to be replaced, but is not a secret of the table." for name in made.replace - set(made.secrets)
    ]
    wrong += [
        f"The value of {name} is not a text: put it in quotes."
        for name, value in [*made.plain.items(), *made.secrets.items()]
        if not isinstance(value, str)
    ]
    if not wrong:
        wrong += [f"The parameter {name} has no value." for name, value in made.plain.items() if not value]
        wrong += [
            f"The value of {name} is longer than {_LIMIT} bytes."
            for name, value in [*made.plain.items(), *made.secrets.items()]
            if len(value.encode()) > _LIMIT
        ]
    if wrong:
        raise DeployError(" ".join(wrong))
    return made


def rows(wanted: Table, found: list[Json], tags: Json, owner: str, adopt: bool, removing: bool) -> list[Json]:
    """What has to be done.

    :param found: of each parameter `Name`, `Type`, `KeyId`, `Tags` and, if it is a String, `Value`.
    """
    resources = [_found(one) for one in found]
    if removing:
        return _reported(plan([], resources, owner, adopt), wanted, removing)
    made = [_wanted(name, value, tags, owner) for name, value in wanted.plain.items()]
    made += [_wanted(name, None, tags, owner) for name in wanted.secrets]
    done = _reported(plan(made, resources, owner, adopt), wanted, removing)
    return [
        _with_value(row, wanted) for row in [*done, *_replaced(wanted, done, resources), *_other_keys(wanted, found)]
    ]


def _wanted(name: str, value: str | None, tags: Json, owner: str) -> Resource:
    content: Json = {"type": "SecureString"} if value is None else {"type": "String", "value": value}
    return Resource("parameter", name, {**content, "tags": with_owner(tags, owner)}, fixed=("type",))


def _found(one: Json) -> Resource:
    attributes = {"type": one["Type"], "tags": one["Tags"]}
    if one["Type"] == "String":
        attributes["value"] = one["Value"]
    return Resource("parameter", one["Name"], attributes, one["Name"])


def _reported(done: list[Json], wanted: Table, removing: bool) -> list[Json]:
    """A parameter that isn't in the table is told of, not removed, unless all are: it may be somebody's only copy."""
    known = {*wanted.plain, *wanted.secrets}
    note = "the inventory doesn't know it: left alone"
    return [
        {**row, "action": "report", "note": note}
        if row["action"] == "delete" and not removing and row["name"] not in known
        else row
        for row in done
        if row["action"] != "report" or row["name"].startswith(f"{wanted.path}/")
    ]


def _replaced(wanted: Table, done: list[Json], there: list[Resource]) -> t.Iterator[Json]:
    made = {row["name"] for row in done if row["action"] in ("create", "conflict")}
    for one in there:
        if one.name in wanted.replace and one.name not in made:
            change = {"attribute": "value", "before": _HIDDEN, "after": f"{_HIDDEN}, as asked for"}
            yield as_row("update", one, [change])


def _other_keys(wanted: Table, found: list[Json]) -> t.Iterator[Json]:
    for one in found:
        if (
            one["Name"] in wanted.secrets
            and one["Name"] not in wanted.replace
            and one.get("KeyId") not in (None, wanted.key_id)
        ):
            note = (
                f"is encrypted with {one['KeyId']}, not with {wanted.key_id}: give it a value again with "
                f'-e \'{{"ssm_parameters_replace": ["{one["Name"]}"]}}\' to change that'
            )
            yield as_row("report", _found(one), [], note)


def _with_value(row: Json, wanted: Table) -> Json:
    """A secret that is to be stored needs a value."""
    stores = row["action"] == "create" or any(one["attribute"] == "value" for one in row["changes"])
    if row["action"] == "conflict" or not stores or wanted.secrets.get(row["name"]) != "":
        return row
    note = (
        "has no value to be made with: set the variable, or the environment variable that the inventory takes it from"
    )
    return {**row, "action": "conflict", "note": note}
