"""What was built, and where it was pushed to."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.popcon.deploy.tests.integration.builder import Builder


@pytest.fixture
def builder(folder):
    """The registry that was pushed to."""
    return Builder(**json.loads((folder / "builder.json").read_text()))


@pytest.fixture
def commit(folder):
    """The commit that was built, as tags have it."""
    command = ["git", "-C", str(folder / "source"), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout[:12]
