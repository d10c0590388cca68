"""The playbook rotate_secrets on several hosts: when the old values are retired, and when only the lock is given back.

Playbook, role, filters and action are the collection's. What they use is not: a deploy is a file that is written, and a host is lost
when a connection says so. The whole of it is in tests/e2e and tests/faults.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.popcon.deploy.tests.integration.emulators import environment_without_aws
from ansible_collections.popcon.deploy.tests.integration.plays import COLLECTIONS_PATH, ansible_settings

ROOT = Path(__file__).parents[2]
BEFORE = {"commit": "c1", "images": {}, "result": "succeeded", "parameters": {"/app/A": 3}}
AFTER = {**BEFORE, "parameters": {"/app/A": 4}}
SECRETS = {"A": {"strategy": "plain"}}

STUBS = {
    "plugins/modules/compose_release_info.py": """
import json
from ansible.module_utils.basic import AnsibleModule

options = {name: {"type": "str"} for name in ("project", "project_dir", "state_dir")}
module = AnsibleModule(options, supports_check_mode=True)
with open(module.params["project_dir"] + "/info.json") as file:
    module.exit_json(**json.load(file))
""",
    "plugins/modules/secret_rotation.py": """
import json
from ansible.module_utils.basic import AnsibleModule

types = {"path": "list", "secrets": "dict", "rotate": "list", "revert": "bool", "proof": "dict", "lock_seconds": "int"}
names = ("phase", "run", "by", "started_from", "project", "state_dir", "region", *types)
options = {name: {"type": types.get(name, "str"), "no_log": False} for name in names}
module = AnsibleModule(options, supports_check_mode=True)
called = {name: module.params[name] for name in ("phase", "rotate", "revert", "proof", "run")}
with open(module.params["state_dir"] + "/calls", "a") as file:
    file.write(json.dumps({**called, "check": module.check_mode}) + "\\n")
new = None if module.check_mode else 4
entry = {"key": "A", "name": "/app/A", "old_version": 3, "new_version": new, "state": "promoted", "steps": ["apply"]}
rotated = [] if called["phase"] == "unlock" else [entry]
module.exit_json(rotated=rotated, time="2026-11-23T07:00:00Z", **{n: module.params[n] for n in ("by", "started_from", "run")})
""",
    "plugins/connection/lost.py": """
DOCUMENTATION = "{name: lost, author: x, short_description: x, description: [x], options: {}}"
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase


class Connection(ConnectionBase):
    transport = "lost"

    def _connect(self, *_args, **_more):
        raise AnsibleConnectionFailure("The host is lost.")

    exec_command = put_file = fetch_file = _connect

    def close(self):
        pass
""",
    "roles/preflight/tasks/main.yml": """
- name: See that the host is there
  ansible.builtin.ping:
""",
    "roles/compose_deploy/tasks/settings.yml": """
- name: Fail
  ansible.builtin.fail:
    msg: The release failed.
  when: fate == 'fails'
- name: Lose the host
  ansible.builtin.set_fact:
    ansible_connection: popcon.deploy.lost
  when: fate == 'is lost'
- name: Release
  ansible.builtin.copy:
    content: "{{ after | to_json }}"
    dest: "{{ gitops_checkout_dest }}/info.json"
    mode: "0600"
""",
}


class Done(t.NamedTuple):
    """What a run did: whether it succeeded, what it printed, the calls of the module, and by host the version it has."""

    succeeded: bool
    words: str
    calls: list[dict[str, t.Any]]
    versions: dict[str, int]

    @property
    def phases(self) -> list[str]:
        """The phases, in order."""
        return [call["phase"] for call in self.calls]


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the collection, of which some parts are STUBS."""
    folder = tmp_path_factory.mktemp("collections")
    collection = folder / "ansible_collections/popcon/deploy"
    parts = ["galaxy.yml", "meta", "playbooks", "roles/secret_rotation", "plugins/action/secret_rotation.py"]
    for part in [*parts, "plugins/filter", "plugins/module_utils", "plugins/plugin_utils", "plugins/doc_fragments"]:
        (collection / part).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, collection / part)
    for name, text in STUBS.items():
        (collection / name).parent.mkdir(parents=True, exist_ok=True)
        (collection / name).write_text(text)
    return folder


@pytest.fixture
def rotate(tmp_path: Path, collections: Path) -> t.Callable[..., Done]:
    """Run the playbook on hosts that fare so: `succeeds`, `fails`, `is lost`, `drifts`."""

    def rotate(fates: dict[str, str], *options: str, before: dict | None = None) -> Done:
        hosts = {}
        for name, fate in fates.items():
            (tmp_path / name).mkdir()
            info = {"release": BEFORE, "newest": BEFORE, "drift": [], **(before or {})}
            (tmp_path / name / "info.json").write_text(json.dumps(info))
            after = {"release": AFTER, "newest": AFTER, "drift": ["web is missing"] if fate == "drifts" else []}
            hosts[name] = {"fate": fate, "after": after, "gitops_checkout_dest": str(tmp_path / name)}
        shared = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_aws_ssm_region": "eu-west-3",
            "secret_rotation_secrets": SECRETS,
            "secret_rotation_state_dir": str(tmp_path),
        }
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"app": {"hosts": hosts, "vars": shared}}))
        environment = {**environment_without_aws(), **ansible_settings(tmp_path)}
        environment["ANSIBLE_COLLECTIONS_PATH"] = f"{collections}:{COLLECTIONS_PATH}"
        environment["ANSIBLE_PIPELINING"] = "true"
        done = subprocess.run(
            ["ansible-playbook", "popcon.deploy.rotate_secrets", "-i", "hosts.yml", *options],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        print(done.stdout, done.stderr)
        calls = tmp_path / "calls"
        return Done(
            done.returncode == 0,
            " ".join(done.stdout.split()),
            [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else [],
            {
                name: json.loads((tmp_path / name / "info.json").read_text())["release"]["parameters"]["/app/A"]
                for name in fates
            },
        )

    return rotate


def test_old_values_are_retired_when_all_hosts_have_the_new_ones(rotate: t.Callable[..., Done]) -> None:
    done = rotate(dict.fromkeys("abc", "succeeds"), "-e", "rotate=[A]", "-e", "rotate_revert=true")
    assert done.succeeded
    advance, retire = done.calls
    assert (advance["phase"], advance["rotate"], advance["revert"], advance["proof"]) == ("advance", ["[A]"], True, {})
    assert (retire["phase"], retire["proof"], retire["run"]) == ("retire", {"A": 4}, advance["run"])
    assert done.versions == dict.fromkeys("abc", 4)
    assert "/app/A" in done.words


@pytest.mark.parametrize(
    ("fates", "versions", "words"),
    [
        pytest.param(
            {"a": "succeeds", "b": "fails", "c": "succeeds"},
            {"a": 4, "b": 3, "c": 4},
            "The release failed. As not every host",
            id="one of the others fails",
        ),
        pytest.param(
            {"a": "drifts", "b": "succeeds"}, {"a": 4, "b": 3}, "web is missing As not every host", id="drift"
        ),
        pytest.param(
            {"a": "succeeds", "b": "is lost"},
            {"a": 4, "b": 3},
            "/app/A is not at version 4 here. Task failed: The host is lost. As not every host",
            id="all of the last hosts are lost",
        ),
    ],
)
def test_nothing_is_retired_unless_all_have_them(
    rotate: t.Callable[..., Done], fates: dict[str, str], versions: dict[str, int], words: str
) -> None:
    done = rotate(fates, "-e", '{"rotate": ["A"]}')
    assert not done.succeeded
    assert (done.phases, done.versions) == (["advance", "unlock"], versions)
    assert len({call["run"] for call in done.calls}) == 1
    assert words in done.words.replace("\\n", " ")
    assert "the old values were not retired, and both are valid" in done.words


def test_a_host_outside_the_limit_may_still_use_the_old_value(rotate: t.Callable[..., Done]) -> None:
    done = rotate(dict.fromkeys("ab", "succeeds"), "-e", "rotate=[A]", "--limit", "localhost,a")
    assert not done.succeeded
    assert (done.phases, done.versions) == (["advance", "unlock"], {"a": 4, "b": 3})
    assert "This host has the new values. As not every host has them" in done.words


def test_check_mode_says_what_would_be_done(rotate: t.Callable[..., Done]) -> None:
    done = rotate(dict.fromkeys("ab", "succeeds"), "-e", "rotate=[A]", "--check")
    assert done.succeeded
    assert [(call["phase"], call["check"]) for call in done.calls] == [("advance", True)]
    assert done.versions == dict.fromkeys("ab", 3)
    assert "/app/A" in done.words


@pytest.mark.parametrize(
    ("options", "before", "words"),
    [
        pytest.param([], {}, "Say which, for example", id="nothing is named"),
        pytest.param(["-e", "rotate=[A]"], {"drift": ["web is missing"]}, "Deploy first", id="drift"),
    ],
)
def test_what_is_refused_before_anything_is_changed(
    rotate: t.Callable[..., Done], options: list[str], before: dict, words: str
) -> None:
    done = rotate(dict.fromkeys("ab", "succeeds"), *options, before=before)
    assert not done.succeeded
    assert (done.calls, done.versions) == ([], dict.fromkeys("ab", 3))
    assert words in done.words


def test_a_roll_out_of_settings_that_was_cut_short_is_resumed(rotate: t.Callable[..., Done]) -> None:
    before = {"newest": {**BEFORE, "result": "interrupted"}, "drift": ["web has other settings"]}
    done = rotate(dict.fromkeys("ab", "succeeds"), "-e", "rotate=[A]", before=before)
    assert (done.succeeded, done.phases) == (True, ["advance", "retire"])
