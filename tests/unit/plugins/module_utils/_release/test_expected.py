"""What is expected of containers, and how one differs. With real ones, hostile ones too: tests/integration/test_inputs.py."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import typing as t

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker import inputs as _inputs
from ansible_collections.popcon.deploy.plugins.module_utils._release import expected as _expected
from ansible_collections.popcon.deploy.plugins.module_utils._release.expected import Expected

KEY = b"key"
MODEL: dict[str, t.Any] = {
    "services": {
        "web": {
            "environment": {"A": "1$$x", "B": "canary", "UNSET": None, "FIRST": "x"},
            "labels": {"popcon.deploy.initial-environment": "FIRST"},
            "networks": {"default": None, "proxy": None},
            "volumes": [
                {"type": "bind", "source": "/srv/app/conf", "target": "/conf/", "read_only": True},
                {"type": "bind", "source": "/etc/localtime", "target": "/lt"},
                {"type": "volume", "source": "data", "target": "/data"},
                {"type": "volume", "target": "/anonymous"},
                {"type": "tmpfs", "target": "/tmp"},
            ],
            "secrets": [{"source": "file"}, {"source": "tok"}],
        },
        "cache": {"network_mode": "host", "scale": 2},
    },
    "networks": {"default": {"name": "app_default"}, "proxy": {"name": "proxy", "external": True}},
    "volumes": {"data": {"name": "app_data"}},
    "secrets": {"file": {"file": "/etc/tok"}, "tok": {"content": "hunter2"}},
}
INPUTS = _inputs.Inputs(KEY, "/srv/app", None, "/srv/app/.env", b"", dict)
WANTED = _expected.expected(MODEL, INPUTS)["web"]


def container(**changes: t.Any) -> dict[str, t.Any]:
    """One that is as expected; it does not run, so nothing is seen from inside."""
    parts: dict[str, t.Any] = {
        "image": "sha256:1",
        "env": ["A=1$x", "B=canary", "FIRST=old", "PATH=/bin"],
        "mounts": {
            "/conf": ("bind", "/srv/app/conf", False),
            "/lt": ("bind", "/etc/localtime", True),
            "/data": ("volume", "app_data", True),
            "/anonymous": ("volume", "0123", True),
            "/of-the-image": ("volume", "4567", True),
            "/tmp": ("tmpfs", "", True),
            "/run/secrets/file": ("bind", "/etc/tok", False),
        },
        "networks": ["app_default", "proxy"],
        "label": _inputs.label(KEY, WANTED.inputs),
    }
    parts = {**parts, **changes}
    return {
        "Image": parts["image"],
        "Config": {"Env": parts["env"], "Labels": {_inputs.LABEL: parts["label"]}},
        "State": {"Pid": 0},
        "Mounts": [
            {"Type": kind, "Name" if kind == "volume" else "Source": source, "Destination": target, "RW": rw}
            for target, (kind, source, rw) in parts["mounts"].items()
        ],
        "NetworkSettings": {"Networks": {name: {} for name in parts["networks"]}},
    }


MOUNTS = {mount["Destination"]: mount for mount in container()["Mounts"]}


def mounts(**changes: t.Any) -> dict[str, t.Any]:
    found = {target: (one["Type"], one.get("Name") or one.get("Source"), one["RW"]) for target, one in MOUNTS.items()}
    found.update({f"/{target}": one for target, one in changes.items()})
    return {"mounts": {target: one for target, one in found.items() if one}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"image": "sha256:2"}, ["runs another image than its release was made of"]),
        ({"env": ["A=1$x", "B=", "FIRST=x"]}, ["runs with another value of B"]),
        ({"env": ["A=1$$x"]}, ["runs without B", "runs with another value of A"]),
        ({"env": None}, ["runs without A, B"]),
        (mounts(conf=None), ["mount /conf is not mounted"]),
        (mounts(conf=("bind", "/srv/app/other", False)), ["mount /conf comes from elsewhere"]),
        (mounts(conf=("volume", "/srv/app/conf", False)), ["mount /conf comes from elsewhere"]),
        (mounts(conf=("bind", "/srv/app/conf", True)), ["mount /conf can be written"]),
        (mounts(lt=("bind", "/etc/localtime", False)), ["mount /lt can't be written"]),
        (mounts(data=("volume", "old_data", True)), ["mount /data comes from elsewhere"]),
        (mounts(anonymous=("volume", "other", True)), []),
        ({"networks": ["app_default"]}, ["is not in the network proxy"]),
        ({"networks": ["app_default", "proxy", "other"]}, ["is also in the network other"]),
        ({"label": ""}, ["was made with other secrets, configs or mounted files"]),
        ({"label": "", "env": []}, ["runs without A, B"]),
    ],
)
def test_what_the_engine_shows_otherwise(changes, said):
    wanted = dataclasses.replace(WANTED, image="sha256:1")
    found = _expected.differences(wanted, container(**changes), KEY)
    assert found == said and "canary" not in repr(found)


def test_an_image_that_is_not_known_is_not_compared():
    assert _expected.differences(WANTED, container(image="sha256:2"), KEY) == []


def test_values_are_digests_and_survive_as_json():
    text = json.dumps(WANTED.to_json())
    assert "canary" not in text and "hunter2" not in text
    assert Expected.from_json(json.loads(text)) == WANTED
    assert Expected.from_json({**json.loads(text), "of_a_later_version": 1}) == WANTED
    assert WANTED.environment.keys() == {"A", "B"}
    assert [mount.target for mount in WANTED.mounts if mount.is_own] == ["/run/secrets/file", "/conf"]


def test_a_service_without_networks_of_its_own_and_with_replicas():
    cache = _expected.expected(MODEL, INPUTS)["cache"]
    assert cache.networks is None and cache.replicas == 2
    assert _expected.miscounted(cache, 2) == []
    assert _expected.miscounted(cache, 3) == ["has 3 of 2 containers"]
    assert _expected.miscounted(cache, 0) == ["is missing"]
    assert _expected.miscounted(dataclasses.replace(cache, replicas=0), 0) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"environment": {**WANTED.environment, "A": "x", "C": "x"}}, ["environment A C"]),
        ({"environment": {}}, ["environment A B"]),
        ({"inputs": {**WANTED.inputs, "secret tok": "x", "mount /conf": "x"}}, ["mount /conf", "secret tok"]),
        ({"inputs": {}}, ["mount /conf", "secret file", "secret tok"]),
        ({"mounts": WANTED.mounts[:2]}, ["mount /anonymous", "mount /data", "mount /lt", "mount /tmp"]),
        ({"networks": ["app_default"]}, ["networks"]),
        ({"replicas": 2}, []),
    ],
)
def test_what_a_plan_names(changes, said):
    assert dataclasses.replace(WANTED, **changes).changes(WANTED) == said


@pytest.fixture
def process():
    """A process that stands for a container whose root is the host's."""
    with subprocess.Popen(["sleep", "60"]) as child:
        yield child.pid
        child.kill()


def seen(wanted, pid):
    has = {"State": {"Pid": pid}, "Config": {"Env": [], "Labels": {}}, "Mounts": [], "NetworkSettings": {}, "Image": ""}
    return _expected._seen(wanted, has, KEY)


def own(source, target, what="mount /x"):
    return Expected(mounts=[_expected.Mount(what, "bind", str(source), str(target), True, is_own=True)])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what a container has mounted")
def test_mounted_files_are_the_ones_that_are_there_now(process, tmp_path):
    source, older = tmp_path / "source", tmp_path / "older"
    source.write_text("same")
    older.write_text("same")
    assert seen(own(source, source), process) == []
    assert seen(own(source, older), process) == ["mount /x is an older file"]
    assert seen(own(tmp_path, source, "secret a"), process) == ["secret a is an older folder"]
    assert seen(own(source, tmp_path / "none"), process) == ["mount /x is missing"]
    assert seen(own(tmp_path / "none", source), process) == ["mount /x has no source any more"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what a container has mounted")
def test_copied_files_have_the_content(process, tmp_path):
    path = tmp_path / "copied"
    wanted = Expected(copied=[["secret a", str(path), _inputs.keyed(KEY, b"one".hex())]])
    assert seen(wanted, process) == ["secret a is missing"]
    path.write_text("one")
    assert seen(wanted, process) == []
    path.write_text("two")
    assert seen(wanted, process) == ["secret a has other content"]
    path.unlink()
    path.symlink_to("/dev/zero")
    assert seen(wanted, process) == ["secret a has other content"]


def test_what_ended_is_said_to_have_ended(tmp_path):
    assert seen(own(tmp_path, tmp_path), 2**22 + 1) == [_expected.GONE]
    assert seen(Expected(), 2**22 + 1) == []


def test_who_may_not_look_is_told_so(monkeypatch, tmp_path):
    def refuse(*_args, **_options):
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DeployError, match="Only root can see"):
        seen(own(tmp_path, tmp_path), 1)
