"""Whether a deploy would change anything on a host, without planning a release.

The same commit, settings and images by digest make the same release. So what a deploy would record now follows from the last
successful record, from where those come from, and is compared as every release is.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import pinned
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Difference, Reason
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host, differences
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record


class Sources(t.NamedTuple):
    """Where a deploy would take things from now.

    `commit` is what the ref stands for, and `versions` are those of the parameters by name; both None if they are not known.
    `digests` has the references of the last release by digest, as the registries have them now, without those that none told.
    """

    options_digest: str
    repository: str | None
    commit: str | None
    versions: t.Mapping[str, int] | None
    digests: t.Mapping[str, str]


def digests_of(record: Record, engine: Engine, auths: t.Sequence[t.Callable[[str], str | None]]) -> dict[str, str]:
    """The images of a record by digest as the registries have them now, by reference; without those that none told.

    :param auths: ways to get the `X-Registry-Auth` header for a registry's name, as for `Stack`.
    """
    return pinned(engine, {image.reference for image in record.images.values()}, auths)[0]


def changes(sources: Sources, host: Host) -> list[Difference]:
    """Why a deploy would change something; empty if it would not."""
    found = differences(_wanted(host.release, sources) if host.release else None, host)
    if sources.versions is None:
        found.append(Difference(Reason.UNREADABLE, "", "the parameters are not known"))
    return found


def _wanted(record: Record, sources: Sources) -> Record:
    """What a deploy would record now, as far as it follows from where things come from."""
    images = {
        service: image._replace(pinned=sources.digests.get(image.reference, ""))
        for service, image in record.images.items()
    }
    parameters = record.parameters
    if sources.versions is not None:
        parameters = [{"name": name, "version": version} for name, version in sources.versions.items()]
    return record.replace(
        options_digest=sources.options_digest,
        repository=sources.repository,
        commit=sources.commit,
        images=images,
        parameters=parameters,
    )
