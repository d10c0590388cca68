"""What tests and docs/numbers.md call downtime."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.tests.e2e.load import Answer, outages


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("", []),
        ("g", []),
        ("gggg", []),
        ("ggfgg", [(1, 3)]),
        ("gffffg", [(0, 5)]),
        # Between two good answers it may have been down twice: each counts.
        ("gfgfg", [(0, 2), (2, 4)]),
        ("ffgg", [(0, 2)]),
        ("ggff", [(1, 9)]),
        ("ff", [(0, 9)]),
    ],
)
def test_an_outage_lasts_from_one_good_answer_to_the_next(kinds, expected):
    # A request each second.
    words = {"g": "200", "f": "refused"}
    answers = [Answer(second, second + 0.5, words[kind]) for second, kind in enumerate(kinds)]
    assert list(outages(answers, 9)) == expected
    assert list(outages(reversed(answers), 9)) == expected, "they arrive in another order than they were sent in"
