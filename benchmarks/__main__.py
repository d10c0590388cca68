"""Measures and writes docs/numbers.md and its JSON: `make bench`, or `make bench PARTS="cost time"` for some.

A lab that is up is replaced. What other parts found when they were last run stays.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from ansible_collections.popcon.deploy.benchmarks import deploys, growth, modules, report, service, tasks
from ansible_collections.popcon.deploy.benchmarks.stage import Stage
from ansible_collections.popcon.deploy.benchmarks.ways import Json

#: Seconds before a session's first output: none, as in the lab, and what AWS's agent waits.
_DELAYS = {0: 3, 1: 2}


def _modules() -> Iterator[Json]:
    return chain(modules.by_parameters(), modules.by_releases())


def _cost(stage: Stage) -> Iterator[Json]:
    ready = chain(deploys.first(stage), deploys.rounds(stage, 2, 0), deploys.others(stage))
    return deploys.refuse_failures(ready)


def _time(stage: Stage) -> Iterator[Json]:
    deploys.settle(stage)
    runs = (deploys.rounds(stage, number, delay) for delay, number in _DELAYS.items())
    return deploys.refuse_failures(chain.from_iterable(runs))


def _tasks(stage: Stage) -> Iterator[Json]:
    deploys.settle(stage)
    return tasks.profile(stage)


def _service(stage: Stage) -> Iterator[Json]:
    deploys.settle(stage)
    return service.releases(stage)


def _growth(stage: Stage) -> Iterator[Json]:
    deploys.settle(stage)
    by = (growth.by_parameters, growth.by_services, growth.by_releases, growth.by_hosts)
    return chain.from_iterable(measure(stage) for measure in by)


#: In the order in which they are run; the last ones leave hosts that others could not use.
ON_LAB: dict[str, Callable[[Stage], Iterator[Json]]] = {
    "cost": _cost, "time": _time, "tasks": _tasks, "service": _service, "growth": _growth,
}  # fmt: skip
PARTS = ("modules", *ON_LAB)


def main() -> str | None:
    """Measure what was asked for; what to say on standard error if some of it failed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures; see docs/numbers.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all if none is given")
    wanted = parser.parse_args().parts or PARTS
    unknown = sorted({*wanted} - {*PARTS})
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    numbers = report.load()
    failed = []
    if "modules" in wanted and not _measure(numbers, "modules", _modules):
        failed.append("modules")
    if {*wanted} & ON_LAB.keys():
        with contextlib.closing(Stage()) as stage:
            for part, measure in ON_LAB.items():
                if part in wanted and not _measure(numbers, part, partial(measure, stage)):
                    failed.append(part)
    print(report.PAGE.read_text())
    return f"FAILED: {' '.join(failed)}" if failed else None


def _measure(numbers: dict[str, Json], part: str, measure: Callable[[], Iterator[Json]]) -> bool:
    """Measure a part and keep what it found; False, and what was known of it stays, if it failed."""
    print(f"==> {part}", flush=True)
    began, rows = time.monotonic(), []
    try:
        for row in measure():
            rows.append(row)
            shown = {name: value for name, value in row.items() if not isinstance(value, dict)}
            print("  ".join(f"{name}={value}" for name, value in shown.items()), flush=True)
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)
        return False
    numbers[part] = {"about": _about(time.monotonic() - began), "rows": rows}
    report.save(numbers)
    return True


def _about(seconds: float) -> Json:
    """When and on what a part was run."""
    # What an earlier part wrote is no change of what is measured.
    changes = _git("status", "--porcelain", "--", ".", ":!docs/numbers*")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("-dirty" if changes else ""),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "minutes": round(seconds / 60, 1),
    }


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=report.ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
