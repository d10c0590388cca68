"""A record of a release for tests."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Record

DIGEST = "sha256:" + "1" * 64
COMMIT = "a" * 40


def sample_record(*, services: t.Iterable[str] = ("web", "db"), **fields: t.Any) -> Record:
    """A record of a deploy of services `web` and `db`, each of an image `reg/SERVICE:1`; fields as for `Record`."""
    images = {service: Image(f"reg/{service}:1", f"reg/{service}@{DIGEST}") for service in services}
    common: dict[str, t.Any] = {
        "action": "deploy", "commit": COMMIT, "files": ["docker-compose.yml"], "images": images,
        "run": "r1", "by": "alice", "started_from": "laptop",
    }  # fmt: skip
    return Record(**{**common, **fields})
