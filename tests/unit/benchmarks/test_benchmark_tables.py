"""What docs/numbers.md says of the goals follows from the results, and the page is made of those in docs."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="no boto3")

from ansible_collections.popcon.deploy.benchmarks import report, tables
from ansible_collections.popcon.deploy.benchmarks.ways import OURS, SCRIPT, USUAL

COUNTS = {
    "status": 0, "tasks": 9, "sessions": 1, "commands": 6, "s3_puts": 1, "s3_bytes": 174_400, "api_calls": 3,
    "registry_requests": 4, "registry": {}, "api": {"ssm:StartSession": 1, "s3:PutObject": 2},
}  # fmt: skip


def row(case, way, **more):
    return {"case": case, "way": way, "delay": 0, "seconds": 4.0, "served": None, **COUNTS, **more}


def cells(table):
    """The cells of a table's body by its first column."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {first: rest for first, *rest in lines[2:]}


def test_cost_gives_a_range_where_runs_differed():
    rows = [row("no change", OURS), row("no change", SCRIPT), row("no change", OURS, api_calls=5)]
    assert cells(tables.cost(rows)) == {
        "no change, popcon.deploy": ["2", "9", "1", "6", "1", "174", "3-5", "4"],
        "no change, deploy.sh": ["1", "9", "1", "6", "1", "174", "3", "4"],
    }
    assert tables.repeatable(rows) == "5 of 6"
    assert tables.calls(rows, OURS, "no change") == "1 ssm:StartSession, 2 s3:PutObject"


def test_times_are_medians_and_compared_with_the_script():
    rows = [row("an image", OURS, seconds=seconds, served=seconds - 1) for seconds in (12, 9, 10)]
    rows += [row("an image", SCRIPT, seconds=8, served=11.5), row("an image", OURS, seconds=99, delay=1)]
    assert cells(tables.times(rows, 0)) == {
        "an image, popcon.deploy": ["3", "10", "9.0-12.0", "9", "1.25 x"],
        "an image, deploy.sh": ["1", "8", "8.0-8.0", "11.50", "1.00 x"],
    }


def seconds(case, ours, usual, script):
    return [row(case, way, seconds=value) for way, value in ((OURS, ours), (USUAL, usual), (SCRIPT, script))]


def test_goals_that_are_reached_and_missed():
    growth = [
        {"by": by, "number": number, "case": "no change", "way": OURS, "sessions": sessions}
        for by, number, sessions in (("hosts", 1, 1), ("hosts", 4, 4), ("services", 4, 1), ("services", 40, 2))
    ]
    numbers = {
        "cost": {"rows": [row("the first", OURS, sessions=6), row("no change", OURS, sessions=1)]},
        "time": {"rows": [*seconds("no change", 4, 12, 4), *seconds("an image", 13, 20, 10)]},
        "growth": {"rows": growth},
    }
    delay = ", 0 s before a session's output"
    assert cells(tables.goals(numbers)) == {
        "remote tasks of a deploy that changes nothing": ["at most 3", "1", "yes"],
        f"no change: ours to deploy.sh{delay}": ["at most 1.0 x", "1.0 x", "yes"],
        f"no change: usual playbook to ours{delay}": ["at least 3 x", "3.0 x", "yes"],
        f"an image: ours to deploy.sh{delay}": ["at most 1.2 x", "1.3 x", "**no**"],
        f"an image: usual playbook to ours{delay}": ["at least 3 x", "1.54 x", "**no**"],
        "no change: remote tasks a host with more hosts": ["the same", "1 / 1", "yes"],
        "no change: remote tasks with more services": ["the same", "1 / 2", "**no**"],
    }


def test_nothing_is_said_of_what_was_not_measured():
    assert cells(tables.goals({})) == {}


def test_the_page_is_made_of_the_results():
    assert report.PAGE.read_text() == report.page(report.load()), "run: make bench"
    assert report.RESULTS.read_text() == report.lines(report.load())
