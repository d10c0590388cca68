"""What is on a host against what was recorded of its last good release, in words for people.

Everything here is told facts that somebody else gathered. Settings are named, their values never told.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker import readiness
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import MOUNTS_LABEL
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import epoch
from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import SHORT

# Above this, only the number of the rest is told.
NAMES_SHOWN = 10

_SUMMARY = (
    "number", "action", "restores", "commit", "images", "by", "origin", "started", "ended", "result", "problem",
)  # fmt: skip


class Facts(t.NamedTuple):
    """What is on the host.

    `release` is the last good record, if there is one.
    `head` is the commit of the project's folder, and `edits` are the files in it that differ from that commit.
    `problems` are further differences, as sentences, from what could not be compared.
    """

    release: Json | None
    head: str | None
    edits: t.Sequence[str]
    problems: t.Sequence[str]


class Definitions(t.NamedTuple):
    """What is known of how containers were started.

    `settings` are those of the last good release. `diverged` are the services that Compose would recreate, given these, for
    their definition alone; `mounts` has the digest over each service's mounted files as they are now.
    """

    diverged: t.Collection[str]
    mounts: t.Mapping[str, str]
    settings: t.Mapping[str, str]


def host_drift(facts: Facts, services: t.Sequence[Json]) -> list[str]:
    """Every difference between what is there and what the last good release should be, a sentence each.

    :param services: as `services` returns them.
    """
    release = facts.release
    if release is None:
        return ["no release has been good yet", *facts.problems]
    said = [f"{row['service']} {word}" for row in services for word in row["drift"]]
    recorded = release["commit"]
    if recorded and facts.head is None:
        said.append(f"the folder is no checkout any more, recorded is commit {recorded[:SHORT]}")
    elif recorded and facts.head and facts.head != recorded:
        said.append(f"the folder is at commit {facts.head[:SHORT]}, recorded is {recorded[:SHORT]}")
    if facts.edits:
        said.append(f"files edited: {named(facts.edits)}")
    return [*said, *facts.problems]


def unfinished(newest: Json | None, holder: Json | None) -> list[str]:
    """What is under way, was cut short or failed, a sentence each.

    :param newest: the newest record, of whatever result.
    :param holder: who holds the project's lock.
    """
    said = []
    if holder is not None:
        said.append(f"{holder.get('by') or 'somebody'} is at it since {holder.get('since') or 'just now'}")
    elif newest and newest["result"] in ("started", "interrupted"):
        said.append(f"the last {newest['action']} ({newest['number']}) was interrupted")
    if newest and newest["result"] == "failed":
        said.append(f"the last {newest['action']} ({newest['number']}) failed: {newest['problem']}")
    return said


def services(release: Json | None, containers: t.Sequence[Json], definitions: Definitions, now: float) -> list[Json]:
    """What runs and what should, a row a container and a row a service without one; in the order of the record.

    :param containers: as the engine describes them.
    :param now: seconds since 1970.
    :returns: the columns of `_docker.container.row_of`, and `uptime_seconds`, `restarts`, `recorded_digest` and `drift`, which is what to
        say of the service, without a subject.
    """
    images: Json = release["images"] if release else {}
    rows = []
    for container in containers:
        row = row_of(container)
        running = container["State"].get("Running")
        rows.append(
            {
                **row,
                "uptime_seconds": _age(container["State"]["StartedAt"], now) if running else None,
                "restarts": container["RestartCount"],
                "recorded_digest": _digest(images.get(row["service"])),
                "drift": _service_drift(row, container, images, definitions) if release else [],
            }
        )
    there = {row["service"] for row in rows}
    rows += [_absent(name, image) for name, image in images.items() if name not in there]
    order = {name: index for index, name in enumerate(images)}
    return sorted(rows, key=lambda row: (order.get(row["service"], len(order)), row["container"] or ""))


def _absent(name: str, image: Json) -> Json:
    nothing: Json = {"container": None, "id": None, "image": None, "digest": "", "state": "missing", "ports": []}
    known = {"uptime_seconds": None, "restarts": 0, "recorded_digest": _digest(image), "drift": ["is missing"]}
    return {"service": name, **nothing, **known}


def _service_drift(row: Json, container: Json, images: Json, definitions: Definitions) -> list[str]:
    image = images.get(row["service"])
    if image is None:
        return [f"is not of the release (container {row['container']})"]
    said = []
    runs = container["Config"]["Image"]
    if runs != image["pinned"]:
        said.append(f"runs {_short(runs)}, recorded is {_short(image['pinned'])}")
    if row["service"] in definitions.diverged:
        said += _why_diverged(row["service"], container, definitions)
    verdict = readiness.judge(container)
    if verdict.state == readiness.FAILED:
        said.append(verdict.reason)
    elif verdict.state == readiness.WAITING:
        said.append(f"is not ready ({verdict.reason})")
    return said


def _why_diverged(service: str, container: Json, definitions: Definitions) -> list[str]:
    said = []
    if container["Config"]["Labels"].get(MOUNTS_LABEL) != definitions.mounts.get(service):
        said.append("was started before its mounted files changed")
    environment = dict(entry.partition("=")[::2] for entry in container["Config"].get("Env") or [])
    # Not every setting of the release need be one of the service's; one under the same name is.
    keys = [key for key, value in definitions.settings.items() if environment.get(key, value) != value]
    if keys:
        said.append(f"was started with other settings: {named(sorted(keys))}")
    return said or ["was started with another definition than the files now give"]


def summary(record: Json, why_not: str | None) -> Json:
    """A record without what is long and for machines, and whether its release can be restored from what the host has.

    :param why_not: as `why_not_restorable` says.
    """
    fields = {name: record.get(name) for name in _SUMMARY}
    fields["parameters"] = {p["name"]: p["version"] for p in record["parameters"] if p["name"]}
    return {**fields, "restorable": why_not is None, "why_not": why_not}


def why_not_restorable(record: Json, has_commit: bool, has_settings: bool, missing: t.Sequence[str]) -> str | None:
    """Why a release can't be restored from what the host has, or None if it can.

    :param missing: services whose recorded images are not on the host.
    """
    if record["result"] != "good":
        return "it was not good"
    reasons = []
    if not record["commit"]:
        reasons.append("no commit was recorded")
    elif not has_commit:
        reasons.append(f"commit {record['commit'][:SHORT]} is not in the clone any more")
    if not has_settings:
        reasons.append("its settings are not kept any more")
    if missing:
        reasons.append(f"images have to be pulled again: {named(missing)}")
    return "; ".join(reasons) or None


def named(names: t.Sequence[str]) -> str:
    """Names in a sentence, not too many of them."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _age(started: str, now: float) -> int:
    """Whole seconds since a time as the engine writes it."""
    return max(0, int(now - int(epoch(started))))


def _digest(image: Json | None) -> str:
    return image["pinned"].partition("@")[2] if image else ""


def _short(reference: str) -> str:
    """The digest in a reference, or without one the whole."""
    digest = reference.partition("@")[2]
    return digest[: len("sha256:") + SHORT] if digest else reference
