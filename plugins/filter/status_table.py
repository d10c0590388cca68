# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

DOCUMENTATION = r"""
---
name: status_table
short_description: What runs on which host and what is wrong with it, as lines of a table
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns what P(popcon.deploy.release_status#filter) made of several hosts into a table that people can read, with a few lines on each
    host below it.
options:
  _input:
    description:
      - By host, what P(popcon.deploy.release_status#filter) returned; empty for a host that could not be asked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say how the hosts are
  ansible.builtin.debug:
    msg: "{{ {'web-1': {}} | popcon.deploy.status_table }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, headings first, and below it those on each host.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.plugin_utils._table import UNKNOWN, age, commit, deed, digest, table

HEADINGS = ("HOST", "SERVICE", "RUNS", "RECORDED", "HEALTH", "UP", "RESTARTS", "PORT")


def status_table(statuses: dict[str, Json]) -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    rows: list[tuple[object, ...]] = []
    notes: list[str] = []
    for host, status in statuses.items():
        rows += [_row(host, service) for service in status.get("services", [])] or [
            (host, "", "", "", "nothing runs" if "services" in status else UNKNOWN, "", "", "")
        ]
        notes += [f"{host}: {note}" for note in _notes(status)]
    return [*table(HEADINGS, rows), *notes]


def _row(host: str, service: Json) -> tuple[object, ...]:
    return (
        host,
        service["service"],
        digest(service["digest"]),
        digest(service["recorded_digest"]),
        service["state"],
        age(service["uptime_seconds"]),
        service["restarts"],
        ",".join(service["ports"]),
    )


def _notes(status: Json) -> t.Iterator[str]:
    release = status.get("release")
    if release:
        yield (
            f"release {release['number']}, commit {commit(release['commit']) or 'unknown'}, "
            f"{deed(release['action'], release['restores'])} by {release['by']} from {release['origin']}, {release['ended']}"
        )
    for token in status.get("tokens", []):
        yield f"logged in to {token['registry']}" + (f" until {token['expires_at']}" if token["expires_at"] else "")
    yield from (f"NOT AS IT SHOULD BE: {difference}" for difference in status.get("differences", []))


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"status_table": status_table}
