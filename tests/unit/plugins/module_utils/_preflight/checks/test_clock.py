"""How far a clock may be off."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import clock
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Found, Look


@pytest.mark.parametrize(
    ("ahead", "problem", "warning"),
    [
        (0, None, None),
        (-60, None, None),
        (61, None, "61 s ahead of AWS's"),
        (-61, None, "61 s behind AWS's"),
        (300, None, "300 s ahead of"),
        (301, "301 s ahead of AWS's, and from 300 s on AWS refuses", None),
        (-86400, "86400 s behind AWS's", None),
    ],
)
def test_clock(ahead, problem, warning):
    look = Look(None, Found())
    with pytest.raises(DeployError, match=problem) if problem else contextlib.nullcontext():
        clock.check(look, ahead)
    assert len(look.findings.warnings) == (1 if warning else 0)
    assert all(warning in sentence for sentence in look.findings.warnings)
