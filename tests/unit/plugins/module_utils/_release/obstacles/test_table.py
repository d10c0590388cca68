"""All checks together: what is refused and what is warned of."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles import table

MODEL = {
    "services": {
        "web": {
            "image": "reg.x/web:1",
            "build": {"context": "$HERE"},
            "networks": {"proxy": None},
            "volumes": [{"type": "bind", "source": "$HERE/a.conf", "target": "/a.conf"}],
        }
    },
    "networks": {"proxy": {"name": "proxy", "external": True}},
}


def test_all_that_is_refused_is_named_at_once(look):
    with pytest.raises(DeployError) as error:
        table.refuse(look.situation(MODEL), is_rollback=False)
    assert "external network proxy" in str(error.value) and "a.conf" in str(error.value)
    assert "build:" not in str(error.value)


def test_a_rollback_is_refused_only_what_would_fail(look):
    with pytest.raises(DeployError) as error:
        table.refuse(look.situation(MODEL), is_rollback=True)
    assert "external network proxy" in str(error.value) and "a.conf" not in str(error.value)
    look.engine.networks["proxy"] = {"Name": "proxy"}
    told = table.refuse(look.situation(MODEL), is_rollback=True)
    assert len(told) == 2 and "a.conf" in told[0] and "never built" in told[1]


def test_nothing_is_said_twice(look):
    look.engine.networks["proxy"] = {"Name": "proxy"}
    mount = {"type": "bind", "source": "$HERE/data", "target": "/data"}
    model = {"services": {"web": {"volumes": [mount, mount]}}}
    assert len(table.refuse(look.situation(model), is_rollback=False)) == 1


def test_every_check_is_in_the_table():
    folder = Path(table.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"base", "files", "table"}
    assert {check.__module__.rpartition(".")[2] for check in table.CHECKS} == files
