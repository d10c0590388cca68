"""The engine's configuration."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import daemon_config


def test_what_it_holds():
    assert daemon_config.parse("") == {}
    assert daemon_config.parse('{"data-root": "/data"}') == {"data-root": "/data"}


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_broken_one_is_not_taken_for_an_empty_one(text):
    with pytest.raises(DeployError, match=r"/etc/docker/daemon.json is no valid JSON object: correct it"):
        daemon_config.parse(text)
