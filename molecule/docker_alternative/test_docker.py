"""Docker on Debian 12, with packages that are named, beside what somebody else put there."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

testinfra_hosts = ["ansible://containers"]


def test_debian(host):
    assert (host.system_info.distribution, host.system_info.release) == ("debian", "12")


def test_the_engine_is_debians_and_the_compose_plugin_what_was_there(host):
    assert host.check_output("docker version --format '{{.Server.Version}}'").startswith("20.10.")
    assert int(host.check_output("docker compose version --short").split(".")[0]) >= 2
    for package in ("docker.io", "git", "python3-boto3"):
        assert host.package(package).is_installed
    assert not host.package("docker-compose").is_installed


def test_the_engine_runs_now_and_at_boot(host):
    service = host.service("docker")
    assert service.is_running and service.is_enabled


def test_what_the_configuration_had_besides_stays(host):
    file = host.file("/etc/docker/daemon.json")
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)
    assert json.loads(file.content_string) == {
        "data-root": "/var/lib/docker/elsewhere",
        "live-restore": False,
        "log-driver": "json-file",
        "log-opts": {"max-size": "1m"},
    }
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert (info["LiveRestoreEnabled"], info["LoggingDriver"]) == (False, "json-file")
    assert info["DockerRootDir"] == "/var/lib/docker/elsewhere"


def test_containers_run(run_container):
    assert run_container("echo it works") == "it works"
