# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
import uuid

from ansible.plugins.action import ActionBase
from ansible_collections.popcon.deploy.plugins.plugin_utils._attached import where, who


class ActionModule(ActionBase):
    """Calls the module with what only the controller knows: who rotates, and from where."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; the result is the module's."""
        super().run(tmp, task_vars)
        given = {name: value for name, value in self._task.args.items() if value is not None}
        args = {"run": uuid.uuid4().hex, "by": who(), "started_from": where(), **given}
        return self._execute_module(module_args=args, task_vars=task_vars or {})
