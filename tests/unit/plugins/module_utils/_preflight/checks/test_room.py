"""Whether a file system has room, and which ones are looked at."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import types

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import room
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Found, Look


def file_system(free, files_free, files=1000):
    """What statvfs says: blocks of 1024 bytes, a tenth more of which are free for root alone."""
    return os.statvfs_result((4096, 1024, 10**9, free * 11 // 10, free, files, files_free + 1, files_free, 0, 255))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (file_system(2048, 50), None),
        (file_system(2047, 50), "/ has 0.0 GB free, and 0.0 GB are needed. Make room"),
        (file_system(2048, 49), "/ has inodes for 49 more files, and 50 are needed. Make room"),
        (file_system(2048, 0, files=0), None),
    ],
)
def test_room(monkeypatch, found, words):
    asked = []
    monkeypatch.setattr(room.os, "statvfs", lambda path: asked.append(path) or found)
    with pytest.raises(DeployError, match=words) if words else contextlib.nullcontext():
        room.refuse_smaller("/not-there/at-all", 2048 * 1024, 50)
    assert asked == ["/"]


def test_room_of_a_folder_that_is_there(tmp_path):
    room.refuse_smaller(str(tmp_path), 1, 1)
    with pytest.raises(DeployError, match=f"{tmp_path} has "):
        room.refuse_smaller(str(tmp_path), 2**62, 1)


def test_room_of_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeployError, match=f"{tmp_path} has "):
        room.refuse_smaller("not-there/at-all", 2**62, 1)


class Engine:
    """An engine that keeps its files in a folder, or does not answer."""

    folder = "/engine"

    def data_folder(self):
        if self.folder is None:
            raise DeployError("The Docker Engine does not answer at /run/x.")
        return self.folder


@pytest.fixture
def asked(monkeypatch):
    """What room is looked for, as (folder, bytes, files)."""
    asked = []
    monkeypatch.setattr(room, "refuse_smaller", lambda *found: asked.append(found))
    monkeypatch.setattr(room, "Engine", Engine)
    return asked


def host(**found):
    """A look at a host of which this was found."""
    return Look(types.SimpleNamespace(params={"project_dir": "/opt/app", "min_free_gb": 0.5}), Found(**found))


@pytest.mark.parametrize(
    ("found", "folder"),
    [
        ({"engine": "26.1.5", "daemon_config": {"data-root": "/data"}}, "/engine"),
        ({"daemon_config": {"data-root": "/data"}}, "/data"),
        ({}, "/var/lib/docker"),
    ],
)
def test_room_is_looked_for_where_the_engine_is_or_will_be(asked, found, folder):
    room.check_docker(host(**found))
    room.check_project(host(**found))
    assert asked == [
        (folder, 512 * 1024**2, room.DOCKER_FILES),
        ("/opt/app", room.PROJECT_BYTES, room.PROJECT_FILES),
    ]


def test_an_engine_that_does_not_say_where_is_a_problem_of_its_own(asked, monkeypatch):
    monkeypatch.setattr(Engine, "folder", None)
    look = host(engine="26.1.5", daemon_config={"data-root": "/data"})
    room.check_docker(look)
    assert look.findings.problems == ["The Docker Engine does not answer at /run/x."]
    assert asked[0][0] == "/data"
