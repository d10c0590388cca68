"""One call of a role kept waiting before it is carried out, so that its caller can be killed at that very moment."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from typing import Any

#: Seconds after which a call that nobody lets go is refused.
_LONGEST = 60.0
_READS = ("Get", "List", "Describe")


class Hold:
    """Watches one role, and holds the call that is chosen; a held call is never carried out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._role: str | None = None
        self._writes = self._calls = 0
        self._held = False

    def arm(self, wanted: Any) -> None:
        """Hold the call of `role` that is its `writes`-th write from now on, or the one that comes `calls` after that.

        ``ValueError`` if it is not these three.
        """
        kinds = {"role": str, "writes": int, "calls": int}
        if not isinstance(wanted, dict) or {name: type(value) for name, value in wanted.items()} != kinds:
            raise ValueError("a hold is a role, a number of writes, and a number of calls")
        if wanted["writes"] < 1:
            raise ValueError("the first write is number 1")
        with self._changed:
            self._role, self._writes, self._calls = wanted["role"], wanted["writes"], wanted["calls"]
            self._held = False

    def release(self) -> None:
        """Let go of what is held, and hold nothing more."""
        with self._changed:
            self._role, self._held = None, False
            self._changed.notify_all()

    def passes(self, arn: str, call: str) -> bool:
        """Note a call; False, after a while, for the one that is held."""
        with self._changed:
            if self._role is None or f":assumed-role/{self._role}/" not in arn:
                return True
            if self._writes:
                self._writes -= not call.partition(":")[2].startswith(_READS)
            else:
                self._calls -= 1
            if self._writes or self._calls:
                return True
            self._held = True
            self._changed.wait_for(lambda: not self._held, _LONGEST)
            self._role = None
            return False

    def report(self) -> dict[str, bool]:
        """`held`: whether a call waits at this moment."""
        with self._changed:
            return {"held": self._held}
