"""Reserved keys, and the values that a task adds."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings import keys


@pytest.mark.parametrize(
    "key", ["COMPOSE_FILE", "DOCKER_HOST", "BUILDX_BUILDER", "LD_PRELOAD", "PATH", "IFS", "BASH_ENV"]
)
def test_reserved_keys_are_refused_unless_allowed(key: str) -> None:
    keys.refuse_reserved([key, "OTHER"], [key])
    with pytest.raises(DeployError, match=key):
        keys.refuse_reserved([key, "OTHER"], [])


def test_ordinary_keys_are_not_reserved() -> None:
    keys.refuse_reserved(["CLASSPATH", "COMPOSER", "DB_PATH", "ENV", "JAVA_OPTS", "NODE_OPTIONS"], [])


def test_literals_become_text() -> None:
    extra = {"A": "x", "B": 1, "C": True, "D": False, "E": 1.5, "F": ""}
    assert keys.literals(extra) == {"A": "x", "B": "1", "C": "true", "D": "false", "E": "1.5", "F": ""}


@pytest.mark.parametrize("extra", [{"A": None}, {"A": ["hunter2"]}, {"A": {"b": "hunter2"}}, {"A-B": "hunter2"}])
def test_literals_refuse_what_is_no_text(extra: dict) -> None:
    with pytest.raises(DeployError) as refused:
        keys.literals(extra)
    assert next(iter(extra)) in str(refused.value)
    assert "hunter2" not in str(refused.value)
