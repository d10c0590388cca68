"""A fresh lab for the whole run, and a controller to deploy into it with."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from .controller import Controller, python_m_lab


@pytest.fixture(scope="session")
def controller():
    """A lab with one host that has no Docker yet, taken down at the end."""
    python_m_lab("down")
    python_m_lab("up", "--hosts", "1")
    yield Controller()
    python_m_lab("down")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What deploys other apps comes last: test_deploy.py begins on a host without Docker."""
    items.sort(key=lambda item: item.path.name == "test_any_app.py")
