"""The results as plots, in SVG; scripts/docs has them drawn for the site: python -m ….benchmarks.plots FOLDER."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import matplotlib as mpl
from ansible_collections.popcon.deploy.benchmarks import report
from ansible_collections.popcon.deploy.benchmarks.tables import medians
from ansible_collections.popcon.deploy.benchmarks.ways import OURS, SCRIPT, USUAL, Json, Rows

mpl.use("svg")
mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

from matplotlib import pyplot as plt  # noqa: E402

_COLOURS = {OURS: "#0b6e4f", USUAL: "#b8860b", SCRIPT: "#6c6c8a"}


def draw(numbers: dict[str, Json], folder: Path) -> None:
    """Write a plot of each part that was measured and has one."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, plot in (("time", _times), ("growth", _growth), ("modules", _modules)):
        if part in numbers:
            figure = plot(numbers[part]["rows"])
            figure.savefig(folder / f"{part}.svg", bbox_inches="tight")
            plt.close(figure)


def _times(rows: Rows) -> t.Any:
    delays = sorted({row["delay"] for row in rows})
    figure, axes = plt.subplots(1, len(delays), figsize=(4.5 * len(delays), 3), sharey=True, squeeze=False)
    for axis, delay in zip(axes[0], delays):
        found = medians([row for row in rows if row["delay"] == delay], "seconds")
        cases = list(dict.fromkeys(case for case, _dummy in found))
        for offset, way in enumerate(_COLOURS):
            places = [index + (offset - 1) * 0.27 for index in range(len(cases))]
            axis.bar(places, [found.get((case, way), 0) for case in cases], 0.25, label=way, color=_COLOURS[way])
        axis.set_xticks(range(len(cases)), [case.replace(" ", "\n") for case in cases])
        axis.set_title(f"{delay:g} s before a session's first output")
    axes[0][0].set_ylabel("seconds until the command ends")
    axes[0][0].legend(frameon=False)
    return figure


def _growth(rows: Rows) -> t.Any:
    kinds = list(dict.fromkeys(row["by"] for row in rows))
    figure, axes = plt.subplots(1, len(kinds), figsize=(3.4 * len(kinds), 3), squeeze=False)
    lines: dict[str, t.Any] = {}
    for axis, kind in zip(axes[0], kinds):
        for way, colour in _COLOURS.items():
            for case, style in (("no change", "-"), ("a setting", "--")):
                mine = [row for row in rows if (row["by"], row["way"], row["case"]) == (kind, way, case)]
                numbers, seconds = [row["number"] for row in mine], [row["seconds"] for row in mine]
                if mine:
                    (line,) = axis.plot(numbers, seconds, style, marker="o", markersize=3, color=colour)
                    lines[f"{way}, {case}"] = line
        _grow(axis, kind, [row["number"] for row in rows if row["by"] == kind])
    axes[0][0].set_ylabel("seconds")
    below = {"loc": "upper center", "ncol": 3, "frameon": False, "bbox_to_anchor": (0.5, 0)}
    figure.legend(lines.values(), lines.keys(), **below)
    return figure


def _modules(rows: Rows) -> t.Any:
    figure, axes = plt.subplots(1, 2, figsize=(7, 3))
    for axis, name, title in zip(axes, ("cpu_seconds", "memory_mb"), ("processor seconds", "memory, MB")):
        for module in dict.fromkeys(row["module"] for row in rows if "module" in row):
            mine = [row for row in rows if row.get("module") == module]
            axis.plot(
                [row["parameters"] for row in mine], [row[name] for row in mine], marker="o", markersize=3, label=module
            )
        _grow(axis, "parameters", [row["parameters"] for row in rows if "module" in row])
        axis.set_ylabel(title)
    axes[0].legend(frameon=False)
    return figure


def _grow(axis: t.Any, what: str, numbers: list[int]) -> None:
    """Have an axis of what grows, with these numbers and no others on it."""
    axis.set_xlabel(what)
    axis.set_xscale("log")
    axis.set_xticks(sorted({*numbers}), map(str, sorted({*numbers})))
    axis.minorticks_off()
    axis.set_ylim(bottom=0)


if __name__ == "__main__":
    draw(report.load(), Path(sys.argv[1]))
