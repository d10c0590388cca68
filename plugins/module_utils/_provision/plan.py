"""What has to be done to bring what is there to what is wanted: one comparison for all kinds of resources."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

#: The tag that says who made a resource. Nothing is changed or removed that does not have it.
OWNER_TAG = "ManagedBy"
#: The option of modules that gives its value.
OWNER_OPTION: Json = {
    "type": "str",
    "required": True,
    "aliases": ["mark"],
    "deprecated_aliases": [{"name": "mark", "version": "1.0.0", "collection_name": "popcon.deploy"}],
}

#: In the place of what AWS decides when it makes something.
UNKNOWN = "(known after apply)"

#: Rows with one of these actions change something.
CHANGING = ("create", "update", "delete")


@dataclasses.dataclass
class Resource:
    """Something in AWS, as it is wanted or as it was found."""

    kind: str
    name: str
    attributes: Json
    id: str | None = None
    #: Attributes that AWS can't change once it is made.
    fixed: tuple[str, ...] = ()

    @property
    def owner(self) -> str | None:
        """Who made it."""
        return (self.attributes.get("tags") or {}).get(OWNER_TAG)


def with_owner(tags: Json, owner: str, name: str | None = None) -> Json:
    """The tags of a resource of ours, all texts, as AWS keeps them."""
    return {**{key: str(value) for key, value in tags.items()}, **({"Name": name} if name else {}), OWNER_TAG: owner}


def own_tags(found: Json | None) -> Json:
    """Tags that people set; AWS's own can't be changed by anybody."""
    return {key: value for key, value in (found or {}).items() if not key.startswith("aws:")}


def plan(
    wanted: list[Resource], found: list[Resource], owner: str, adopt: bool, in_the_way: t.Collection[str] = ()
) -> list[Json]:
    """What has to be done, a row for each resource that is not as it should be.

    :param owner: the value of the tag OWNER_TAG of our resources.
    :param adopt: take what has another owner tag, or none, as ours.
    :param in_the_way: kinds of which there may be none that isn't ours.
    """
    there: dict[tuple[str, str], Resource] = {}
    for one in sorted(found, key=lambda one: one.owner != owner):
        twin = (one.kind, one.name) in there
        named = dataclasses.replace(one, name=f"{one.name} ({one.id})") if twin else one
        there[named.kind, named.name] = named
    rows = [_row(one, there.pop((one.kind, one.name), None), owner, adopt) for one in wanted]
    rows += [_left_over(one, owner, one.kind in in_the_way) for one in there.values()]
    return [row for row in rows if row]


def _row(wanted: Resource, found: Resource | None, owner: str, adopt: bool) -> Json | None:
    if found is None:
        return as_row("create", wanted, changes(wanted.attributes, {}))
    if found.owner != owner and not adopt:
        note = (
            f"is there already ({found.id or found.name}), but {_of_whom(found)}: choose another name, or take it over "
            "with -e provision_adopt=true"
        )
        return as_row("conflict", found, [], note)
    differences = changes(wanted.attributes, found.attributes)
    if not differences:
        return None
    stuck = [one["attribute"] for one in differences if one["attribute"] in wanted.fixed]
    if stuck:
        note = f"can't be changed once it is made ({', '.join(stuck)}): change the inventory back, or remove it by hand"
        return as_row("conflict", found, differences, note)
    return as_row("update", found, differences)


def _left_over(found: Resource, owner: str, in_the_way: bool) -> Json:
    if found.owner == owner:
        return as_row("delete", found, [])
    if in_the_way:
        return as_row("conflict", found, [], f"{_of_whom(found)}, and is in the way: remove it by hand first")
    return as_row("report", found, [], f"the inventory doesn't know it, and {_of_whom(found)}: left alone")


def _of_whom(found: Resource) -> str:
    return f"its tag {OWNER_TAG} says {found.owner}" if found.owner else f"has no tag {OWNER_TAG}"


def as_row(action: str, one: Resource, differences: list[Json], note: str = "") -> Json:
    """A row of a plan."""
    return {
        "action": action,
        "kind": one.kind,
        "name": one.name,
        "id": one.id,
        "changes": differences,
        "note": note,
    }


def changes(wanted: Json, found: Json) -> list[Json]:
    """The attributes that differ, those within dicts each on their own. What `wanted` doesn't name doesn't matter."""
    return [one for name, value in wanted.items() for one in _changes(name, found.get(name), value)]


def _changes(name: str, before: t.Any, after: t.Any) -> t.Iterator[Json]:
    if isinstance(after, dict) and (before is None or isinstance(before, dict)) and (before or "." not in name):
        old = before or {}
        for key in [*after, *(key for key in old if key not in after)]:
            yield from _changes(f"{name}.{key}", old.get(key), after.get(key))
    elif before != after:
        yield {"attribute": name, "before": before, "after": after}


def result(rows: list[Json]) -> Json:
    """What a module returns of its plan: `rows`, `problems` that keep it from being applied, a sentence each, and `diff`."""
    problems = [f"The {row['kind']} {row['name']} {row['note']}." for row in rows if row["action"] == "conflict"]
    return {"rows": rows, "problems": problems, "diff": _difference(rows)}


def changing(rows: list[Json]) -> list[Json]:
    """The rows that change something."""
    return [row for row in rows if row["action"] in CHANGING]


def _difference(rows: list[Json]) -> dict[str, str]:
    """The rows as `--diff` shows them."""
    sides = {"before": "before", "after": "after"}
    gone = {"create": "before", "delete": "after"}
    return {
        side: "".join(
            f"{row['kind']} {row['name']}\n"
            + "".join(f"  {one['attribute']}: {text(one[key])}\n" for one in row["changes"] if one[key] is not None)
            for row in changing(rows)
            if gone.get(row["action"]) != side
        )
        for side, key in sides.items()
    }


def text(value: t.Any) -> str:
    """A value on one line."""
    if isinstance(value, list):
        return "[" + ", ".join(text(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
