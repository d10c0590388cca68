"""Data that a commit would leave behind."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.volumes import check
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import (
    MISLEADS,
    SURPRISES,
    bind_mount,
    container,
    volume_mount,
    write,
)

DATA = "/var/lib/mysql"
ANONYMOUS = "0f" * 32


def service(*volumes, **fields):
    """A service with volumes, each as source and target, a source with a slash being a path."""
    kinds = ("bind" if source and "/" in source else "volume" for source, _target in volumes)
    entries = [
        {"type": kind, "target": target, **({"source": source} if source else {})}
        for kind, (source, target) in zip(kinds, volumes)
    ]
    return {"image": "x", "volumes": entries, **fields}


def model(names=("data", "db"), **services):
    return {"services": services, "volumes": {name: {"name": f"shop_{name}"} for name in names}}


@pytest.fixture
def db(look):
    """A container of the service db with data in the volume shop_data."""
    look.volume("shop_data", "ibdata1")
    return [container("db", volume_mount("shop_data", DATA))]


def test_nothing_is_looked_at_where_nothing_changes(look, db):
    assert look.found(check, model(db=service(("data", DATA))), containers=db) == []
    assert look.engine.asked == []


@pytest.mark.parametrize("there", [True, False])
def test_a_renamed_volume_is_refused_with_both_names(look, db, there):
    if there:
        look.volume("shop_db")
    ((kind, text),) = look.found(check, model(db=service(("db", DATA))), containers=db)
    assert kind is MISLEADS and "volume shop_data" in text and "volume shop_db" in text and f"at {DATA}" in text
    assert "compose_deploy_drop_volumes: [shop_data]" in text


def test_a_volume_that_nobody_names_any_more_is_refused(look, db):
    for services in ({"db": service()}, {"web": service()}):
        ((kind, text),) = look.found(check, model(**services), containers=db)
        assert kind is MISLEADS and "volume shop_data" in text and "compose_deploy_drop_volumes: [shop_data]" in text


def test_a_service_renamed_together_with_its_volume_names_both(look, db):
    ((kind, text),) = look.found(check, model(mysql=service(("db", DATA))), containers=db)
    assert kind is MISLEADS and "Service mysql" in text and "shop_data" in text and "shop_db" in text


@pytest.mark.parametrize(
    "services",
    [
        {"mysql": service(("data", DATA))},
        {"db": service(("data", "/var/lib/mysql8"), ("db", DATA))},
        {"db": service(), "backup": service(("data", "/backup"))},
        {"db": service(volumes_from=["store:rw"]), "store": service(("data", DATA))},
    ],
)
def test_data_that_is_still_used_is_no_obstacle(look, db, services):
    assert look.found(check, model(**services), containers=db) == []


def test_another_volume_in_the_place_of_one_that_only_others_still_use_is_refused(look, db):
    services = {"db": service(("db", DATA)), "backup": service(("data", "/backup"))}
    assert [kind for kind, _text in look.found(check, model(**services), containers=db)] == [MISLEADS]
    reader = [container("db", volume_mount("shop_data", DATA, writable=False))]
    assert look.found(check, model(**services), containers=reader) == []


def test_it_can_be_allowed_by_name(look, db):
    assert look.found(check, model(db=service(("db", DATA))), containers=db, drop_volumes=["shop_data"]) == []
    assert len(look.found(check, model(db=service(("db", DATA))), containers=db, drop_volumes=["shop_db"])) == 1


def test_where_the_data_was_copied_over_it_is_only_told(look, db):
    look.volume("shop_db", "ibdata1")
    ((kind, text),) = look.found(check, model(db=service(("db", DATA))), containers=db)
    assert kind is SURPRISES and "shop_data" in text and "shop_db" in text


def test_an_empty_volume_or_one_that_is_gone_is_no_loss(look):
    look.volume("shop_data")
    for name in ("shop_data", "shop_gone"):
        there = [container("db", volume_mount(name, DATA))]
        assert look.found(check, model(db=service(("db", DATA))), containers=there) == []


@pytest.mark.parametrize(
    "fields",
    [{"Mountpoint": "/nowhere"}, {"Driver": "rexray"}, {"Options": {"type": "nfs", "o": "addr=x", "device": ":/x"}}],
)
def test_what_cannot_be_looked_into_is_taken_for_full(look, fields):
    look.volume("shop_data", **{"Mountpoint": "", **fields})
    there = [container("db", volume_mount("shop_data", DATA))]
    assert [kind for kind, _text in look.found(check, model(db=service(("db", DATA))), containers=there)] == [MISLEADS]


def test_a_volume_that_is_a_folder_of_the_host(look):
    (look.folder / "disk").mkdir()
    options = {"type": "none", "o": "bind", "device": str(look.folder / "disk")}
    look.volume("shop_data", Options=options)
    there = [container("db", volume_mount("shop_data", DATA))]
    assert look.found(check, model(db=service(("db", DATA))), containers=there) == []
    write(look.folder / "disk/ibdata1")
    assert len(look.found(check, model(db=service(("db", DATA))), containers=there)) == 1


def test_one_loss_is_told_once_for_all_containers(look, db):
    assert len(look.found(check, model(db=service(("db", DATA))), containers=db * 2)) == 1


def test_a_folder_in_the_place_of_a_volume_and_the_other_way_round(look, db):
    ((kind, text),) = look.found(check, model(db=service(("$HERE/data", DATA))), containers=db)
    assert kind is MISLEADS and "volume shop_data" in text and f"folder {look.folder}/data" in text
    write(look.folder / "data/ibdata1")
    there = [container("db", bind_mount(look.folder / "data", DATA))]
    ((kind, text),) = look.found(check, model(db=service(("db", DATA))), containers=there)
    assert kind is MISLEADS and f"drop_volumes: [{look.folder}/data]" in text and "volume shop_db" in text


def test_a_renamed_data_folder(look):
    write(look.folder / "data/ibdata1")
    there = [container("db", bind_mount(look.folder / "data", DATA))]
    ((kind, text),) = look.found(check, model(db=service(("$HERE/mysql", DATA))), containers=there)
    assert kind is MISLEADS and f"{look.folder}/data" in text and f"{look.folder}/mysql" in text
    ((kind, text),) = look.found(check, model(db=service()), containers=there)
    assert kind is SURPRISES and f"{look.folder}/data" in text


@pytest.mark.parametrize("source", ["/var/run", "/etc/passwd", "/tmp", "/proc"])
def test_what_is_the_hosts_own_is_no_data(look, source):
    there = [container("db", bind_mount(source, "/x"))]
    assert look.found(check, model(db=service(("$HERE/new", "/x"))), containers=there) == []


def test_files_of_the_repository_are_no_data(look):
    look.commit("conf/my.cnf")
    there = [container("db", bind_mount(look.folder / "conf", "/etc/mysql"))]
    look.stage("mysql/my.cnf")
    assert look.found(check, model(db=service(("$HERE/mysql", "/etc/mysql"))), containers=there) == []


def test_files_of_the_repository_in_the_place_of_data_are_told(look, db):
    look.stage("seed/x.sql")
    assert [kind for kind, _text in look.found(check, model(db=service(("$HERE/seed", DATA))), containers=db)] == [
        SURPRISES
    ]


def test_a_volume_without_a_name(look, db):
    look.volume(ANONYMOUS, "dump.rdb")
    there = [container("redis", volume_mount(ANONYMOUS, "/data"))]
    assert look.found(check, model(redis=service()), containers=there) == []
    assert look.found(check, model(), containers=there) == []
    ((kind, text),) = look.found(check, model(redis=service(("db", "/data"))), containers=there)
    assert kind is SURPRISES and "a volume without a name" in text and "shop_db" in text
    ((kind, text),) = look.found(check, model(db=service((None, DATA))), containers=db)
    assert kind is MISLEADS and "a volume without a name" in text


def test_volumes_of_a_project_that_has_no_containers(look):
    look.volume("shop_data", "ibdata1")
    look.volume("shop_empty")
    renamed = model(db=service(("db", DATA)))
    ((kind, text),) = look.found(check, renamed)
    assert (
        kind is MISLEADS
        and "shop_data" in text
        and "shop_db" in text
        and "compose_deploy_drop_volumes: [shop_data]" in text
    )
    assert look.found(check, renamed, drop_volumes=["shop_data"]) == []
    assert look.found(check, model(db=service(("data", DATA)))) == []
    look.volume("shop_db")
    assert look.found(check, renamed) == []


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"driver_opts": {"type": "none", "o": "bind", "device": "/new"}}, True),
        ({"driver_opts": {"type": "none", "o": "bind", "device": "/old"}}, False),
        ({"driver": "other"}, True),
        ({"driver": "other", "external": True}, False),
        ({}, False),
    ],
)
def test_options_that_a_volume_does_not_get(look, entry, told):
    look.volume("shop_data", Options={"type": "none", "o": "bind", "device": "/old"})
    found = look.found(check, {"services": {}, "volumes": {"data": {"name": "shop_data", **entry}}})
    assert [kind for kind, _text in found] == [SURPRISES] * told
