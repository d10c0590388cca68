"""An action for modules whose work goes on by itself on the host: it calls the module until the work is done.

A call returns in half the time the connection gives a command, so that work may take any time; and a session that breaks
costs nothing but another call, as all calls carry the same run id.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
import typing as t
import uuid

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

ATTACH_SECONDS = 60
RETRIES = 3
PAUSE_SECONDS = 2.0

display = Display()


class AttachedAction(ActionBase):
    """Calls the module of the same name with `run`, `by`, `started_from` and `attach_seconds` until its result isn't `unfinished`.

    Of `progress` in its results, what is new is shown as it comes; neither is in the action's result.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; the result is the module's last one."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        host = task_vars.get("inventory_hostname", "")
        given = {name: value for name, value in self._task.args.items() if value is not None}
        args = {
            "run": uuid.uuid4().hex,
            "by": who(),
            "started_from": where(),
            "attach_seconds": self._attach_seconds(),
            **given,
        }
        shown = -1.0
        while True:
            result = self._call(args, host, task_vars)
            for line in result.pop("progress", ()):
                if line["at"] > shown:
                    shown = line["at"]
                    if not self._task.no_log:
                        display.display(f"{host}: {line['text']}")
            if not result.pop("unfinished", False) or self._task.check_mode:
                return result

    def _call(self, args: dict[str, t.Any], host: str, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """One call of the module, and up to RETRIES more if the session breaks."""
        for attempt in range(RETRIES + 1):
            if attempt:
                display.vv(f"{host}: the session broke, calling run {args['run']} again")
                # The next command opens another session.
                with contextlib.suppress(Exception):
                    self._connection.close()
                time.sleep(PAUSE_SECONDS)
            broken: Exception | None = None
            result: dict[str, t.Any] = {}
            try:
                # Ansible adds its own arguments to the ones it is given.
                result = self._execute_module(module_args=dict(args), task_vars=task_vars)
            except AnsibleActionFail:
                raise
            except Exception as exc:
                # When its client dies, amazon.aws.aws_ssm also raises OSError, IndexError, AnsibleError or what boto3 raises.
                broken = exc
            # It may as well take what had arrived for the whole answer. Ansible then adds this key, which no module returns.
            if broken is None and "module_stdout" not in result:
                return result
        if broken is None:
            return result
        if isinstance(broken, AnsibleError) and not isinstance(broken, AnsibleConnectionFailure):
            raise broken
        raise AnsibleConnectionFailure(
            f"The session to {host} broke {RETRIES + 1} times. If run {args['run']} had begun, it goes on there by itself: "
            "mend the connection, then run the playbook again, which tells how it ended."
        ) from broken

    def _attach_seconds(self) -> int:
        try:
            timeout = int(self._connection.get_option("ssm_timeout"))
        except KeyError:
            return ATTACH_SECONDS
        return max(1, min(ATTACH_SECONDS, timeout // 2))


def who() -> str:
    """Who runs this: the CI system's or the machine's name for the user."""
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "SUDO_USER", "USER"):
        if os.environ.get(name):
            return os.environ[name]
    # It has no name for every user of a container.
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def where() -> str:
    """Where this runs: the page of the CI run, or the machine's name."""
    env = os.environ
    if env.get("GITHUB_RUN_ID"):
        return f"{env.get('GITHUB_SERVER_URL')}/{env.get('GITHUB_REPOSITORY')}/actions/runs/{env['GITHUB_RUN_ID']}"
    return env.get("CI_JOB_URL") or env.get("BUILD_URL") or socket.gethostname()
