"""The warnings about a compose file that could be safer."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker.lint import table

CHECK = {"test": ["CMD", "true"]}


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({"healthcheck": CHECK}, "no restart policy"),
        ({"healthcheck": CHECK, "restart": "on-failure"}, "no restart policy"),
        ({"healthcheck": CHECK, "restart": "unless-stopped"}, None),
        ({"healthcheck": {"disable": True}}, None),
        ({}, None),
        ({"volumes": [{"type": "bind", "source": "/var/run/docker.sock"}]}, "engine's socket"),
        ({"volumes": [{"type": "bind", "source": "/srv"}, {"type": "volume", "source": "data"}]}, None),
        ({"volumes": [{"type": "volume", "target": "/data"}]}, "volume without a name"),
        ({"privileged": True}, "privileged"),
    ],
)
def test_warnings(service, words):
    said = table.warnings({"services": {"web": service}})
    assert (not said) if words is None else (len(said) == 1 and words in said[0] and "Service web" in said[0])
