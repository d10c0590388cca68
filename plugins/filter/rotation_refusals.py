# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: rotation_refusals
short_description: Why secrets can't be rotated
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Says in sentences why the secrets that are named can't be rotated, as far as that is known without asking a host.
options:
  _input:
    description:
      - Keys of the secrets to rotate, a list or text such as V([A,B]).
    type: raw
    required: true
  secrets:
    description:
      - How each secret can be rotated, as in O(popcon.deploy.secret_rotation#module:secrets).
    type: dict
    required: true
  hosts:
    description:
      - How many hosts use the secrets. Where there are several, a secret that is changed in the service of one host is refused.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Refuse what can't be rotated
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('\n') }}"
  vars:
    refusals: "{{ '[API_KEY]' | popcon.deploy.rotation_refusals({'API_KEY': {'strategy': 'plain'}}, 2) }}"
"""

RETURN = r"""
_value:
  description: The sentences; empty if nothing is refused.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._rotation.request import refusals


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"rotation_refusals": refusals}
