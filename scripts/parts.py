"""Runs parts of the tests, some at a time but never two in the lab, and sums up: `parts.py [all] [PART...]`, for scripts/test.

What a part prints comes whole when it ends, if others run beside it, and is kept in build/test-reports.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import summary

#: A machine has one lab.
IN_THE_LAB = {"e2e", "empty", "molecule-lab", "faults"}
#: Each waits for a third of its time. A part that runs parts, as the matrix does, runs them one by one.
AT_A_TIME = int(os.environ.get("AT_A_TIME", (os.cpu_count() or 1) + 1))
#: What is quick comes first, what uses the lab's images last: by then they are built.
NO_LAB = ["check", "lint", "unit", "docs", "release", "sanity", "integration"]
IN_CI = ["e2e", "empty", *NO_LAB, "molecule-quick"]
ALL = ["e2e", "empty", "molecule-lab", "faults", "matrix", *NO_LAB, "molecule", "images"]
REPORTS = Path(os.environ["REPORTS"])


class Parts:
    """Parts that wait, and what became of those that ran.

    :param waiting: names, in the order of their start as far as the lab is free.
    :param options: for scripts/test besides the part's name.
    """

    def __init__(self, waiting: list[str], options: list[str]) -> None:
        self.ended: dict[str, summary.Ended] = {}
        self._waiting = waiting
        self._options = options
        self._one_by_one = AT_A_TIME == 1 or len(waiting) == 1 or set(waiting) <= IN_THE_LAB
        self._lab = threading.Lock()
        self._state = threading.Lock()

    def run(self) -> None:
        """Run all of them. Interrupted, those that run are too, by the terminal, and no other begins."""
        signal.signal(signal.SIGINT, lambda *_dummy: self._waiting.clear())
        helpers = [threading.Thread(target=self._work) for _ in range(0 if self._one_by_one else AT_A_TIME - 1)]
        for helper in helpers:
            helper.start()
        self._work()
        for helper in helpers:
            helper.join()

    def _work(self) -> None:
        while part := self._next():
            try:
                self._run(part)
            finally:
                if part in IN_THE_LAB:
                    self._lab.release()

    def _next(self) -> str | None:
        with self._state:
            for part in self._waiting:
                if part not in IN_THE_LAB or self._lab.acquire(blocking=False):
                    self._waiting.remove(part)
                    return part
        return None

    def _run(self, part: str) -> None:
        (REPORTS / f"{part}.xml").unlink(missing_ok=True)
        log = REPORTS / f"{part}.log"
        command = ["scripts/test", "--part", part, *self._options]
        environment = {**os.environ, "AT_A_TIME": "1"}
        started = time.monotonic()
        if self._one_by_one:
            print(f"\n==> {part}", flush=True)
            done = subprocess.run(command, env=environment, check=False)
        else:
            print(f"==> {part} begins; see {log}", flush=True)
            with log.open("wb") as stream:
                done = subprocess.run(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
        ended = summary.Ended(done.returncode == 0, time.monotonic() - started)
        with self._state:
            self.ended[part] = ended
            if not self._one_by_one:
                print(f"\n==> {part}: {ended.word}, {ended.seconds:.0f} s")
                print(log.read_text(errors="replace"), flush=True)


def main(arguments: list[str]) -> int:
    """The exit status: 1 if a part failed."""
    options = [word for word in arguments if word == "all"]
    wanted = [word for word in arguments if word != "all"]
    parts = Parts(wanted or [*(ALL if options else IN_CI)], options)
    parts.run()
    failed = [part for part, ended in parts.ended.items() if not ended.well]
    print(flush=True)
    if failed:
        print("FAILED:", *failed, file=sys.stderr, flush=True)
    summary.write(REPORTS, parts.ended)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
