# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: renamed
short_description: The new name of a variable
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Returns the new name of a variable that is set by its old one, and prints a deprecation warning with both.
positional: new
options:
  _input:
    description:
      - The old name.
    type: str
    required: true
  new:
    description:
      - The new name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Accept an option by its old name
  ansible.builtin.set_fact:
    "{{ 'web_port' | popcon.deploy.renamed('web_http_port') }}": "{{ web_port }}"
  when: web_port is defined
"""

RETURN = r"""
_value:
  description: The new name.
  type: str
"""

import typing as t

from ansible.utils.display import Display

display = Display()


def renamed(old: str, new: str) -> str:
    """The new name; see DOCUMENTATION."""
    display.deprecated(f"The variable {old} is now {new}.", version="1.0.0", collection_name="popcon.deploy")
    return new


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"renamed": renamed}
