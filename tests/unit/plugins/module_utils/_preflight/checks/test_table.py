"""The table names what there is, and needs only what comes earlier."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import table
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Found
from ansible_collections.popcon.deploy.plugins.modules.deploy_host_info import ARGUMENT_SPEC

CHECKS = (*table.ON_HOST, *table.OVER_NETWORK, *table.AT_LAST)


def test_each_check_has_a_name_of_its_own():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_it_is_asked_by_and_needs_is_there(check):
    assert set(check.asked_by) <= ARGUMENT_SPEC.keys()
    assert set(check.needs) <= {field.name for field in dataclasses.fields(Found)}


def test_what_is_made_at_the_same_time_needs_nothing_of_each_other_and_comes_after_what_it_needs():
    for group, other in ((table.ON_HOST, table.OVER_NETWORK), (table.OVER_NETWORK, table.ON_HOST)):
        for place, check in enumerate(group):
            assert not set(check.needs) & {later.name for later in (*group[place + 1 :], *other)}, check.name
