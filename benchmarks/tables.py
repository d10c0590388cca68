"""The results as tables, and what they say of the goals: rows in, Markdown out."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import statistics
import typing as t
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.popcon.deploy.benchmarks.ways import OURS, SCRIPT, WAYS, Json, Rows

_SHOWN_SECONDS = 0.1


def table(header: Sequence[str], rows: Iterable[Sequence[t.Any]]) -> str:
    """A table in Markdown whose columns line up; the first column is text, the others are numbers."""
    lines = [[*header], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule = ["-" * width if index == 0 else "-" * (width - 1) + ":" for index, width in enumerate(widths)]
    aligned = [
        [
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths))
        ]
        for line in (lines[0], rule, *lines[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in aligned)


def cost(rows: Rows) -> str:
    """What each case costs in each way; a range where runs differed."""
    columns: dict[str, Callable[[Json], int]] = {
        "Ansible tasks": lambda row: row["tasks"],
        "sessions": lambda row: row["sessions"],
        "commands": lambda row: row["commands"],
        "uploads": lambda row: row["s3_puts"],
        "KB": lambda row: round(row["s3_bytes"] / 1000),
        "API calls": lambda row: row["api_calls"],
        "registry": lambda row: row["registry_requests"],
    }
    found = _groups(rows, "case", "way")
    body = [
        [f"{case}, {way}", len(runs), *(_range([value(run) for run in runs]) for value in columns.values())]
        for (case, way), runs in found.items()
    ]
    return table(["", "runs", *columns], body)


def first(rows: Rows, case: str, way: str, name: str) -> t.Any:
    """What the first run of a case in a way has under this name."""
    return next(row[name] for row in rows if (row["case"], row["way"]) == (case, way))


def kilobytes(rows: Rows, case: str, way: str) -> int:
    """What the first run of a case in a way uploaded."""
    return round(first(rows, case, way, "s3_bytes") / 1000)


def repeatable(rows: Rows) -> str:
    """How many of the counts that were taken more than once came out the same each time, bytes left out."""
    counts = ("tasks", "sessions", "commands", "s3_puts", "api_calls", "registry_requests")
    groups = [runs for runs in _groups(rows, "case", "way").values() if len(runs) > 1]
    same = sum(len({run[name] for run in runs}) == 1 for runs in groups for name in counts)
    return f"{same} of {len(groups) * len(counts)}"


def calls(rows: Rows, way: str, case: str) -> str:
    """The API calls of a case by name, of its first run."""
    return ", ".join(f"{count} {name}" for name, count in first(rows, case, way, "api").items())


def times(rows: Rows, delay: float) -> str:
    """Medians of the seconds until the command ends and until the new release is served, and what they are to deploy.sh's."""
    here = [row for row in rows if row["delay"] == delay]
    body = []
    for (case, way), runs in _groups(here, "case", "way").items():
        ends = _median(runs, "seconds")
        script = _median([row for row in here if (row["case"], row["way"]) == (case, SCRIPT)], "seconds")
        served = _median(runs, "served")
        spread = f"{min(run['seconds'] for run in runs):.1f}-{max(run['seconds'] for run in runs):.1f}"
        body.append([f"{case}, {way}", len(runs), ends, spread, served, f"{ends / script:.2f} x" if script else None])
    return table(["", "runs", "ends after s", "from-to", "served after s", "to deploy.sh"], body)


def tasks(rows: Rows, case: str, way: str) -> str:
    """The seconds of a deploy by task, without those that take next to none."""
    mine = [row for row in rows if "task" in row and (row["case"], row["way"]) == (case, way)]
    body = [[row["task"].partition(" - ")[0], row["seconds"]] for row in mine if row["seconds"] >= _SHOWN_SECONDS]
    rest = sum(row["seconds"] for row in mine if row["seconds"] < _SHOWN_SECONDS)
    total = sum(row["seconds"] for row in mine)
    return table([f"{case}, {way}", "s"], [*body, ["all others", rest], ["together", total]])


def steps(rows: Rows) -> str:
    """When a release said what, in seconds since its start on the host."""
    return table(["within the release", "at s"], [[row["step"], row["at"]] for row in rows if "step" in row])


def growth(rows: Rows, by: str) -> str:
    """What changes nothing and what changes a setting, as something grows."""
    here = [row for row in rows if row["by"] == by]
    body = [
        [f"{row['number']} {by}, {row['case']}, {row['way']}", row["sessions"], row["commands"], row["api_calls"],
         row["registry_requests"], row["seconds"]]
        for row in sorted(here, key=lambda row: (row["case"], WAYS.index(row["way"]), row["number"]))
    ]  # fmt: skip
    return table(["", "sessions", "commands", "API calls", "registry", "s"], body)


def modules(rows: Rows) -> str:
    """What the modules need by themselves with more parameters."""
    body = [
        [f"{row['module']}, {row['parameters']} parameters", row["calls"], row["cpu_seconds"], row["memory_mb"]]
        for row in sorted((row for row in rows if "module" in row), key=lambda row: (row["module"], row["parameters"]))
    ]
    return table(["", "API calls", "processor s", "memory MB"], body)


def reads(rows: Rows) -> str:
    """How long it takes to read what is remembered of releases."""
    found = [row for row in rows if "read" in row]
    numbers = sorted({row["releases"] for row in found})
    by_read = _groups(found, "read")
    body = [[read, *(row["milliseconds"] for row in runs)] for (read,), runs in by_read.items()]
    return table(["ms", *(f"{number} kept" for number in numbers)], body)


def service(rows: Rows) -> str:
    """What users noticed of a release."""
    body = [
        [f"{row['case']}, {row['way']}", row["requests"], row["failed"], row["downtime"], row["longest_gap"],
         row["seconds"], "yes" if row["serves"] else "**no**", row["back_after"]]
        for row in rows
    ]  # fmt: skip
    return table(["", "requests", "failed", "down s", "longest gap s", "ends after s", "serves", "back after s"], body)


def goals(numbers: dict[str, Json]) -> str:
    """What was aimed at, what was measured, and whether that is it; nothing of parts that were not measured."""
    body: list[list[t.Any]] = []
    for row in _first(numbers, "cost", "no change", OURS):
        body.append(
            ["remote tasks of a deploy that changes nothing", "at most 3", row["sessions"], row["sessions"] <= 3]
        )
    rows = numbers.get("time", {}).get("rows", [])
    for delay in sorted({row["delay"] for row in rows}):
        shown = f", {delay:g} s before a session's output"
        seconds = medians([row for row in rows if row["delay"] == delay], "seconds")
        for case in dict.fromkeys(case for case, _dummy in seconds):
            ours, usual, script = (seconds[case, way] for way in WAYS)
            limit = 1.0 if case == "no change" else 1.2
            ratio = round(ours / script, 2)
            body.append([f"{case}: ours to deploy.sh{shown}", f"at most {limit} x", f"{ratio} x", ratio <= limit])
            ratio = round(usual / ours, 2)
            body.append([f"{case}: usual playbook to ours{shown}", "at least 3 x", f"{ratio} x", ratio >= 3])
    rows = numbers.get("growth", {}).get("rows", [])
    for by in dict.fromkeys(row["by"] for row in rows):
        for case in ("no change", "a setting"):
            mine = [row for row in rows if (row["by"], row["case"], row["way"]) == (by, case, OURS)]
            if len(mine) > 1:
                each = [row["sessions"] // row["number"] if by == "hosts" else row["sessions"] for row in mine]
                title = f"{case}: remote tasks{' a host' if by == 'hosts' else ''} with more {by}"
                body.append([title, "the same", " / ".join(map(str, each)), len(set(each)) == 1])
    return table(["", "goal", "measured", "reached"], [[*row[:3], "yes" if row[3] else "**no**"] for row in body])


def _first(numbers: dict[str, Json], part: str, case: str, way: str) -> Rows:
    rows = numbers.get(part, {}).get("rows", [])
    return [row for row in rows if (row["case"], row["way"]) == (case, way)][:1]


def _groups(rows: Rows, *keys: str) -> dict[tuple[t.Any, ...], list[Json]]:
    """Rows that have these in common, in the order of their first."""
    found: dict[tuple[t.Any, ...], list[Json]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    order = {name: index for index, name in enumerate(WAYS)}
    cases = list(dict.fromkeys(key[0] for key in found))
    return dict(
        sorted(found.items(), key=lambda item: (cases.index(item[0][0]), *(order.get(x, 0) for x in item[0][1:])))
    )


def _median(rows: Rows, name: str) -> float | None:
    known = [row[name] for row in rows if row[name] is not None]
    return statistics.median(known) if known else None


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len({*values}) == 1 else f"{min(values)}-{max(values)}"


def _cell(value: t.Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def medians(rows: Rows, name: str) -> dict[tuple[str, str], float]:
    """By case and way, the median of what the runs have under this name."""
    found = {(case, way): _median(runs, name) for (case, way), runs in _groups(rows, "case", "way").items()}
    return {key: value for key, value in found.items() if value is not None}
