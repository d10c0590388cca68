"""The table of a container's inputs is complete: compose's own schema has no key that it lacks."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.tests.e2e import inputs
from ansible_collections.popcon.deploy.tests.e2e.compose_schema import compose_schema, keys_of

PLAIN = {key: plain for keys in inputs.PLAIN.values() for key, plain in keys.items()}


def program():
    found = shutil.which("docker-compose")
    if found is None:
        pytest.skip("docker-compose is not installed")
    return Path(found).resolve()


def run(folder, *arguments):
    command = [str(program()), "--project-name", "x", "--env-file", inputs.CONTRACT, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_every_key_is_an_input_or_has_a_reason_why_not():
    schema = compose_schema(program())
    known = {key for one in inputs.ALL for key in one.keys}
    known |= {f"service.{key}" for key in inputs.PLAIN[""]} | {f"deployment.{key}" for key in inputs.DEPLOYMENT}
    assert not known & inputs.NO_INPUT.keys()
    in_schema = {
        f"{definition}.{key}"
        for definition in ("service", "secret", "config", "deployment")
        for key in keys_of(schema, definition)
    }
    assert in_schema - known - inputs.NO_INPUT.keys() == set(), "a new key: is it an input? See tests/e2e/inputs.py"
    assert (known | inputs.NO_INPUT.keys()) - in_schema == {"include"}


def test_plain_keys_change_composes_own_hash(tmp_path):
    states = []
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / inputs.CONTRACT).touch()
    for attribute in (None, "new", "changed"):
        services = {
            **{key: {key: getattr(plain, attribute)} if attribute else {} for key, plain in PLAIN.items()},
            **{
                f"deploy.{key}": {"deploy": {key: getattr(plain, attribute)}} if attribute else {}
                for key, plain in inputs.DEPLOYMENT.items()
            },
            "depends_on": {},
        }
        content = {"services": {name: {"image": inputs.IMAGE, **service} for name, service in services.items()}}
        (tmp_path / inputs.COMPOSE_FILE).write_text(json.dumps(content))
        states.append(dict(line.split() for line in run(tmp_path, "config", "--hash", "*").splitlines()))
    without, new, changed = states
    blind = {name for name in new if new[name] in (without[name], changed[name])}
    assert blind == {"depends_on"}


@pytest.mark.parametrize("state", [inputs.WITHOUT, inputs.NEW, inputs.CHANGED])
def test_compose_takes_the_app_in_each_state(tmp_path, state):
    inputs.write_app(tmp_path, inputs.ALL, inputs.states_of(inputs.ALL, state))
    services = json.loads(run(tmp_path, "--profile", "*", "config", "--format", "json"))["services"]
    here = {name for one in inputs.ALL for name in inputs.services_of(one)}
    absent = {"include", "include_short"} if state == inputs.WITHOUT else set()
    assert services.keys() == here - absent


def test_names_are_used_once():
    names = Counter(name for one in inputs.ALL for name in inputs.services_of(one))
    assert max(names.values()) == 1
