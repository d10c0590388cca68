"""Options of roles by their old names: they work, and a warning says the new name."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.popcon.deploy.tests.integration.emulators import environment_without_aws
from ansible_collections.popcon.deploy.tests.integration.plays import ansible_settings

APP_HOSTS = ("app_hosts", "old_names")
ROLLBACK = ("compose_deploy", "rollback")
ROTATION = ("secret_rotation", "old_names")


@pytest.mark.parametrize(
    ("role", "given", "option", "value", "warned"),
    [
        (APP_HOSTS, {"deploy_target_remove": ["shop-2"]}, "app_hosts_remove", ["shop-2"], True),
        # Another option's default has it.
        (APP_HOSTS, {"deploy_target_name": "shop"}, "app_hosts_bucket", "shop-transfer", True),
        (APP_HOSTS, {"app_hosts_remove": ["shop-2"]}, "app_hosts_remove", ["shop-2"], False),
        # Never an option of the role.
        (APP_HOSTS, {"deploy_target_color": "blue"}, "app_hosts_remove", [], False),
        (ROLLBACK, {"compose_deploy_rollback_keeps": ["A"]}, "compose_deploy_rollback_keep_settings", ["A"], True),
        (ROLLBACK, {"compose_deploy_origin": "ci"}, "compose_deploy_started_from", "ci", True),
        (ROTATION, {"secret_rotation_origin": "ci"}, "secret_rotation_started_from", "ci", True),
        (ROTATION, {"secret_rotation_candidates_path": "/x"}, "secret_rotation_pending_path", "/x", True),
        (ROLLBACK, {}, "compose_deploy_rollback_keep_settings", [], False),
    ],
)
def test_an_old_name(
    tmp_path: Path, role: tuple[str, str], given: dict[str, t.Any], option: str, value: t.Any, warned: bool
) -> None:
    name, tasks_from = role
    run = {"name": f"popcon.deploy.{name}", "tasks_from": tasks_from, "public": True}
    # Where nothing was ever deployed, there is nothing to go back to.
    task = {"block": [{"ansible.builtin.include_role": run}], "rescue": [{"ansible.builtin.meta": "noop"}]}
    then = {"ansible.builtin.debug": {"msg": f"VALUE={{{{ {option} | to_json }}}}="}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, then]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    variables = {"provision_name": "dev", "provision_region": "ap-northeast-2", "gitops_checkout_dest": "/nowhere"}
    done = subprocess.run(
        ["ansible-playbook", "play.yml", "--check", "-e", json.dumps({**variables, **given})],
        cwd=tmp_path, env={**environment_without_aws(), **ansible_settings(tmp_path), "COLUMNS": "1000"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = re.findall(r"VALUE=(.*)=", done.stdout)
    assert json.loads(found.replace('\\"', '"')) == value
    names = {
        "deploy_target": "app_hosts",
        "rollback_keeps": "rollback_keep_settings",
        "origin": "started_from",
        "candidates": "pending",
    }
    expected = [(old, re.sub("|".join(names), lambda found: names[found[0]], old)) for old in given] if warned else []
    warnings = re.findall(r"^\[DEPRECATION WARNING\]: The variable (\w+) is now (\w+)\.", done.stderr, re.MULTILINE)
    assert warnings == expected
