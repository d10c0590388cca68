"""Env files as a whole, and what is found in those of others."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings import dotenv


def test_a_refusal_names_all_keys_and_no_value() -> None:
    with pytest.raises(DeployError) as refused:
        dotenv.render({"A": "hunter2\n", "B": "fine", "C": "swordfish\r"}, "raw")
    assert "A (it has a line feed), C (it ends in a carriage return)" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "swordfish" not in str(refused.value)


@pytest.mark.parametrize(
    ("format", "entry"),
    [
        ("compose", r'K="a$b \"c\"\n"'.replace("$", r"\$")),
        ("systemd", 'K="a\\$b \\"c\\"\n"'),
        ("portable", "K='a$b \"c\"\n'"),
    ],
)
def test_the_file_as_written(format: str, entry: str) -> None:
    content = dotenv.render({"K": 'a$b "c"\n', "EMPTY": ""}, format)
    empty = "EMPTY=''" if format == "portable" else 'EMPTY=""'
    assert content.decode() == f"{dotenv.HEADER}{empty}\n{entry}\n"


def test_entries_survives_what_others_wrote() -> None:
    content = b"\xff\xfe junk\nA=1\nexport B=2\n=3\nC='open\n"
    assert set(dotenv.entries(content, "compose")) == {"A", "C"}
