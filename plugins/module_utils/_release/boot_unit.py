"""A release that is cut short by a restart of the host goes on at boot.

While containers are recreated one may be gone and its successor not started, and a restart policy starts only what ran. So for
that time a systemd unit stands by which brings all services up.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

UNITS = "/etc/systemd/system"
# As sd_booted(3): whether systemd runs this host.
BOOTED = "/run/systemd/system"


class BootUnit:
    """The unit of one project.

    :param project: name of the compose project, which compose lets have no special characters.
    """

    def __init__(self, project: str) -> None:
        self._name = f"popcon-resume-{project}.service"

    def arm(self, command: t.Sequence[str]) -> None:
        """Have a command run at boot, once the engine runs. Nothing happens without systemd, or without the right to."""
        if not os.path.isdir(BOOTED) or not os.access(UNITS, os.W_OK):
            return
        unit, wanted = self._paths()
        with open(f"{unit}.new", "w", encoding="utf-8") as file:
            file.write(unit_text(self._name, [shutil.which(command[0]) or command[0], *command[1:]]))
        os.replace(f"{unit}.new", unit)
        os.makedirs(os.path.dirname(wanted), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(unit, wanted)

    def disarm(self) -> None:
        """Take that back."""
        for path in self._paths()[::-1]:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                os.unlink(path)

    def _paths(self) -> tuple[str, str]:
        return f"{UNITS}/{self._name}", f"{UNITS}/multi-user.target.wants/{self._name}"


def unit_text(name: str, command: t.Sequence[str]) -> str:
    """The unit that runs a command at boot.

    Source of the quoting: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers".
    """
    escaped = [a.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") for a in command]
    line = " ".join(f'"{argument}"' for argument in escaped)
    return f"""# Made for the time of a release, and removed after it: {name}
[Unit]
Description=Finish a release that a restart of this host cut short
Requires=docker.service
After=docker.service

[Service]
Type=oneshot
ExecStart={line}

[Install]
WantedBy=multi-user.target
"""
