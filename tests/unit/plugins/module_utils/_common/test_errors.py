# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt


def fail(exc: Exception) -> None:
    raise exc


def test_attempt_returns_the_result() -> None:
    assert attempt(lambda a, b: a + b, 1, 2) == (3, None)


def test_attempt_tells_a_deploy_error_in_its_own_words() -> None:
    assert attempt(fail, DeployError("Do this.")) == (None, "Do this.")


@pytest.mark.parametrize(
    "exc", [ValueError("hunter2"), KeyError("hunter2"), UnicodeEncodeError("utf-8", "hunter2", 0, 1, "x")]
)
def test_attempt_withholds_the_text_of_what_nobody_foresaw(exc: Exception) -> None:
    _result, failure = attempt(fail, exc)
    assert failure
    assert failure.startswith(f"Unforeseen {type(exc).__name__} in test_errors.py, line ")
    assert "hunter2" not in failure


def test_attempt_lets_an_exit_pass() -> None:
    with pytest.raises(SystemExit):
        attempt(fail, SystemExit(1))
