"""Several hosts: one first, then the others, and none after a failure; and a secret that all of them have."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import subprocess

import pytest
from ansible_collections.popcon.deploy.tests.e2e.controller import ROOT, push, python_m_lab, version
from ansible_collections.popcon.deploy.tests.e2e.faults import at_step, compose_file, docker
from ansible_collections.popcon.deploy.tests.e2e.logins import settings
from ansible_collections.popcon.deploy.tests.e2e.parameters import delete, pending_values, put, value


@pytest.fixture(scope="module")
def two_hosts(controller):
    """A second host, both at their target."""
    python_m_lab("up", "--hosts", "2")
    push("backend", "25")
    assert controller.deploy().status == 0
    ids = [host["id"] for host in controller.hosts()]
    listing = subprocess.run(
        ["ansible-inventory", "-i", "inventories/lab", "--list"],
        cwd=ROOT, env=controller.env, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    yield [ids.index(host) for host in json.loads(listing)["app"]["hosts"]]
    python_m_lab("up", "--hosts", "1")


def test_a_bad_release_stops_at_the_first_host(controller, two_hosts):
    first, second = two_hosts
    ids = [host["id"] for host in controller.hosts()]
    push("backend", "30", fault="exit")
    good = controller.records(first)[-1]["number"]
    before = controller.containers(second), controller.env_file(second), controller.history(second)
    run = controller.deploy()
    assert run.status != 0
    assert f"Rolled back: release {good} runs and is ready." in run.output
    assert controller.history(first)[-1]["action"] == "automatic rollback"
    assert (controller.containers(second), controller.env_file(second), controller.history(second)) == before
    assert [version(controller, host) for host in two_hosts] == ["25", "25"]
    for host in two_hosts:
        digest = controller.records(second)[-1]["images"]["backend"]["pinned"].rpartition("@")[2][:19]
        assert re.search(rf"{ids[host]}\s+backend\s+{digest}\s+healthy", run.output)

    push("backend", "31")
    assert controller.deploy().status == 0
    assert [version(controller, host) for host in two_hosts] == ["31", "31"]
    controller.assert_at_target()


def test_a_host_at_the_target_costs_one_session(controller, two_hosts):
    first, second = two_hosts
    ids = [host["id"] for host in controller.hosts()]
    push("backend", "32")
    controller.reset_counters()
    assert controller.deploy("--limit", f"localhost,{ids[second]}").status == 0
    alone = controller.counters()["sessions"]
    push("frontend", "32")
    assert controller.deploy("--limit", f"localhost,{ids[first]}").status == 0
    at_target = controller.containers(first)
    controller.reset_counters()
    run = controller.deploy()
    assert run.status == 0
    assert [controller.health(host)["version"] for host in two_hosts] == ["32", "32"]
    # The other takes what it took alone.
    assert controller.counters()["sessions"] == alone + 1
    assert controller.containers(first) == at_target and run.recap[ids[first]]["changed"] == 0
    controller.assert_at_target()


@pytest.fixture
def shared_secret(controller, two_hosts):
    """A secret that only the back end knows, on both hosts; how it is rotated."""
    with controller.commit("A secret") as clone:
        contract = clone / ".env.example"
        original = {path: path.read_text() for path in (contract, clone / "docker-compose.yml")}
        contract.write_text(original[contract] + "API_KEY=\n")
        with compose_file(clone) as content:
            content["services"]["backend"]["environment"]["API_KEY"] = "${API_KEY}"
    put("API_KEY", "the first one")
    assert controller.deploy().status == 0
    yield {"secret_rotation_secrets": {"API_KEY": {"strategy": "plain"}}}
    with controller.commit("No secret") as clone:
        for path, text in original.items():
            (clone / path.name).write_text(text)
    delete("API_KEY")
    assert controller.deploy().status == 0


def test_a_secret_of_all_hosts_is_retired_when_the_last_one_has_the_new_value(controller, two_hosts, shared_secret):
    hosts = controller.hosts()
    first, second = two_hosts
    container = hosts[second]["container"]

    def api_keys():
        return [settings(controller, host)["API_KEY"] for host in two_hosts]

    # The second host is lost while the first one gets the new value.
    with at_step(controller, "recreate backend", then=lambda: docker("pause", container), host=first):
        run = controller.rotate("API_KEY", **shared_secret)
    docker("unpause", container)
    new = value("API_KEY")
    assert run.status != 0 and "the old values were not retired, and both are valid" in run.words
    assert new != "the first one" and pending_values().keys() == {"API_KEY"}
    assert api_keys() == [new, "the first one"]

    assert controller.rotate("API_KEY", **shared_secret).status == 0
    assert value("API_KEY") == new and api_keys() == [new, new] and pending_values() == {}
    assert [controller.health(host)["ok"] for host in two_hosts] == [True, True]
    # Each host has a database of its own, so theirs can't be rotated so.
    refused = controller.rotate("DB_PASSWORD")
    assert refused.status != 0 and "would be changed in the service of one host, and there are 2" in refused.words
    controller.assert_at_target()
