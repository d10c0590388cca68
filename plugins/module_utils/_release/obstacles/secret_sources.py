"""Secrets and configs that have no source."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find the secrets and configs of services whose file or variable is missing, or that only a swarm could give."""
    for kind in ("secrets", "configs"):
        used = {given["source"] for service in look.services.values() for given in service.get(kind) or []}
        for name, entry in (look.model.get(kind) or {}).items():
            if name in used:
                problem = _problem(look, entry)
                if problem:
                    yield Obstacle(Kind.FAILS, f"The {kind[:-1]} {name} {problem}.")


def _problem(look: Situation, entry: t.Any) -> str | None:
    if entry.get("external"):
        return "is external, which only a swarm has: give it a file:, environment: or content:"
    if "file" in entry and not look.files.will_exist(entry["file"]):
        return (
            f"is the file {entry['file']}, which neither the commit nor the host has:"
            " add it to the repository, or put it on the host first"
        )
    if "environment" in entry and entry["environment"] not in look.settings:
        return f"is the setting {entry['environment']}, which there is none of: add it to Parameter Store"
    return None
