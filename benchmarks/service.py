"""What users notice of a release: a steady load on the front end while it is done, and what was not answered."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from ansible_collections.popcon.deploy.benchmarks.stage import Stage
from ansible_collections.popcon.deploy.benchmarks.ways import OURS, WAYS, Json
from ansible_collections.popcon.deploy.tests.e2e.controller import Run
from ansible_collections.popcon.deploy.tests.e2e.load import Load, outages

#: How long it is watched on after a release, in seconds: deploy.sh ends before its release has shown what it is.
AFTER = 10


def under_load(url: str, release: Callable[[], Run], serves: Callable[[], bool]) -> Json:
    """Do a release under load, and tell what came of it.

    :param serves: whether the app works; asked at the end, without load.
    """
    with Load(url) as load:
        began = time.monotonic()
        run = release()
        seconds = time.monotonic() - began
        time.sleep(AFTER)
    down = list(outages(load.answers, load.seconds))
    works = serves()
    return {
        "status": run.status, "seconds": round(seconds, 1), "requests": load.requests, "failed": load.failed,
        "downtime": round(load.downtime, 1), "longest_gap": round(load.longest_gap, 1), "serves": works,
        "back_after": round(down[-1][1], 1) if down and works else None, "kinds": dict(load.statuses),
    }  # fmt: skip


def releases(stage: Stage) -> Iterator[Json]:
    """A new image, going back from it, and an image that ends at its start, in each way that can."""

    def row(case: str, way: str, release: Callable[[], Run]) -> Json:
        host = WAYS.index(way)
        found = under_load(stage.url(host), release, lambda: bool(stage.health(host).get("ok")))
        return {"case": case, "way": way, **found}

    for service in ("backend", "frontend"):
        stage.push(service)
        for way in WAYS:
            yield row(f"a new {service}", way, partial(stage.deploy, way))
    yield row("going back from it", OURS, partial(stage.playbook, "playbooks/rollback.yml", hosts=[0]))
    stage.deploy(OURS)
    stage.push("backend", fault="exit")
    for way in WAYS:
        yield row("a backend that ends at its start", way, partial(stage.deploy, way))
    stage.push("backend")
    for way in WAYS:
        stage.deploy(way)
