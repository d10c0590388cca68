# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import attempt

try:
    import boto3
    from ansible_collections.popcon.deploy.plugins.plugin_utils._reach import problems
except ImportError:
    HAS_BOTO3 = False
else:
    HAS_BOTO3 = True

ARGUMENT_SPEC: dict[str, t.Any] = {
    "instance_ids": {"type": "list", "elements": "str", "required": True},
    "bucket": {"type": "str", "required": True},
    "plugin": {"type": "path"},
    "region": {"type": "str"},
    "profile": {"type": "str"},
}


class ActionModule(ActionBase):
    """Asks AWS in this process: another one, as a module is, would take longer to start than the questions take."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; the result is as the module's documentation says."""
        super().run(tmp, task_vars)
        _dummy, args = self.validate_argument_spec(ARGUMENT_SPEC)
        if not HAS_BOTO3:
            return {"failed": True, "msg": "boto3 is missing on the controller: install it beside ansible-core."}
        found, failure = attempt(_look, args)
        if failure:
            return {"failed": True, "msg": failure}
        return {"changed": False, "problems": found}


def _look(args: dict[str, t.Any]) -> list[str]:
    session = boto3.session.Session(region_name=args["region"], profile_name=args["profile"])
    return problems(session, args["instance_ids"], args["bucket"], args["plugin"])
