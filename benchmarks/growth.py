"""How the cost of a deploy that changes nothing, and of one that changes a setting, grows with the app and its hosts."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ansible_collections.popcon.deploy.benchmarks.deploys import Changes
from ansible_collections.popcon.deploy.benchmarks.stage import HOSTS, Stage
from ansible_collections.popcon.deploy.benchmarks.ways import OURS, WAYS, Json
from ansible_collections.popcon.deploy.tests.e2e.controller import STATE, Run

from lab import config, seed

#: The app has eleven parameters and four services.
PARAMETERS = (11, 100, 1000)
SERVICES = (4, 12, 40)
RELEASES = (1, 10, 100)
_TIMES = 3
_KEEP_ALL = ("-e", f"compose_deploy_keep_releases={max(RELEASES) + 10}")

# On a host, where Python's own library is all there is. Releases that differ in their number only are made from the last one.
_COPY = """
import json, pathlib, shutil, sys
folder, wanted = pathlib.Path(sys.argv[1]), int(sys.argv[2])
there = sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
last = json.loads((there[-1] / "record.json").read_text())
for number in range(last["number"] + 1, last["number"] + 1 + wanted - len(there)):
    shutil.copytree(there[-1], folder / str(number))
    (folder / str(number) / "record.json").write_text(json.dumps({**last, "number": number}))
for path in there[: max(0, len(there) - wanted)]:
    shutil.rmtree(path)
"""


def by_hosts(stage: Stage) -> Iterator[Json]:
    """One, two and four hosts that all have what was deployed; ours only. Last of all, as it takes the others' hosts."""
    for number in (1, 2, HOSTS):
        hosts = range(number)
        _refuse_failure(stage.deploy(OURS, hosts=hosts))
        yield from _no_change(stage, OURS, "hosts", number, hosts)
        Changes(stage).make("a setting")
        yield _measured(stage, partial(stage.deploy, OURS, hosts=hosts), "hosts", number, "a setting", OURS)


def by_parameters(stage: Stage) -> Iterator[Json]:
    """More and more parameters, all of them in the contract; no service uses those that are added."""
    ssm, there = seed.client("ssm"), PARAMETERS[0]
    for number in PARAMETERS:
        names = [f"ADDED_{index:04}" for index in range(there, number)]
        for name in names:
            ssm.put_parameter(Name=f"{config.PARAMETER_PATH}/{name}", Value=f"value of {name}", Type="String")
        with _commit(stage, f"{number} parameters") as clone, open(clone / ".env.example", "a") as contract:
            contract.writelines(f"{name}=\n" for name in names)
        there = number
        yield from _settled(stage, "parameters", number)
    names = [f"{config.PARAMETER_PATH}/ADDED_{index:04}" for index in range(PARAMETERS[0], there)]
    for start in range(0, len(names), 10):
        ssm.delete_parameters(Names=names[start : start + 10])
    with _commit(stage, "The app's own parameters") as clone:
        _without_added(clone / ".env.example")


def by_services(stage: Stage) -> Iterator[Json]:
    """More and more services, which do nothing."""
    for number in SERVICES:
        with _commit(stage, f"{number} services") as clone:
            _add_services(clone / "docker-compose.yml", range(SERVICES[0], number))
        yield from _settled(stage, "services", number)
    with _commit(stage, "The app's own services") as clone:
        _add_services(clone / "docker-compose.yml", ())


def by_releases(stage: Stage) -> Iterator[Json]:
    """More and more releases kept on the host, and what asks after them; ours only."""
    host = WAYS.index(OURS)
    _refuse_failure(stage.deploy(OURS))
    for number in RELEASES:
        copy = ("python3", "-c", _COPY, f"{STATE}/releases", str(number))
        stage.controller.on_host(*copy, host=host)
        yield from _no_change(stage, OURS, "releases", number)
        for case in ("status", "history"):
            run = partial(stage.playbook, f"playbooks/{case}.yml", hosts=[host])
            yield _measured(stage, run, "releases", number, case, OURS)
    Changes(stage).make("a setting")
    yield _measured(stage, partial(stage.deploy, OURS, *_KEEP_ALL), "releases", max(RELEASES), "a setting", OURS)


def _settled(stage: Stage, what: str, number: int) -> Iterator[Json]:
    """In each way: bring the host to the target, then measure deploys that change nothing, and one that changes a setting."""
    for way in WAYS:
        _refuse_failure(stage.deploy(way))
        yield from _no_change(stage, way, what, number)
    Changes(stage).make("a setting")
    for way in WAYS:
        yield _measured(stage, partial(stage.deploy, way), what, number, "a setting", way)


def _no_change(stage: Stage, way: str, what: str, number: int, hosts: Sequence[int] = ()) -> Iterator[Json]:
    """The median run of some."""
    runs = [
        _measured(stage, partial(stage.deploy, way, hosts=hosts), what, number, "no change", way)
        for _dummy in range(_TIMES)
    ]
    yield {**runs[-1], "seconds": statistics.median(run["seconds"] for run in runs)}


def _measured(stage: Stage, run: Callable[[], Run], what: str, number: int, case: str, way: str) -> Json:
    row = {"by": what, "number": number, "case": case, "way": way, **stage.measure(run).row}
    if row["status"] != 0:
        raise RuntimeError(f"{case} with {number} {what} and {way} failed with status {row['status']}")
    return row


def _refuse_failure(run: Run) -> None:
    if run.status != 0:
        raise RuntimeError(f"a deploy failed with status {run.status}:\n{run.output}")


@contextlib.contextmanager
def _commit(stage: Stage, message: str) -> Iterator[Path]:
    """A clone of the repository to edit; the commit holds something also where the app stays as it is."""
    with stage.controller.commit(message) as clone:
        (clone / "size.txt").write_text(f"{message}\n")
        yield clone


def _add_services(compose_file: Path, numbers: Iterable[int]) -> None:
    """Have these services in the file beside the app's own, and no others that were added before."""
    own = re.sub(r"^  added-\d+:\n    image: .*\n", "", compose_file.read_text(), flags=re.MULTILINE)
    added = "".join(f"  added-{number}:\n    image: redis:8\n" for number in numbers)
    compose_file.write_text(own.replace("services:\n", f"services:\n{added}", 1))


def _without_added(contract: Path) -> None:
    lines = contract.read_text().splitlines(keepends=True)
    contract.write_text("".join(line for line in lines if not line.startswith("ADDED_")))
