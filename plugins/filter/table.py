# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: table
short_description: A result as lines of a table that people can read
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns what modules and roles of this collection returned into lines of text, headings first. An empty cell is shown as C(-).
positional: kind
options:
  _input:
    description:
      - The result; O(kind) says which.
    type: raw
    required: true
  kind:
    description:
      - V(build), the images that the role P(popcon.deploy.image_build#role) built, as in
        RV(popcon.deploy.image_build_info#module:images).
      - V(build_plan), the same before they are built.
      - V(history), by host RV(popcon.deploy.compose_release_info#module:history), newest first; null for a host that could not be
        asked.
      - V(kept_releases), by host what P(popcon.deploy.compose_release_info#module) returned, for the releases that a host can go back
        to; empty for a host that could not be asked.
      - V(plan), the rows of P(popcon.deploy.provision_plan#module) and the modules that plan likewise. It has a line for each resource
        with what happens to it, one for each of its attributes that changes, and the sums at the end.
      - V(release), by host what P(popcon.deploy.compose_release#module) or P(popcon.deploy.compose_rollback#module) returned. A host
        without RV(popcon.deploy.compose_release#module:services) is listed as not deployed.
      - V(rotation), what P(popcon.deploy.secret_rotation#module) returned as RV(popcon.deploy.secret_rotation#module:rotated). There
        are no values in it.
      - V(status), by host what P(popcon.deploy.release_status#filter) returned; empty for a host that could not be asked. Below the
        table are a few lines on each host.
    type: str
    required: true
    choices: [build, build_plan, history, kept_releases, plan, release, rotation, status]
"""

EXAMPLES = r"""
- name: Say what was built
  ansible.builtin.debug:
    msg: "{{ images | popcon.deploy.table('build') }}"
  vars:
    images:
      - name: backend
        tag: backend-3f2a9c1b7d4e
        action: build
        digest: sha256:9c5f0c3b7a214f6e
        size: 187000000

- name: Say what would be built
  ansible.builtin.debug:
    msg: "{{ [{'name': 'backend', 'tag': 'backend-3f2a9c1b7d4e', 'action': 'build'}] | popcon.deploy.table('build_plan') }}"

- name: Say who did what
  ansible.builtin.debug:
    msg: "{{ {'web-1': history, 'web-2': none} | popcon.deploy.table('history') }}"
  vars:
    history:
      - time: "2026-11-23T07:01:10Z"
        action: deploy
        release: 12
        restores: null
        commit: 4f1d3c2b5a69788796a5b4c3d2e1f00112233445
        by: alice
        started_from: laptop
        result: succeeded
        seconds: 70
        problem: null

- name: Say what there is to go back to
  ansible.builtin.debug:
    msg: "{{ {'web-1': app} | popcon.deploy.table('kept_releases') }}"
  vars:
    app:
      releases:
        - number: 12
          commit: 4f1d3c2b5a69788796a5b4c3d2e1f00112233445
          action: deploy
          restores: null
          by: alice
          ended: "2026-11-23T07:01:10Z"
          result: succeeded
          restorable: true
          why_not: null

- name: Say what would be done
  ansible.builtin.debug:
    msg: "{{ [] | popcon.deploy.table('plan') }}"

- name: Say what runs
  ansible.builtin.debug:
    msg: "{{ {'web-1': release} | popcon.deploy.table('release') }}"
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

- name: Say which passwords were rotated
  ansible.builtin.debug:
    msg: "{{ rotated | popcon.deploy.table('rotation') }}"
  vars:
    rotated:
      - key: DB_PASSWORD
        name: /popcon/DB_PASSWORD
        old_version: 3
        new_version: 4
        state: promoted
        steps: [create, apply, promote]

- name: Say how the hosts are
  ansible.builtin.debug:
    msg: "{{ {'web-1': {}} | popcon.deploy.table('status') }}"
"""

RETURN = r"""
_value:
  description: The lines of the table.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.popcon.deploy.plugins.plugin_utils._table_kinds import TABLES


def table(result: t.Any, kind: str) -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    if kind not in TABLES:
        raise AnsibleFilterError(f"There is no table {kind!r}: choose one of {', '.join(TABLES)}.")
    return TABLES[kind](result)


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"table": table}
