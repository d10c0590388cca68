# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types

import pytest
from ansible_collections.popcon.deploy.plugins.action import compose_release, compose_rollback
from ansible_collections.popcon.deploy.plugins.plugin_utils._attached import AttachedAction


@pytest.mark.parametrize("plugin", [compose_release, compose_rollback])
def test_the_action_of_a_release(plugin: types.ModuleType) -> None:
    found = plugin.ActionModule
    assert issubclass(found, AttachedAction)
    assert found._requires_connection
    assert found._supports_check_mode
    assert not found._supports_async
