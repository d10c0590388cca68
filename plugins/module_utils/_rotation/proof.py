"""What is proven of hosts by what compose_release_info returned of them: that they run what was recorded, with which values."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json


class Proof(t.NamedTuple):
    """By key, the version of its parameter that every host has, or why that is not proven, as sentences."""

    versions: dict[str, int]
    problems: list[str]


def obstacles(info: Json) -> list[str]:
    """Why no rotation can begin on a host, as sentences: something else runs there than was recorded."""
    release, drift = info["release"], info["drift"]
    if release and (not drift or _cut_short(release, info["newest"])):
        return []
    return [*drift, "Deploy first, so that what runs is known."]


def prove(infos: t.Iterable[Json], rotated: t.Sequence[Json]) -> Proof:
    """Prove that all hosts have the new values: their last successful release has them, and nothing differs from that.

    :param infos: what is known of each host, empty where nothing is.
    :param rotated: what the module secret_rotation returned.
    """
    known = list(infos)
    problems = [problem for info in known for problem in _unproven(info, rotated)] if known else ["There is no host."]
    return Proof({} if problems else {one["key"]: one["new_version"] for one in rotated}, problems)


def versions_of(proof: Json) -> dict[str, int]:
    """The versions of a proof as whole numbers, since templates may give text.

    :raises DeployError: one is no number.
    """
    try:
        return {key: int(version) for key, version in proof.items()}
    except (TypeError, ValueError):
        raise DeployError("In proof, each value must be the version of a parameter.") from None


def _cut_short(release: Json, newest: Json) -> bool:
    """Whether the newest release is a roll-out of settings without an end, which the next roll-out of a rotation resumes.

    Its files and images are those of the last successful release.
    """
    same = all(newest[name] == release[name] for name in ("commit", "images"))
    return same and newest["result"] in ("started", "interrupted")


def _unproven(info: Json, rotated: t.Sequence[Json]) -> list[str]:
    release = info.get("release")
    has = release["parameters"] if release else {}
    missing = [
        f"{one['name']} is not at version {one['new_version']} here."
        for one in rotated
        if one["name"] not in has or has[one["name"]] != one["new_version"]
    ]
    # A host that could not be asked has no release, but may say why.
    unknown = [] if release else [info.get("msg", "It is not known what runs here.")]
    return [*missing, *unknown, *info.get("drift", [])]
