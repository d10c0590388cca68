"""The fixture of all tests of obstacles."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import Look


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """A host with an empty clone."""
    return Look(tmp_path)
