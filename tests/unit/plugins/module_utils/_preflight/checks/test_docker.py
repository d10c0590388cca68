"""The oldest engine and Compose that will do."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import docker


@pytest.mark.parametrize(
    ("found", "fine"),
    [("20.10", True), ("20.10.24", True), ("26.1.5", True), ("20.9.9", False), ("19.03.1", False), ("9.1", False)],
)
def test_age_of_the_engine(found, fine):
    refused = pytest.raises(DeployError, match=f"Docker Engine is {found} on this host, and 20.10")
    with contextlib.nullcontext() if fine else refused:
        docker.check_engine(None, found)


@pytest.mark.parametrize(("found", "fine"), [("2.20", True), ("2.26.1", True), ("2.19.9", False), ("1.29.2", False)])
def test_age_of_compose(found, fine):
    refused = pytest.raises(DeployError, match=f"Docker Compose is {found} on this host, and 2.20")
    with contextlib.nullcontext() if fine else refused:
        docker.check_compose(None, found)
