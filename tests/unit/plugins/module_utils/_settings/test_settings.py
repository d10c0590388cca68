"""Settings as a value: parsed once, compared by key, and never shown."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings.dotenv import differing_keys
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import Settings

SETTINGS = Settings.parse(b"A=1\nPASSWORD=hunter2\n", "x", [{"key": "A", "version": 2}])


def test_values_are_never_shown():
    assert SETTINGS.values == {"A": "1", "PASSWORD": "hunter2"} and "hunter2" not in repr(SETTINGS)
    with pytest.raises(DeployError, match="the file, line 1: ") as caught:
        Settings.parse(b"hunter2 hunter2\n", "the file")
    assert "hunter2" not in str(caught.value)


def test_keeping_values_keeps_the_bytes_where_nothing_changes():
    assert SETTINGS.keeping({"A": "1"}) is SETTINGS and SETTINGS.keeping({}) is SETTINGS
    kept = SETTINGS.keeping({"PASSWORD": "new $x"})
    assert kept.values == {"A": "1", "PASSWORD": "new $x"} and kept.sources == SETTINGS.sources
    assert Settings.parse(kept.content, "x").values == kept.values


def test_changes_by_key():
    before = Settings.parse(b"A=1\nOLD=x\nPASSWORD=other\n", "x")
    assert SETTINGS.changes(before) == {"added": [], "removed": ["OLD"], "modified": ["PASSWORD"]}
    assert SETTINGS.differing(before) == ["OLD", "PASSWORD"]


@pytest.mark.parametrize(
    ("recorded", "found", "keys"),
    [
        ({}, {}, []),
        ({"A": "1"}, {"A": "1"}, []),
        ({"B": "1", "A": "1"}, {"A": "2", "C": ""}, ["A", "B", "C"]),
        ({"A": ""}, {}, ["A"]),
    ],
)
def test_differing_keys(recorded, found, keys):
    assert differing_keys(recorded, found) == keys
