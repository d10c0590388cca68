# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

DOCUMENTATION = r"""
---
name: history_table
short_description: Who did what when on which host, as lines of a table
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns the histories of several hosts into a table that people can read, newest first.
options:
  _input:
    description:
      - By host, its RV(popcon.deploy.compose_release_info#module:history); null for a host that could not be asked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say who did what
  ansible.builtin.debug:
    msg: "{{ {'web-1': history, 'web-2': none} | popcon.deploy.history_table }}"
  vars:
    history:
      - time: "2026-11-23T07:01:10Z"
        action: deploy
        release: 12
        restores: null
        commit: 4f1d3c2b5a69788796a5b4c3d2e1f00112233445
        by: alice
        origin: laptop
        result: good
        seconds: 70
        problem: null
"""

RETURN = r"""
_value:
  description: The lines of the table, headings first.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.plugin_utils._table import UNKNOWN, commit, deed, table

HEADINGS = ("HOST", "TIME", "ACTION", "RELEASE", "COMMIT", "BY", "FROM", "RESULT", "SECONDS", "PROBLEM")


def history_table(histories: dict[str, list[Json] | None]) -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    rows: list[tuple[object, ...]] = []
    for host, history in histories.items():
        nothing = UNKNOWN if history is None else "nothing yet"
        rows += [_row(host, line) for line in history or []] or [(host, "", nothing, *[""] * (len(HEADINGS) - 3))]
    return table(HEADINGS, rows)


def _row(host: str, line: Json) -> tuple[object, ...]:
    # What another version of the collection wrote may lack some.
    get = line.get
    return (
        host,
        get("time"),
        deed(get("action"), get("restores")),
        get("release"),
        commit(get("commit")),
        get("by"),
        get("origin"),
        get("result"),
        None if get("seconds") is None else round(get("seconds", 0)),
        get("problem"),
    )


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"history_table": history_table}
