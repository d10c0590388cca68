"""The table that people read at the end of a deploy."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.filter.release_table import FilterModule

SERVICE = {"service": "frontend", "digest": "sha256:" + "1a" * 32, "state": "healthy", "ports": ["3000", "3001"]}


def test_table():
    table = FilterModule().filters()["release_table"]
    releases = {"web-1": {"services": [SERVICE, {**SERVICE, "service": "db", "digest": "", "ports": []}]}, "web-2": {}}
    assert table(releases) == [
        "HOST   SERVICE   IMAGE DIGEST         HEALTH        PORT",
        "web-1  frontend  sha256:1a1a1a1a1a1a  healthy       3000,3001",
        "web-1  db        -                    healthy       -",
        "web-2  -         -                    not deployed  -",
    ]
