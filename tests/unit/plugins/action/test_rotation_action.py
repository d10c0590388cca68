# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.popcon.deploy.plugins.action import secret_rotation


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    """What the module is called with, by the options of a task."""
    monkeypatch.setattr(secret_rotation, "who", lambda: "alice")
    monkeypatch.setattr(secret_rotation, "where", lambda: "laptop")

    def called(**options: t.Any) -> dict[str, t.Any]:
        action = secret_rotation.ActionModule.__new__(secret_rotation.ActionModule)
        action._task = types.SimpleNamespace(args=options, async_val=0, check_mode=False, diff=False)
        action._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir="/tmp"))
        monkeypatch.setattr(action, "_execute_module", lambda module_args, task_vars: module_args)
        return action.run(task_vars={})

    return called


def test_it_adds_who_where_and_a_new_run(called: t.Callable[..., dict[str, t.Any]]) -> None:
    first, second = called(phase="plan", run=None), called(phase="plan")
    assert first.pop("run") != second.pop("run")
    assert first == second == {"phase": "plan", "by": "alice", "started_from": "laptop"}


def test_what_is_given_stays(called: t.Callable[..., dict[str, t.Any]]) -> None:
    given = {"run": "run-1", "by": "bob", "started_from": "https://ci/7"}
    assert called(**given) == given
