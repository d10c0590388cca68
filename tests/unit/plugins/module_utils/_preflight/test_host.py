"""What a host has, read from what its programs and files say, and when that is too old or too little."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight import host


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n', {"id": "debian", "version": "13"}),
        ('ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n', {"id": "amzn", "version": "2023"}),
        ("ID=arch\n", {"id": "arch", "version": ""}),
        ("", {"id": "unknown", "version": ""}),
    ],
)
def test_distribution(text, found):
    assert host.distribution(text) == found


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo 26.1.5+dfsg1", "26.1.5"),
        ("echo 2.26.1-4", "2.26.1"),
        ("echo git version 2.47.3", "2.47.3"),
        ("echo 26.1.5; exit 1", None),
        ("echo nothing", None),
    ],
)
def test_version_of(tmp_path, monkeypatch, script, version):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert host.version_of("program", "--version") == version


def test_version_of_a_program_that_is_not_there():
    assert host.version_of("no-such-program-anywhere") is None


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_broken_daemon_config_is_not_taken_for_an_empty_one(tmp_path, text):
    path = tmp_path / "daemon.json"
    assert host.daemon_config(str(path)) == {}
    path.write_text(text)
    with pytest.raises(DeployError, match=f"{path} is no valid JSON object: mend it"):
        host.daemon_config(str(path))
    path.write_text('{"data-root": "/data"}')
    assert host.data_folder(host.daemon_config(str(path))) == "/data"


@pytest.mark.parametrize(
    ("found", "fine"),
    [("20.10", True), ("20.10.24", True), ("26.1.5", True), ("20.9.9", False), ("19.03.1", False), ("9.1", False)],
)
def test_age(found, fine):
    problem = host.age_problem("Docker Engine", found, host.MINIMUM_ENGINE)
    assert problem is None if fine else f"Docker Engine is {found} on this host, and 20.10" in problem


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
    monkeypatch.setattr(host.os, "statvfs", lambda path: asked.append(path) or found)
    problem = host.room_problem("/not-there/at-all", 2048 * 1024, 50)
    assert asked == ["/"]
    assert problem is None if words is None else words in problem


def test_room_of_a_folder_that_is_there(tmp_path):
    assert host.room_problem(str(tmp_path), 1, 1) is None
    assert f"{tmp_path} has " in host.room_problem(str(tmp_path), 2**62, 1)


def test_room_of_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path} has " in host.room_problem("not-there/at-all", 2**62, 1)


@pytest.mark.parametrize(
    ("ahead", "problem", "warning"),
    [
        (0, None, None),
        (-60, None, None),
        (61, None, "61 s ahead of AWS's"),
        (-61, None, "61 s behind AWS's"),
        (300, None, "300 s ahead of"),
        (301, "301 s ahead of AWS's, and from 300 s on AWS refuses", None),
        (-86400, "86400 s behind AWS's", None),
    ],
)
def test_clock(ahead, problem, warning):
    for said, words in zip(host.clock_verdict(ahead), (problem, warning)):
        assert said is None if words is None else words in said
