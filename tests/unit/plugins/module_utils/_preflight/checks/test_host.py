"""What a host has, read from what its programs and files say."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import host


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
