# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

DOCUMENTATION = r"""
---
name: release_status
short_description: Whether a host is as recorded and as wanted
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Puts together what P(popcon.deploy.compose_release_info#module) returned and what a deploy would change, as the modules of a deploy
    returned it in check mode, and says in sentences what is not as it should be.
options:
  _input:
    description:
      - What P(popcon.deploy.compose_release_info#module) returned; empty where that failed.
    type: dict
    required: true
  checkout:
    description:
      - What P(popcon.deploy.gitops_checkout#module) returned in check mode.
    type: dict
  release:
    description:
      - What P(popcon.deploy.compose_release#module) returned in check mode.
    type: dict
  problem:
    description:
      - Why one of them could not be asked.
    type: str
"""

EXAMPLES = r"""
- name: Fail if anybody changed something by hand
  ansible.builtin.assert:
    that: status.differences | length == 0
    fail_msg: "{{ status.differences | join('\n') }}"
  vars:
    status: "{{ app | popcon.deploy.release_status }}"
    app:
      drift: [backend is missing]
"""

RETURN = r"""
_value:
  description:
    - The input without what Ansible adds to a result, with C(wanted) (C(commit), C(changed_files), C(settings),
      which are names, and C(plan)) or null if nobody asked for that, C(problem) or null, and C(differences), which has a
      sentence for all that is not as it should be.
  type: dict
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.plugin_utils._table import commit

_ADDED_BY_ANSIBLE = ("changed", "failed", "invocation")


def release_status(
    info: Json,
    checkout: Json | None = None,
    release: Json | None = None,
    problem: str | None = None,
) -> Json:
    """What is known of a host; see DOCUMENTATION."""
    wanted: Json | None = None
    if checkout or release:
        wanted = {
            "commit": (checkout or {}).get("after"),
            "changed_files": (checkout or {}).get("changed_files", []),
            "settings": (release or {}).get("settings", []),
            "plan": (release or {}).get("plan", []),
        }
    differences = [
        *([problem] if problem else []),
        *info.get("unfinished", []),
        *info.get("drift", []),
        *(f"a deploy would {text}" for text in _changes(info.get("commit"), wanted)),
    ]
    told = {name: value for name, value in info.items() if name not in _ADDED_BY_ANSIBLE}
    return {**told, "wanted": wanted, "problem": problem, "differences": differences}


def _changes(current: str | None, wanted: Json | None) -> t.Iterator[str]:
    if not wanted:
        return
    if wanted["commit"] and wanted["commit"] != current:
        yield f"bring the folder to commit {commit(wanted['commit'])}"
    if wanted["changed_files"]:
        yield f"write or remove files: {', '.join(wanted['changed_files'])}"
    if wanted["settings"]:
        yield f"change settings: {', '.join(wanted['settings'])}"
    yield from wanted["plan"]


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"release_status": release_status}
