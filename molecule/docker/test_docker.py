"""Docker on Debian 13, from its own packages."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

testinfra_hosts = ["ansible://containers"]


def test_debian(host):
    assert (host.system_info.distribution, host.system_info.release) == ("debian", "13")


def test_the_engine_runs_now_and_at_boot(host):
    service = host.service("docker")
    assert service.is_running and service.is_enabled


def test_what_a_deploy_needs_is_there(host):
    version = host.check_output("docker compose version --short").split(".")
    assert [int(number) for number in version[:2]] >= [2, 20]
    assert host.run("git --version").rc == 0
    assert host.run("/usr/bin/python3 -c 'import boto3'").rc == 0


def test_the_configuration_is_written_and_in_use(host):
    file = host.file("/etc/docker/daemon.json")
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)
    assert json.loads(file.content_string) == {"live-restore": True, "log-driver": "local"}
    info = json.loads(host.check_output("docker info --format json"))
    assert (info["LiveRestoreEnabled"], info["LoggingDriver"]) == (True, "local")


def test_containers_run(run_container):
    assert run_container("echo it works") == "it works"
