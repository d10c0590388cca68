# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: policy_document
short_description: An IAM policy from a file with placeholders
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Fills in C(${PLACEHOLDERS}), which are in capitals, so that IAM's own variables stay. One that stands for several values turns the
    list element it is in into several; a statement in which a list is left empty is left out.
positional: values
options:
  _input:
    description:
      - The text of the policy, JSON.
    type: str
    required: true
  values:
    description:
      - What the placeholders stand for, texts or lists of texts, by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what one policy allows
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'policy.json') | popcon.deploy.policy_document({'BUCKET': 'popcon-dev-transfer'}) }}"
"""

RETURN = r"""
_value:
  description: The policy.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._provision.iam_policy import fill


def policy_document(text: str, values: dict[str, t.Any]) -> dict[str, t.Any]:
    """The policy; see DOCUMENTATION."""
    try:
        return fill(text, values)
    except DeployError as exc:
        raise AnsibleFilterError(str(exc)) from None


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"policy_document": policy_document}
