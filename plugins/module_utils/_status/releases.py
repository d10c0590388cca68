"""The releases that a host has, for people, and whether each can be restored."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.text import short_commit, some
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record

_SUMMARY = (
    "number", "action", "restores", "commit", "images", "by", "started_from", "started", "ended", "result", "problem",
)  # fmt: skip


def summary(record: Record, why_not: str | None) -> Json:
    """A record without what is long and for machines, and whether its release can be restored from what the host has.

    :param why_not: as `why_not_restorable` says.
    """
    fields = record.to_json()
    short = {name: fields[name] for name in _SUMMARY}
    return {**short, "parameters": record.versions, "restorable": why_not is None, "why_not": why_not}


def why_not_restorable(record: Record, has_commit: bool, has_settings: bool, missing: t.Sequence[str]) -> str | None:
    """Why a release can't be restored from what the host has, or None if it can.

    :param missing: services whose recorded images are not on the host.
    """
    if not record.succeeded:
        return "it did not succeed"
    reasons = []
    if not record.commit:
        reasons.append("no commit was recorded")
    elif not has_commit:
        reasons.append(f"commit {short_commit(record.commit)} is not in the clone any more")
    if not has_settings:
        reasons.append("its settings are not kept any more")
    if missing:
        reasons.append(f"images have to be pulled again: {some(missing)}")
    return "; ".join(reasons) or None
