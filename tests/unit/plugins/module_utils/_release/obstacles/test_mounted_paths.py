"""Mounted paths that neither commit nor host has."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.mounted_paths import check
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import (
    FAILS,
    MISLEADS,
    SURPRISES,
    write,
)


def model(source, target="/data", **bind):
    return {"services": {"web": {"volumes": [{"type": "bind", "source": source, "target": target, "bind": bind}]}}}


def test_a_data_folder_that_docker_makes_is_told(look):
    ((kind, text),) = look.found(check, model("$HERE/data"))
    assert kind is SURPRISES and f"{look.folder}/data" in text and "empty folder" in text


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("$HERE/nginx.conf", "/etc/nginx"),
        ("$HERE/conf", "/etc/nginx/nginx.conf"),
        ("$HERE/Caddyfile", "/etc/caddy/Caddyfile"),
        ("/nowhere/acme.json", "/acme.json"),
        ("$HERE/data/app.db", "/app/app.db"),
    ],
)
def test_a_file_that_would_become_a_folder_is_refused(look, source, target):
    ((kind, text),) = look.found(check, model(source, target))
    assert kind is MISLEADS and source.replace("$HERE", str(look.folder)) in text and "put it on the host first" in text


@pytest.mark.parametrize(
    "source", ["$HERE/conf.d", "$HERE/sites/example.com", "/nowhere/node_modules", "/nowhere/timezone"]
)
def test_what_may_be_a_folder_is_not_refused(look, source):
    assert [kind for kind, _text in look.found(check, model(source))] == [SURPRISES]


def test_what_a_container_may_make_before_is_not_refused(look):
    """As certificates that a job or an init service writes into the folder."""
    found = model("$HERE/certs/server.pem", "/server.pem")
    found["services"]["init"] = {"volumes": [{"type": "bind", "source": "$HERE/certs", "target": "/certs"}]}
    assert [kind for kind, _text in look.found(check, found)] == [SURPRISES, SURPRISES]
    found["services"]["init"]["volumes"][0]["read_only"] = True
    assert [kind for kind, _text in look.found(check, found)] == [MISLEADS, SURPRISES]


def test_what_may_not_be_made_is_refused(look):
    ((kind, text),) = look.found(check, model("$HERE/data", create_host_path=False))
    assert kind is FAILS and f"{look.folder}/data" in text


def test_what_is_on_the_host_in_the_commit_or_written_by_the_deploy_is_no_obstacle(look):
    write(look.folder / "data/x.conf")
    look.stage("conf/a.conf")
    for source in ("/etc/passwd", "$HERE/data/x.conf", "$HERE/conf", "$HERE/conf/a.conf", "$HERE/.env"):
        assert look.found(check, model(source, create_host_path=False)) == []


def test_what_the_commit_removes_is_missing_though_it_is_there_now(look):
    look.commit("a.conf", "conf/b.conf", "mixed/c.conf")
    write(look.folder / "mixed/data")
    look.stage("other")
    assert [kind for kind, _text in look.found(check, model("$HERE/a.conf"))] == [MISLEADS]
    assert [kind for kind, _text in look.found(check, model("$HERE/conf"))] == [SURPRISES]
    assert look.found(check, model("$HERE/mixed")) == []


def test_a_folder_that_docker_made_in_a_files_place_is_told(look):
    (look.folder / "a.conf").mkdir()
    ((kind, text),) = look.found(check, model("$HERE/a.conf", "/etc/a.conf"))
    assert kind is SURPRISES and "is an empty folder" in text


def test_the_folder_of_a_local_volume(look):
    options = {"type": "none", "o": "rw,bind", "device": "$HERE/pgdata"}
    volumes = {"data": {"name": "shop_data", "driver_opts": options}, "other": {"name": "shop_other"}}
    ((kind, text),) = look.found(check, {"services": {}, "volumes": volumes})
    assert kind is FAILS and "shop_data" in text and f"{look.folder}/pgdata" in text
    (look.folder / "pgdata").mkdir()
    assert look.found(check, {"services": {}, "volumes": volumes}) == []
    assert (
        look.found(check, {"services": {}, "volumes": {"nfs": {"name": "n", "driver_opts": {"device": ":/x"}}}}) == []
    )
