# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

DOCUMENTATION = r"""
---
name: kept_releases_table
short_description: Which releases are kept on which host to go back to, as lines of a table
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns what P(popcon.deploy.compose_release_info#module) returned on several hosts into a table that people can read.
options:
  _input:
    description:
      - By host, what the module returned there; empty for a host that could not be asked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what there is to go back to
  ansible.builtin.debug:
    msg: "{{ {'web-1': app} | popcon.deploy.kept_releases_table }}"
  vars:
    app:
      releases:
        - number: 12
          commit: 4f1d3c2b5a69788796a5b4c3d2e1f00112233445
          action: deploy
          restores: null
          by: alice
          ended: "2026-11-23T07:01:10Z"
          result: good
          restorable: true
          why_not: null
"""

RETURN = r"""
_value:
  description: The lines of the table, headings first.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.plugin_utils._table import UNKNOWN, commit, deed, table

HEADINGS = ("HOST", "RELEASE", "COMMIT", "ACTION", "BY", "ENDED", "RESULT", "TO GO BACK TO")


def kept_releases_table(infos: dict[str, Json]) -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    rows: list[tuple[object, ...]] = []
    for host, info in infos.items():
        nothing = "none yet" if "releases" in info else UNKNOWN
        rows += [_row(host, release) for release in info.get("releases", [])] or [
            (host, nothing, *[""] * (len(HEADINGS) - 2))
        ]
    return table(HEADINGS, rows)


def _row(host: str, release: Json) -> tuple[object, ...]:
    return (
        host,
        release["number"],
        commit(release["commit"]),
        deed(release["action"], release["restores"]),
        release["by"],
        release["ended"],
        release["result"],
        release["why_not"] or "all is on the host",
    )


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"kept_releases_table": kept_releases_table}
