"""A container's name that something else holds."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.container_name import check
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import FAILS, container

MODEL = {"services": {"db": {"container_name": "mysql"}, "web": {}}}


@pytest.mark.parametrize(("project", "words"), [("other", "the project other"), ("", "no compose project")])
def test_a_name_that_another_holds_is_refused(look, project, words):
    look.engine.held["mysql"] = container("db", name="mysql", project=project)
    ((kind, text),) = look.found(check, MODEL)
    assert kind is FAILS and "container_name: mysql" in text and words in text


def test_a_free_one_and_ones_own_are_no_obstacle(look):
    assert look.found(check, MODEL) == []
    look.engine.asked.clear()
    assert look.found(check, MODEL, containers=[container("old-db", name="mysql")]) == []
    assert look.engine.asked == []
    look.engine.held["mysql"] = container("db", name="mysql")
    assert look.found(check, MODEL) == []
