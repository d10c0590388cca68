# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: rotation_proof
short_description: Whether hosts are proven to have new values of secrets
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - A host is proven to have a new value if its last good release was made with that version of the parameter, and nothing on the host
    differs from that release.
options:
  _input:
    description:
      - What P(popcon.deploy.compose_release_info#module) returned after the roll-out, for each host that uses the secrets. Empty for
        a host that was not asked.
    type: list
    elements: dict
    required: true
  rotated:
    description:
      - What P(popcon.deploy.secret_rotation#module) returned as RV(popcon.deploy.secret_rotation#module:rotated).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See that the host has the new value
  ansible.builtin.assert:
    that: proof.problems | length == 0
    fail_msg: "{{ proof.problems | join('\n') }}"
  vars:
    proof: "{{ [app] | popcon.deploy.rotation_proof(rotated) }}"
    app:
      release:
        parameters: {/popcon/DB_PASSWORD: 4}
      drift: []
    rotated:
      - key: DB_PASSWORD
        name: /popcon/DB_PASSWORD
        new_version: 4
"""

RETURN = r"""
_value:
  description:
    - C(versions), by key the version of its parameter that all hosts are proven to have, for
      O(popcon.deploy.secret_rotation#module:proof); empty unless that is proven of all secrets.
    - C(problems), why it is not proven, as sentences.
  type: dict
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.proof import prove


def rotation_proof(infos: list[Json], rotated: list[Json]) -> Json:
    """What is proven of hosts; see DOCUMENTATION."""
    return prove(infos, rotated)._asdict()


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"rotation_proof": rotation_proof}
