"""Prints what the parts of the tests came to, from how they ended and the JUnit reports that most of them leave."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SLOWEST = 10


@dataclass(frozen=True)
class Ended:
    """How a part ended."""

    well: bool
    seconds: float

    @property
    def word(self) -> str:
        """For people."""
        return "ok" if self.well else "FAILED"


def write(folder: Path, parts: dict[str, Ended]) -> None:
    """One line a part, the slowest tests, the reasons of what was skipped, and at last one line for all."""
    totals: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tests: list[tuple[float, str]] = []
    for part, ended in parts.items():
        numbers: Counter[str] = Counter()
        for suite in _suites(folder / f"{part}.xml"):
            counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
            failed = counts["failures"] + counts["errors"]
            numbers.update(
                passed=counts["tests"] - failed - counts["skipped"], failed=failed, skipped=counts["skipped"]
            )
            reasons.update(skipped.get("message", "") for skipped in suite.iter("skipped"))
            tests += [(float(case.get("time", 0)), f"{part}: {_name(case)}") for case in suite.iter("testcase")]
        told = "".join(f"{numbers[name]:>6} {name}" for name in ("passed", "failed", "skipped")) if numbers else ""
        print(f"{part:<15}{ended.word:<8}{ended.seconds:>6.0f} s{told}")
        # Such as a check, which counts nothing, or tests that could not even be collected.
        if not ended.well and not numbers["failed"]:
            numbers["failed"] = 1
        totals.update(numbers)
    if tests:
        print("\nThe slowest:")
    for seconds, name in sorted(tests, reverse=True)[:SLOWEST]:
        print(f"{seconds:>6.1f} s  {name}")
    print()
    for reason, number in reasons.items():
        print(f"skipped {number}: {reason}")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped", flush=True)


def _suites(report: Path) -> Iterator[ET.Element]:
    return ET.parse(report).getroot().iter("testsuite") if report.exists() else iter(())


def _name(case: ET.Element) -> str:
    return f"{case.get('classname', '').rpartition('.')[2]} {case.get('name')}"
