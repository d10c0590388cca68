"""The tables that the filter `table` knows, by kind: the columns of each, or how it makes its lines."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import text
from ansible_collections.popcon.deploy.plugins.plugin_utils._table import (
    ByHost,
    Columns,
    Rows,
    age,
    commit,
    deed,
    digest,
)


def _build(words: dict[str, str]) -> Columns:
    return {
        "IMAGE": lambda image: image["name"],
        "TAG": lambda image: image["tag"],
        "RESULT": lambda image: words[image["action"]],
        "DIGEST": lambda image: digest(image.get("digest") or ""),
        "SIZE": lambda image: f"{image['size'] / 1e6:.1f} MB" if image.get("size") is not None else "",
    }


#: What another version of the collection wrote may lack some.
_HISTORY: Columns = {
    "TIME": lambda line: line.get("time"),
    "ACTION": lambda line: deed(line.get("action"), line.get("restores")),
    "RELEASE": lambda line: line.get("release"),
    "COMMIT": lambda line: commit(line.get("commit")),
    "BY": lambda line: line.get("by"),
    "FROM": lambda line: line.get("started_from"),
    "RESULT": lambda line: line.get("result"),
    "SECONDS": lambda line: round(line["seconds"]) if line.get("seconds") is not None else None,
    "PROBLEM": lambda line: line.get("problem"),
}

_KEPT_RELEASES: Columns = {
    "RELEASE": lambda release: release["number"],
    "COMMIT": lambda release: commit(release["commit"]),
    "ACTION": lambda release: deed(release["action"], release["restores"]),
    "BY": lambda release: release["by"],
    "ENDED": lambda release: release["ended"],
    "RESULT": lambda release: release["result"],
    "TO GO BACK TO": lambda release: release["why_not"] or "all is on the host",
}

_RELEASE: Columns = {
    "SERVICE": lambda service: service["service"],
    "IMAGE DIGEST": lambda service: digest(service["digest"]),
    "HEALTH": lambda service: service["state"],
    "PORT": lambda service: ",".join(service["ports"]),
}

_ROTATION: Columns = {
    "SECRET": lambda one: one["key"],
    "PARAMETER": lambda one: one["name"],
    "OLD VERSION": lambda one: one["old_version"],
    "NEW VERSION": lambda one: one["new_version"],
    "STATE": lambda one: one["state"],
    "STEPS": lambda one: ", ".join(one["steps"]),
}

_STATUS: Columns = {
    "SERVICE": lambda service: service["service"],
    "RUNS": lambda service: digest(service["digest"]),
    "RECORDED": lambda service: digest(service["recorded_digest"]),
    "HEALTH": lambda service: service["state"],
    "UP": lambda service: age(service["uptime_seconds"]),
    "RESTARTS": lambda service: service["restarts"],
    "PORT": lambda service: ",".join(service["ports"]),
}


def _status_notes(status: Json) -> t.Iterator[str]:
    release = status.get("release")
    if release:
        yield (
            f"release {release['number']}, commit {commit(release['commit']) or 'unknown'}, "
            f"{deed(release['action'], release['restores'])} by {release['by']} from {release['started_from']}, {release['ended']}"
        )
    for token in status.get("tokens", []):
        yield f"logged in to {token['registry']}" + (f" until {token['expires_at']}" if token["expires_at"] else "")
    yield from (f"DRIFT: {difference}" for difference in status.get("differences", []))


_SIGNS = {"create": "+", "update": "~", "delete": "-", "conflict": "!", "report": "?"}


def _plan(rows: list[Json]) -> list[str]:
    lines = []
    for row in rows:
        lines.append(
            f"{_SIGNS[row['action']]} {row['kind']} {row['name']}" + (f": {row['note']}" if row["note"] else "")
        )
        # What is made new has all its attributes from the inventory.
        if row["action"] != "create":
            lines += [f"    {one['attribute']}: {_change(one['before'], one['after'])}" for one in row["changes"]]
    return [*lines, _sums(rows)]


def _change(before: t.Any, after: t.Any) -> str:
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"-{text(one)}" for one in before if one not in after]
        come = [f"+{text(one)}" for one in after if one not in before]
        return " ".join(gone + come)
    if before is None:
        return f"added, {text(after)}"
    if after is None:
        return f"removed, was {text(before)}"
    return f"{text(before)} → {text(after)}"


def _sums(rows: list[Json]) -> str:
    count = {action: sum(row["action"] == action for row in rows) for action in _SIGNS}
    said = f"{count['create']} to create, {count['update']} to change, {count['delete']} to remove"
    if count["conflict"]:
        said += f", {count['conflict']} in the way"
    if count["report"]:
        said += f"; {count['report']} not of this inventory, left alone"
    return said if rows else "Nothing to do: everything is as the inventory has it"


#: What makes the lines of each kind. A new one is an entry here and a choice in the filter's documentation.
TABLES: dict[str, t.Callable[[t.Any], list[str]]] = {
    "build": Rows(_build({"build": "built", "tag": "tagged as latest", "none": "unchanged"})),
    "build_plan": Rows(_build({"build": "to be built", "tag": "to be tagged as latest", "none": "unchanged"})),
    "history": ByHost(_HISTORY, lambda history: history, "ACTION", "nothing yet"),
    "kept_releases": ByHost(_KEPT_RELEASES, lambda info: info.get("releases"), "RELEASE", "none yet"),
    "plan": _plan,
    "release": ByHost(_RELEASE, lambda release: release.get("services", []), "HEALTH", "not deployed"),
    "rotation": Rows(_ROTATION),
    "status": ByHost(_STATUS, lambda status: status.get("services"), "HEALTH", "nothing runs", _status_notes),
}
