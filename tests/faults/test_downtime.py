"""What users notice of a deploy, side by side with the guide's deploy.sh on the same host with the same images.

Prints a table and writes it to build/test-reports/downtime.json.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from ansible_collections.popcon.deploy.benchmarks.service import under_load
from ansible_collections.popcon.deploy.tests.e2e.controller import ROOT, python_m_lab
from ansible_collections.popcon.deploy.tests.e2e.deploy_sh import deploy_sh, install_aws_command, plain_secrets

REPORT = ROOT / "build" / "test-reports" / "downtime.json"


@pytest.fixture(scope="module")
def measured(controller):
    """By case and tool, what the load saw. The app has secrets meanwhile that deploy.sh gets across."""
    install_aws_command(controller)
    found = {}
    with plain_secrets(controller):
        yield found
    print(f"\n{'':<32}{'tool':<12}{'requests':>9}{'failed':>8}{'down s':>8}{'seconds':>9}  serves at the end")
    for case, tools in found.items():
        for tool, row in tools.items():
            numbers = f"{row['requests']:>9}{row['failed']:>8}{row['downtime']:>8}{row['seconds']:>9}"
            print(f"{case:<32}{tool:<12}{numbers}  {'yes' if row['serves'] else 'NO'}")


def measure(controller, found, case, tool, release):
    """Do a release under load, and note what came of it."""

    def serves():
        try:
            return controller.health()["ok"]
        except OSError:
            return False

    found.setdefault(case, {})[tool] = under_load(controller.url(), release, serves)
    print(f"{case}, {tool}: {found[case][tool]}")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=1) + "\n")
    return found[case][tool]


def theirs_first(controller):
    """Have the script name the images as it does, by tag: else it would recreate every service, not only the new one."""
    assert deploy_sh(controller).status == 0
    wait_until_it_serves(controller)


def wait_until_it_serves(controller):
    for _dummy in range(60):
        with suppress(OSError):
            if controller.health()["ok"]:
                return
        time.sleep(1)
    raise AssertionError("the app does not serve")


def push(service, fault="none"):
    python_m_lab("push", service, "--version", str(time.time_ns() // 10**8), "--fault", fault)


@pytest.mark.parametrize("service", ["backend", "frontend"])
def test_a_new_image(controller, measured, service):
    case = f"new {service}"
    push(service)
    ours = measure(controller, measured, case, "deploy.yml", controller.deploy)
    theirs_first(controller)
    push(service)
    theirs = measure(controller, measured, case, "deploy.sh", lambda: deploy_sh(controller))
    assert ours["status"] == theirs["status"] == 0 and ours["serves"] and theirs["serves"]
    # One container is stopped and another started, by the same compose: what differs is chance.
    assert ours["downtime"] <= 2 * theirs["downtime"] + 3
    # Whatever the script left behind, a deploy finds.
    assert controller.deploy().status == 0
    controller.assert_at_target()


def test_going_back(controller, measured):
    push("backend")
    assert controller.deploy().status == 0
    new = measured["new backend"]["deploy.yml"]
    ours = measure(controller, measured, "rollback of a backend", "rollback.yml", controller.rollback)
    assert ours["status"] == 0 and ours["serves"]
    assert ours["downtime"] <= 2 * new["downtime"] + 3
    assert controller.deploy().status == 0


def test_a_bad_image(controller, measured):
    case = "backend that ends at its start"
    push("backend", fault="exit")
    ours = measure(controller, measured, case, "deploy.yml", controller.deploy)
    assert ours["status"] != 0 and ours["serves"]
    # The script recreates the other services too here, which ours named by digest; what counts is how it ends.
    theirs = measure(controller, measured, case, "deploy.sh", lambda: deploy_sh(controller))
    # It reports success, and nobody is served until a person does something.
    assert theirs["status"] == 0 and not theirs["serves"]
    assert ours["downtime"] < theirs["downtime"]
    push("backend")
    assert controller.deploy().status == 0
    controller.assert_at_target()
