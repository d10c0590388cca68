"""Prints what the parts of the tests came to: `summary.py FOLDER PART...`, from the JUnit reports in the folder."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def main(folder: str, parts: list[str]) -> None:
    """One line a part, then one for all, and the reasons of what was skipped."""
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    reasons: dict[str, int] = {}
    for part in parts:
        report = Path(folder) / f"{part}.xml"
        if not report.exists():
            continue
        suite = ET.parse(report).getroot().find("testsuite")
        counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
        failed = counts["failures"] + counts["errors"]
        passed = counts["tests"] - failed - counts["skipped"]
        print(
            f"{part:<12} {passed:>5} passed {failed:>4} failed {counts['skipped']:>4} skipped {float(suite.get('time')):>8.0f} s"
        )
        for name, number in (("passed", passed), ("failed", failed), ("skipped", counts["skipped"])):
            totals[name] += number
        for skipped in suite.iter("skipped"):
            reasons[skipped.get("message")] = reasons.get(skipped.get("message"), 0) + 1
    for reason, number in reasons.items():
        print(f"skipped {number}: {reason}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
