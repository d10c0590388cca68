"""The playbook deploy, on a host that had nothing."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

testinfra_hosts = ["docker://popcon-lab-host-1"]


def test_visitors_get_the_app(controller):
    assert controller.health()["ok"]


def test_the_host_is_set_up_for_it(host):
    for service in ("docker", "containerd"):
        assert host.service(service).is_running
    assert host.file("/opt/popcon/app/docker-compose.yml").exists
    assert host.file("/opt/popcon/app/.env").mode == 0o600


def test_the_second_deploy_made_no_release(controller):
    assert [record["result"] for record in controller.records()] == ["succeeded"]
    controller.assert_at_target()


def test_what_runs_is_what_was_recorded(controller):
    assert controller.status().status == 0
