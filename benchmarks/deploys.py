"""What a deploy costs, and how long it takes, in three ways side by side: every change is made once and deployed in each."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count

from ansible_collections.popcon.deploy.benchmarks.stage import Stage
from ansible_collections.popcon.deploy.benchmarks.ways import OURS, WAYS, Json

#: What a round does, in this order; see `Changes`.
CHANGES = ("no change", "a setting", "an image", "the compose file")
_numbers = count(int(time.time()))


class Changes:
    """Makes the changes that are then deployed. Each returns what tells from the front end's answer that it is served."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._by_name = {
            "no change": lambda: None,
            "a setting": self._setting,
            "an image": self._image,
            "the compose file": self._compose_file,
        }

    def make(self, name: str) -> Callable[[Json], bool] | None:
        """Make the change of this name, one of `CHANGES`."""
        return self._by_name[name]()

    def _setting(self) -> Callable[[Json], bool]:
        value = f"-Xmx{next(_numbers)}k"
        self._stage.set_parameter("JAVA_OPTS", value)
        return lambda seen: seen["backend"]["settings"]["JAVA_OPTS"] == value

    def _image(self) -> Callable[[Json], bool]:
        version = self._stage.push("backend")
        return lambda seen: seen["backend"]["version"] == version

    def _compose_file(self) -> Callable[[Json], bool]:
        value = f"bench-{next(_numbers)}"
        with self._stage.controller.commit("Another profile") as clone:
            file = clone / "docker-compose.yml"
            lines = file.read_text().splitlines(keepends=True)
            (line,) = (
                number for number, text in enumerate(lines) if text.strip().startswith("SPRING_PROFILES_ACTIVE:")
            )
            lines[line] = f"      SPRING_PROFILES_ACTIVE: {value}\n"
            file.write_text("".join(lines))
        return lambda seen: seen["backend"]["settings"]["SPRING_PROFILES_ACTIVE"] == value


def first(stage: Stage) -> Iterator[Json]:
    """The first deploy, in each way, to a host that has Docker and nothing of the app."""
    for way in WAYS:
        cost = stage.measure(partial(stage.deploy, way), WAYS.index(way), lambda seen: True)
        yield {"case": "the first", "way": way, "delay": 0, **cost.row}


def settle(stage: Stage) -> None:
    """Have every host at its target, whatever was measured before."""
    for way in WAYS:
        done = stage.deploy(way)
        if done.status != 0:
            raise RuntimeError(f"{way} failed with status {done.status}:\n{done.output}")


def rounds(stage: Stage, number: int, delay: float) -> Iterator[Json]:
    """So many rounds of all changes in all ways, which take turns at being first.

    :param delay: how many seconds the first output of a session waits, as AWS's agent has it wait one.
    """
    stage.controller.settings(session_first_output_delay_seconds=delay)
    try:
        for turn in range(number):
            for name in CHANGES:
                served = Changes(stage).make(name)
                for way in _rotated(WAYS, turn):
                    cost = stage.measure(partial(stage.deploy, way), WAYS.index(way), served)
                    yield {"case": name, "way": way, "delay": delay, **cost.row}
    finally:
        stage.controller.settings(session_first_output_delay_seconds=0)


def others(stage: Stage) -> Iterator[Json]:
    """What only ours has: going back, and asking how a host is; the last with a host that is whole."""
    asked = {
        "rollback": ("rollback",),
        "history": ("history",),
        "status, only what runs": ("status", "-e", "status_wanted=false"),
        "status": ("status",),
    }
    for name, (playbook, *options) in asked.items():
        if name == "status":
            stage.deploy(OURS)
        cost = stage.measure(partial(stage.playbook, f"playbooks/{playbook}.yml", *options, hosts=[0]))
        yield {"case": name, "way": OURS, "delay": 0, **cost.row}


def _rotated(ways: Sequence[str], turn: int) -> list[str]:
    start = turn % len(ways)
    return [*ways[start:], *ways[:start]]


def refuse_failures(rows: t.Iterable[Json]) -> Iterator[Json]:
    """The rows as they come, up to one of a run that failed: what would be compared then is not the same job."""
    for row in rows:
        if row["status"] != 0:
            raise RuntimeError(f"{row['case']} with {row['way']} failed with status {row['status']}")
        yield row
