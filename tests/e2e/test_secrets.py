"""A secret is in Parameter Store, in the file rendered for the app, and nowhere else, however a deployment or a rotation ends.

Not searched: what Docker itself keeps of containers (their environment is what they were given), the application's own
data, and the memory of processes.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import re
import secrets
import shlex
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from lab import config, seed, state

from .controller import DEPLOY, ROTATE, Controller, Run
from .faults import killed_at_call
from .parameters import pending_values, put
from .parameters import value as parameter
from .sweep import (
    Sweep,
    found_in,
    killing_the_release,
    unreachable_registry,
    versioned_bucket,
    without_parameter,
)

PROJECT = "/opt/popcon/app"
ENV_FILE = f"{PROJECT}/.env"
DOCKER_CONFIG = "/root/.docker/config.json"
CANDIDATE = "/var/lib/popcon/projects/popcon/staged/over/.env"
RELEASES = "/var/lib/popcon/projects/popcon/releases"
REMOTE_TMP = "/var/tmp/ansible-ssm"
# A secret of two lines, each of them its own.
MULTI_LINE = f"c4n4ry{secrets.token_hex(8)}$x${{HOME}} 'é' \"漢\"\n\\n {secrets.token_hex(8)} #`id` $$ %s=\\"


def test_each_shape_of_a_secret_is_found():
    first, second = MULTI_LINE.splitlines()
    whole, word = MULTI_LINE.encode(), second.split()[1]
    for data in [
        *(base64.b64encode(b"." * before + whole + after) for before in range(4) for after in (b"", b"\n", b"..")),
        *(base64.urlsafe_b64encode(b"." * before + second.encode()) for before in range(4)),
        *(whole.hex().encode(), whole.hex().upper().encode()),
        *(text.encode() for text in (urllib.parse.quote(MULTI_LINE), urllib.parse.quote_plus(first, safe="$"))),
        *(json.dumps(json.dumps(text)).encode() for text in (MULTI_LINE, second)),
        *(text.encode() for text in (repr(first), shlex.quote(first), shlex.quote(second))),
        *(text.replace("$", "$$").encode() for text in (first, second, MULTI_LINE)),
        *(text.encode() for text in (first, second, f"x{word}y", f"'{MULTI_LINE}'")),
    ]:
        assert found_in(data, {"it": MULTI_LINE}) == {"it"}, data
    assert found_in(secrets.token_bytes(100_000), {"it": MULTI_LINE}) == set()


@dataclass
class Story:
    """What was deployed, with which secrets by their names, and what is found of them afterwards, by place."""

    runs: dict[str, Run]
    secrets: dict[str, str]
    found: dict[str, set[str]]
    modes: str
    open_to_others: str
    killed: list[bytes]
    kept: list[str]


def token_in_docker_config(sweep: Sweep) -> str:
    """The start of the token's password: as much as is sure to be in one piece everywhere."""
    entry = json.loads(sweep.on_host("cat", DOCKER_CONFIG))["auths"][config.REGISTRY]
    return base64.b64decode(entry["auth"]).decode().partition(":")[2][:64]


@pytest.fixture(scope="module")
def story(controller: Controller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Deployments that end in every way, recorded by everything that records."""
    sweep = Sweep(controller, tmp_path_factory.mktemp("story"))
    known = state.load_secrets()
    canaries = {name: known[name] for name in ("db_username", "git_token")}
    canaries |= {key.lower(): parameter(key) or "" for key in ("DB_PASSWORD", "DB_ROOT_PASSWORD")}
    canaries |= {"CANARY": MULTI_LINE, "JAVA_OPTS": f"-Dcanary={secrets.token_hex(16)} $(id) ${{HOME}}"}
    canaries["never rendered"] = f"-Dcanary={secrets.token_hex(16)} '"
    runs: dict[str, Run] = {}

    def deploy(name: str, *arguments: str, keep: bool = True) -> None:
        runs[name] = sweep.playbook(name, DEPLOY, *arguments, keep=keep)

    def rotate(name: str, run: str, *arguments: str, revert: bool = False) -> None:
        wanted = {"rotate": ["DB_PASSWORD"], "rotate_revert": revert, "secret_rotation_run": run}
        runs[name] = sweep.playbook(name, ROTATE, "-e", json.dumps(wanted), *arguments)

    settings = ("--tags", "gitops_checkout,release")
    put("CANARY", canaries["CANARY"])
    put("JAVA_OPTS", canaries["JAVA_OPTS"])
    # So that the first deployment makes a new token, whatever was deployed before.
    sweep.on_host("rm", "-f", DOCKER_CONFIG)
    with versioned_bucket(), sweep.watch():
        deploy("success", keep=False)
        rotate("rotation planned", "story-1", "--check")
        with killed_at_call(controller, "secret_rotation", config.ROTATION_ROLE, writes=2, calls=3):
            rotate("rotation killed", "story-1")
        canaries["pending"] = json.loads(pending_values()["DB_PASSWORD"])["value"]
        rotate("rotation taken back", "story-1", revert=True)
        rotate("rotation", "story-2")
        canaries["new password"] = parameter("DB_PASSWORD") or ""
        put("JAVA_OPTS", canaries["never rendered"])
        deploy("check", "--check")
        with without_parameter(f"{config.PARAMETER_PATH}/DB_HOST"):
            deploy("broken contract", *settings)
        with unreachable_registry(sweep):
            deploy("unreachable registry", "--tags", "login")
        refused = f"gitops_checkout_token_parameter={config.PARAMETER_PATH}/DB_ROOT_PASSWORD"
        deploy("refused git token", *settings, "-e", refused)
        with killing_the_release(sweep, CANDIDATE) as killed:
            deploy("crash", *settings, keep=False)
    canaries["token"] = token_in_docker_config(sweep)
    yield Story(
        runs=runs,
        secrets=canaries,
        found=sweep.gather(canaries),
        modes=sweep.on_host("stat", "-c", "%a %U %n", ENV_FILE, DOCKER_CONFIG, "/root/.docker").decode(),
        open_to_others=sweep.on_host("find", RELEASES, "-perm", "/077").decode(),
        killed=killed,
        kept=sweep.on_host("find", REMOTE_TMP, "-name", "AnsiballZ*").decode().splitlines(),
    )
    java_opts = f"{config.PARAMETER_PATH}/JAVA_OPTS"
    kind, value = seed.parameters()[java_opts]
    seed.client("ssm").put_parameter(Name=java_opts, Value=value, Type=kind, Overwrite=True)
    seed.client("ssm").delete_parameter(Name=f"{config.PARAMETER_PATH}/CANARY")
    sweep.on_host("find", REMOTE_TMP, "-mindepth", "1", "-delete")


def test_the_deployments_ended_as_they_were_meant_to(story):
    """Else the search would have nothing to look at."""
    endings = {
        "success": (0, ""),
        "rotation planned": (0, "create, apply, promote, roll out, retire"),
        "rotation killed": (2, 'Return code line: "137"'),
        "rotation taken back": (0, "reverted"),
        "rotation": (0, "retired"),
        "check": (0, "JAVA_OPTS (modified)"),
        "broken contract": (2, "Required by the contract, but missing or empty: DB_HOST"),
        "unreachable registry": (2, "whether it accepts the token: the connection was refused"),
        "refused git token": (2, "the token in the parameter /popcon/DB_ROOT_PASSWORD was refused"),
        "crash": (2, "ended too early (was killed (SIGKILL))"),
    }
    assert story.runs.keys() == endings.keys()
    for name, (status, words) in endings.items():
        assert (name, story.runs[name].status, words in story.runs[name].words) == (name, status, True)
    assert story.killed == [b"killed\n"]


def test_no_secret_is_anywhere_else(story):
    found = {place: names for place, names in story.found.items() if names}
    settings = story.secrets.keys() - {"git_token", "token", "never rendered", "pending"}
    # Those of the releases that can be gone back to.
    kept = {place for place in found if re.fullmatch(f"host: {RELEASES}/[0-9]+/env", place)}
    assert kept and all(found.pop(place) <= settings for place in kept)
    assert found == {f"host: {ENV_FILE}": settings - {"db_password"}, f"host: {DOCKER_CONFIG}": {"token"}}


def test_every_place_was_looked_at(story):
    kinds = {place.partition(":")[0] for place in story.found}
    assert kinds == {"output", "controller", "command lines", "journal", "bucket", "host"}
    assert "controller: log" in story.found
    # What was run on the host was sent through the bucket, where the last versions are deletions, and kept on the host.
    modules = (
        "deploy_host_info",
        "gitops_checkout",
        "ecr_login",
        "compose_release",
        "secret_rotation",
    )
    for module in modules:
        assert any(f"AnsiballZ_{module}.py" in place for place in story.found if place.startswith("bucket: "))
        assert any(path.endswith(f"AnsiballZ_{module}.py") for path in story.kept)


def test_the_files_that_hold_secrets_are_private(story):
    assert story.modes == f"600 root {ENV_FILE}\n600 root {DOCKER_CONFIG}\n700 root /root/.docker\n"
    assert story.open_to_others == ""


@pytest.mark.thorough
def test_a_leak_is_found_in_every_place(controller, story, tmp_path):
    """What a task that has a secret as its argument does with it: the search is red, wherever it looks."""
    leaked = f"le4k{secrets.token_hex(12)} $x"
    argv = ["sh", "-c", "sleep 0.3", "{{ leaked }}"]
    play = {
        "hosts": "app",
        "gather_facts": False,
        "vars_files": [str(tmp_path / "vars.yml")],
        "tasks": [
            {"ansible.builtin.copy": {"content": "{{ leaked }}", "dest": "/var/tmp/popcon-leak", "mode": "0600"}},
            {"ansible.builtin.command": {"argv": argv}},
            {"ansible.builtin.command": {"argv": argv}, "delegate_to": "localhost", "connection": "local"},
            {"ansible.builtin.set_fact": {"leaked_fact": "{{ leaked }}", "cacheable": True}},
        ],
    }
    (tmp_path / "vars.yml").write_text(yaml.safe_dump({"leaked": leaked}))
    (tmp_path / "leak.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "trace").mkdir()
    sweep = Sweep(controller, tmp_path / "trace")
    with versioned_bucket(), sweep.watch():
        run = sweep.playbook("leak", str(tmp_path / "leak.yml"))
    found = sweep.gather({"leak": leaked})
    sweep.on_host("rm", "/var/tmp/popcon-leak")
    assert run.status == 0
    places = {place for place, names in found.items() if names}
    assert {
        "output: leak",
        "controller: log",
        "command lines: controller",
        "command lines: host",
        "journal",
        "host: /var/tmp/popcon-leak",
    } <= places
    for kind in ("bucket: ", "controller: facts/", f"host: {REMOTE_TMP}/"):
        assert any(place.startswith(kind) for place in places), kind
