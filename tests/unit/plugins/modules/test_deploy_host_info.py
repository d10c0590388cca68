"""What the module adds to the look: its options, the documentation of its result, and the role that passes them on."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import table
from ansible_collections.popcon.deploy.plugins.modules import deploy_host_info

ROLES = Path(deploy_host_info.__file__).parents[2] / "roles"


def main(capsys, **options):
    """The real module in this process: its result."""
    with patch_module_args(options), pytest.raises(SystemExit):
        deploy_host_info.main()
    return json.loads(capsys.readouterr().out)


def test_the_module_itself(capsys, monkeypatch):
    result = main(capsys)
    assert (result["changed"], result["problems"]) == (False, [])
    assert main(capsys, _ansible_check_mode=True)["changed"] is False
    assert "required together: project, project_dir" in main(capsys, project="app")["msg"]
    assert "'options_digest': project" in main(capsys, options_digest="x")["msg"]
    monkeypatch.setattr(deploy_host_info.look, "run", lambda _module: ({"changed": False}, ["It may rain."]))
    assert "It may rain." in str(main(capsys)["warnings"])
    monkeypatch.setattr(deploy_host_info.look, "run", lambda _module: {}["canary"])
    failed = main(capsys)
    assert failed["failed"] and "KeyError" in failed["msg"] and "canary" not in failed["msg"]


def test_every_key_of_the_result_is_documented(capsys):
    documented = yaml.safe_load(deploy_host_info.RETURN)
    assert main(capsys).keys() - {"changed", "invocation", "warnings"} == documented.keys()
    checks = (*table.ON_HOST, *table.OVER_NETWORK, *table.AT_LAST)
    assert documented["unchecked"]["choices"] == [check.name for check in checks if check.needs]


def test_the_role_gives_every_option_and_has_a_default_for_each():
    tasks = yaml.safe_load((ROLES / "preflight/tasks/look.yml").read_text())
    (given,) = [task for task in tasks if "popcon.deploy.deploy_host_info" in task]
    assert given["popcon.deploy.deploy_host_info"].keys() == deploy_host_info.ARGUMENT_SPEC.keys()
    defaults = yaml.safe_load((ROLES / "preflight/defaults/main/preflight.yml").read_text())
    specs = yaml.safe_load((ROLES / "preflight/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    names = {f"preflight_{name}" for name in deploy_host_info.ARGUMENT_SPEC}
    assert defaults.keys() == specs["options"].keys() == names
