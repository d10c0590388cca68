# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: rotation_table
short_description: How far the rotation of each secret is, as lines of a table
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns what P(popcon.deploy.secret_rotation#module) returned into a table that people can read. There are no values in it.
options:
  _input:
    description:
      - What the module returned as RV(popcon.deploy.secret_rotation#module:rotated).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what was done
  ansible.builtin.debug:
    msg: "{{ rotated | popcon.deploy.rotation_table }}"
  vars:
    rotated:
      - key: DB_PASSWORD
        name: /popcon/DB_PASSWORD
        old_version: 3
        new_version: 4
        state: promoted
        steps: [create, apply, promote]
"""

RETURN = r"""
_value:
  description: The lines of the table, headings first.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.plugin_utils._table import table

HEADINGS = ("SECRET", "PARAMETER", "OLD VERSION", "NEW VERSION", "STATE", "STEPS")


def rotation_table(rotated: list[dict[str, t.Any]]) -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    fields = ("key", "name", "old_version", "new_version", "state")
    return table(HEADINGS, [(*(one[field] for field in fields), ", ".join(one["steps"])) for one in rotated])


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"rotation_table": rotation_table}
