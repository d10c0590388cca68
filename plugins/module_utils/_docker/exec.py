"""Commands in the container of a service."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import subprocess
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.process import run
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import SERVICE_LABEL, Engine

#: Runs a command in the service's container with these bytes on its stdin: exit status, stdout, stderr.
Exec = t.Callable[["list[str]", bytes], "tuple[int, bytes, bytes]"]

EXEC_SECONDS = 600


def executor(project: str, service: str | None) -> Exec:
    """What runs commands in a service's container, which is looked for each time: a roll-out makes another one."""

    def execute(command: list[str], data: bytes) -> tuple[int, bytes, bytes]:
        for container in Engine().containers(project):
            if container["Config"]["Labels"].get(SERVICE_LABEL) == service and container["State"]["Running"]:
                break
        else:
            raise DeployError(
                f"The service {service} of {project} does not run on this host. Start it, or rotate on the host where it runs."
            )
        try:
            return run(["docker", "exec", "--interactive", container["Id"], *command], data, EXEC_SECONDS)
        except FileNotFoundError:
            raise DeployError("The command docker is not on this host. Install it (role docker).") from None
        except subprocess.TimeoutExpired:
            raise DeployError(
                f"A command in the service {service} did not end within {EXEC_SECONDS} s. See what it waits for, then run again."
            ) from None

    return execute
