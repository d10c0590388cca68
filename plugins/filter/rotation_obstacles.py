# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: rotation_obstacles
short_description: Why no rotation of secrets can begin on a host
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Says in sentences what runs on a host that was not recorded, so that a roll-out of new values could not be told from it.
  - A roll-out of settings that was cut short is no obstacle, as a rotation resumes it.
options:
  _input:
    description:
      - What P(popcon.deploy.compose_release_info#module) returned.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse where something else runs than was recorded
  ansible.builtin.assert:
    that: obstacles | length == 0
    fail_msg: "{{ obstacles | join('\n') }}"
  vars:
    obstacles: "{{ app | popcon.deploy.rotation_obstacles }}"
    app:
      release: {}
      newest: {}
      drift: [backend is missing]
"""

RETURN = r"""
_value:
  description: The sentences; empty if there is no obstacle.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._rotation.proof import obstacles


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"rotation_obstacles": obstacles}
