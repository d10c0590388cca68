# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

DOCUMENTATION = r"""
---
name: plan_table
short_description: What a plan would do, as lines that people can read
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns the rows of P(popcon.deploy.provision_plan#module) and the modules that plan likewise into lines - one for each resource with
    what happens to it, one for each of its attributes that changes, and the sums at the end.
options:
  _input:
    description:
      - The rows.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what would be done
  ansible.builtin.debug:
    msg: "{{ [] | popcon.deploy.plan_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import text

SIGNS = {"create": "+", "update": "~", "delete": "-", "conflict": "!", "report": "?"}


def plan_table(rows: list[Json]) -> list[str]:
    """The lines; see DOCUMENTATION."""
    lines = []
    for row in rows:
        lines.append(
            f"{SIGNS[row['action']]} {row['kind']} {row['name']}" + (f": {row['note']}" if row["note"] else "")
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
    count = {action: sum(row["action"] == action for row in rows) for action in SIGNS}
    said = f"{count['create']} to create, {count['update']} to change, {count['delete']} to remove"
    if count["conflict"]:
        said += f", {count['conflict']} in the way"
    if count["report"]:
        said += f"; {count['report']} not of this inventory, left alone"
    return said if rows else "Nothing to do: everything is as the inventory has it"


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"plan_table": plan_table}
