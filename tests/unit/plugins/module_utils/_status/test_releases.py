"""The releases of a host, and which of them can be restored."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Result
from ansible_collections.popcon.deploy.plugins.module_utils._status.releases import summary, why_not_restorable
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import sample_record

RECORD = sample_record(number=12, result=Result.SUCCEEDED)


@pytest.mark.parametrize(
    ("fields", "has_commit", "has_settings", "missing", "reason"),
    [
        ({}, True, True, [], None),
        ({"result": Result.FAILED}, True, True, [], "it did not succeed"),
        ({"result": Result.STARTED}, False, False, ["web"], "it did not succeed"),
        ({}, False, True, [], "commit aaaaaaaaaaaa is not in the clone any more"),
        ({"commit": None}, False, True, [], "no commit was recorded"),
        ({}, True, False, [], "its settings are not kept any more"),
        ({}, True, True, ["web", "db"], "images have to be pulled again: web, db"),
        ({}, True, False, ["web"], "its settings are not kept any more; images have to be pulled again: web"),
    ],
)
def test_why_a_release_cannot_be_restored(fields, has_commit, has_settings, missing, reason):
    assert why_not_restorable(RECORD.replace(**fields), has_commit, has_settings, missing) == reason


def test_a_summary_leaves_out_what_is_long():
    made = summary(RECORD, "x")
    assert made.keys() == {
        "number", "action", "restores", "commit", "images", "by", "started_from", "started", "ended", "result", "problem",
        "restorable", "why_not", "parameters",
    }  # fmt: skip
    assert (made["number"], made["result"], made["restorable"], made["why_not"]) == (12, "succeeded", False, "x")
    assert summary(RECORD, None)["restorable"] is True
