"""The app as another project, with jobs, checks and a second compose file."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

testinfra_hosts = ["docker://popcon-lab-host-1"]
STATE = "/var/lib/popcon/projects/shop"


def test_the_project_has_its_name_and_place(host, controller):
    assert controller.health()["ok"]
    names = host.check_output("docker ps --filter label=com.docker.compose.project=shop --format '{{.Names}}'").split()
    assert sorted(names) == ["popcon-backend", "popcon-frontend", "popcon-mysql", "popcon-redis"]
    assert host.file("/srv/shop/.env").mode == 0o600
    assert not host.file("/opt/popcon").exists


def test_the_second_compose_file_counts(host):
    label = "docker inspect --format '{{index .Config.Labels \"shop\"}}' popcon-redis"
    assert host.check_output(label) == "redis"


def test_the_job_ran_once_though_the_role_did_twice(host):
    assert host.check_output("docker exec popcon-redis redis-cli get jobs") == "1"
    assert "job" not in host.check_output("docker ps --all --format '{{.Names}}'")


def test_the_record_says_who_and_what(host):
    (path,) = host.check_output(f"ls -d {STATE}/releases/*/record.json").split()
    record = json.loads(host.file(path).content_string)
    assert (record["result"], record["by"], record["started_from"]) == (
        "succeeded",
        "alice",
        "https://ci.example.com/7",
    )
    assert record["http_checks"] == [{"url": "http://127.0.0.1:3000/health", "status": 200}]
