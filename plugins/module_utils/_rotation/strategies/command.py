"""A program of the user's own in the service's container.

It gets one line of JSON on stdin for each step and ends with status 0 where that step is done:

- `{"step": "apply", "old": …, "new": …}`: make both valid.
- `{"step": "test", "old": null, "new": …}`: 0 if `new` is accepted, 1 if it is refused; any other status stops the
  rotation.
- `{"step": "retire", "old": …, "new": …}`: leave `new` valid and `old` not.

Each step may come again after it was done, or half done. To take a rotation back, `retire` has the values the other way
round. What the program prints is shown to nobody.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._docker.exec import Exec
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.base import (
    InService,
    Options,
    Settings,
)


class Command(InService):
    """Option `command`: the program and its arguments, a list."""

    required: t.ClassVar[frozenset[str]] = frozenset({"service", "command"})
    optional: t.ClassVar[frozenset[str]] = frozenset()
    # The program runs on one host and changes the value for all.
    per_host: t.ClassVar[bool] = False
    tells: t.ClassVar[bool] = True

    def __init__(self, options: Options, settings: Settings, run: Exec) -> None:
        super().__init__(options, settings, run)
        argv = options["command"]
        if not isinstance(argv, list) or not argv or not all(isinstance(part, str) for part in argv):
            raise self._problem("its command is not a list of strings", "Write it as [program, argument, …]")
        self._argv = argv

    def logs_in(self, value: str) -> bool:
        """The program's answer to `test`."""
        status = self._step("test", None, value)
        if status not in (0, 1):
            raise self._ended("test", status, "0 for a value that is accepted, 1 for one that is refused")
        return status == 0

    def apply(self, current: str, pending: str) -> None:
        """The program's step `apply`."""
        self._done("apply", current, pending)

    def retire(self, kept: str, gone: str) -> None:
        """The program's step `retire`."""
        self._done("retire", gone, kept)

    def _done(self, step: str, old: str, new: str) -> None:
        status = self._step(step, old, new)
        if status:
            raise self._ended(step, status, "0 once the step is done")

    def _step(self, step: str, old: str | None, new: str) -> int:
        line = json.dumps({"step": step, "old": old, "new": new}) + "\n"
        return self._run(self._argv, line.encode())[0]

    def _ended(self, step: str, status: int, wanted: str) -> Exception:
        return self._problem(
            f"the command {self._argv[0]} ended its step {step} with status {status}",
            f"It must end with {wanted}; see whether it is in the container, then run this again",
        )
