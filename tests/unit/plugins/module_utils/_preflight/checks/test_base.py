"""Findings: one cause is told once."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Findings


def test_findings_tell_one_cause_once():
    findings = Findings()

    def fail():
        raise DeployError("It rains.")

    assert findings.tried(fail) is None
    findings.problem("It rains.")
    findings.problem(None)
    assert findings.tried(int, "7") == 7
    assert findings.problems == ["It rains."]
    findings.tried(int, "canary")
    assert "ValueError" in findings.problems[1] and "canary" not in findings.problems[1]


def test_findings_are_joined_in_order():
    near, far = Findings(["a"], ["b"], ["c"]), Findings(["d", "a"], ["e"], ["f"])
    assert near.joined(far) == Findings(["a", "d"], ["b", "e"], ["c", "f"])
