"""Modules run where no controller is."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _not_on_a_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test may have imported the controller's code, upon which warnings are printed instead of returned."""
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False, raising=False)


@pytest.fixture(autouse=True)
def _no_warnings_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module's result has all warnings of its process."""
    monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {})
