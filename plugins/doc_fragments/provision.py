"""What the modules that make resources in AWS have in common."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that plan and apply."""

    DOCUMENTATION = r"""
---
options:
  owner:
    description:
      - The value of the tag C(ManagedBy) that says whose a resource is. What has another one, or none, is not changed or
        removed. Its old name O(mark) is accepted until 1.0.0.
    type: str
    aliases: [mark]
    required: true
  tags:
    description:
      - The tags it has besides. Others are taken away.
    type: dict
    default: {}
  adopt:
    description:
      - Take over what is there already under the name, and has another owner tag or none.
    type: bool
    default: false
  state:
    description:
      - Whether it is to be there.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
"""
