"""The tables say what the rows say, and the page in docs is what the results in docs make."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="no boto3")

from ansible_collections.popcon.deploy.benchmarks import report, tables
from ansible_collections.popcon.deploy.benchmarks.tasks import by_task
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


def test_a_table_lines_up():
    assert tables.table(["", "s"], [["long name", 1.5], ["x", None]]) == (
        "|           |    s |\n| --------- | ---: |\n| long name | 1.50 |\n| x         |    - |"
    )


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


RECAP = """
TASK [x] ---------- 9.00s
TASKS RECAP ********************************************************************
Wednesday 25 November 2026  16:49:10 +0000 (0:00:02.326)       0:00:06.487 ****
===============================================================================
popcon.deploy.preflight : Look once at each host ------------------------ 2.33s
Validating arguments against arg spec 'main' - Sees whether --- 0.67s
Stop if a host can't be reached ----------------------------------------- 0.05s
"""


def test_seconds_by_task():
    rows = [{"case": "no change", "way": OURS, **row} for row in by_task(RECAP)]
    rows.append({"case": "no change", "way": OURS, "step": "looking", "at": 0.5})
    assert cells(tables.tasks(rows, "no change", OURS)) == {
        "popcon.deploy.preflight : Look once at each host": ["2.33"],
        "Validating arguments against arg spec 'main'": ["0.67"],
        "all others": ["0.05"],
        "together": ["3.05"],
    }
    assert cells(tables.steps(rows)) == {"looking": ["0.50"]}


def test_nothing_is_said_of_what_was_not_measured():
    assert cells(tables.goals({})) == {}


def test_the_page_is_made_of_the_results():
    assert report.PAGE.read_text() == report.page(report.load()), "run: make bench"


def test_the_plots_are_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="no matplotlib (requirements/bench.txt)")
    from ansible_collections.popcon.deploy.benchmarks import plots

    growth = [
        {"by": "hosts", "number": number, "case": "no change", "way": OURS, "seconds": 4.0} for number in (1, 2, 4)
    ]
    modules = [{"module": "ssm_env_render", "parameters": 10, "calls": 2, "cpu_seconds": 0.3, "memory_mb": 52}]
    modules.append({"read": "all", "releases": 1, "milliseconds": 0.1})
    numbers = {"time": seconds("no change", 4, 12, 4), "growth": growth, "modules": modules}
    plots.draw({part: {"rows": rows} for part, rows in numbers.items()}, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {*first} == {"time.svg", "growth.svg", "modules.svg"}
    plots.draw({part: {"rows": rows} for part, rows in numbers.items()}, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
