# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: release_table
short_description: What runs on which host, as lines of a table
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns what P(popcon.deploy.compose_release#module) or P(popcon.deploy.compose_rollback#module) returned on several hosts into a
    table that people can read.
options:
  _input:
    description:
      - By host, what the module returned there. A host without an entry RV(popcon.deploy.compose_release#module:services) is listed
        as not deployed.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what runs
  ansible.builtin.debug:
    msg: "{{ {'web-1': release} | popcon.deploy.release_table }}"
  vars:
    release:
      services:
        - service: frontend
          container: popcon-frontend
          id: 8f3c1e0b6d5a
          image: example.com/dev-app
          digest: sha256:9c5f0c3b7a214f6e
          state: healthy
          ports: ["3000"]
"""

RETURN = r"""
_value:
  description: The lines of the table, headings first.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.plugin_utils._table import digest, table

HEADINGS = ("HOST", "SERVICE", "IMAGE DIGEST", "HEALTH", "PORT")


def release_table(releases: dict[str, dict[str, t.Any]]) -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    rows: list[tuple[str, ...]] = []
    for host, release in releases.items():
        rows += [
            (host, s["service"], digest(s["digest"]), s["state"], ",".join(s["ports"]))
            for s in release.get("services", [])
        ] or [(host, "", "", "not deployed", "")]
    return table(HEADINGS, rows)


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"release_table": release_table}
