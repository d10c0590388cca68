# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings import contract as _contract


def test_defaults_apply_only_to_keys_that_are_missing() -> None:
    contract = {"A": "", "B": "1", "C": "2"}
    assert _contract.apply_contract({"A": "x", "C": ""}, contract) == {"A": "x", "B": "1", "C": ""}


def test_all_missing_and_empty_keys_are_named_at_once() -> None:
    with pytest.raises(DeployError, match=r"missing or empty: A, C\.$"):
        _contract.apply_contract({"C": "", "B": "x"}, {"C": "", "A": "", "B": ""})


def test_unknown_keys_are_named() -> None:
    _contract.refuse_unknown([])
    with pytest.raises(DeployError, match="Not in the contract: A, B"):
        _contract.refuse_unknown(["A", "B"])
