"""The app as it is without options."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from lab import config, seed
from tests.e2e.sweep import assert_no_secret_in

testinfra_hosts = ["docker://popcon-lab-host-1"]
RELEASE = "/var/lib/popcon/projects/popcon/releases"


def test_the_app_works(controller):
    health = controller.health()
    assert health["ok"]


def test_every_service_is_healthy_and_pinned_to_a_digest(host):
    ids = host.check_output("docker ps --quiet --filter label=com.docker.compose.project=popcon").split()
    found = json.loads(host.check_output(f"docker inspect {' '.join(ids)}"))
    services = {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}
    assert set(services) == {"frontend", "backend", "mysql", "redis"}
    for one in services.values():
        assert one["State"]["Health"]["Status"] == "healthy"
        assert "@sha256:" in one["Config"]["Image"]


def test_the_settings_are_those_of_parameter_store_for_root_only(host, settings):
    file = host.file("/opt/popcon/app/.env")
    assert (file.user, file.group, file.mode) == ("root", "root", 0o600)
    parameters = {
        name.removeprefix(f"{config.PARAMETER_PATH}/"): value
        for name, (_type, value) in seed.parameters().items()
        if name.startswith(f"{config.PARAMETER_PATH}/")
    }
    assert parameters.items() <= settings.items()


def test_one_release_is_on_record_and_good(controller, host):
    (record,) = controller.records()
    assert (record["number"], record["result"]) == (1, "succeeded")
    assert record["commit"] == host.check_output("git -C /opt/popcon/app rev-parse HEAD")
    assert host.file(RELEASE).mode == 0o700
    assert [(line["action"], line["result"]) for line in controller.history()] == [("deploy", "succeeded")]


def test_no_secret_is_in_what_is_remembered(controller):
    assert_no_secret_in(json.dumps([controller.records(), controller.history()]))


def test_the_login_is_kept_for_root_only(host):
    file = host.file("/root/.docker/config.json")
    assert (file.user, file.mode) == ("root", 0o600)
    assert config.REGISTRY in json.loads(file.content_string)["auths"]
