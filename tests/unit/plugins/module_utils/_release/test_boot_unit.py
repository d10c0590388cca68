"""The unit that finishes a release at boot; systemd's own reading of it is seen in the lab."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release import boot_unit


@pytest.fixture
def units(tmp_path, monkeypatch):
    monkeypatch.setattr(boot_unit, "UNITS", str(tmp_path))
    monkeypatch.setattr(boot_unit, "BOOTED", str(tmp_path))
    return tmp_path


def test_armed_twice_and_disarmed(units):
    resume = boot_unit.BootUnit("app")
    resume.arm(["/bin/true", "first"])
    resume.arm(["/bin/true", "second"])
    link = units / "multi-user.target.wants" / "popcon-resume-app.service"
    assert 'ExecStart="/bin/true" "second"\n' in link.read_text()
    resume.disarm()
    resume.disarm()
    assert [path.name for path in units.rglob("*")] == ["multi-user.target.wants"]


def test_nothing_without_systemd(units, monkeypatch):
    monkeypatch.setattr(boot_unit, "BOOTED", str(units / "none"))
    boot_unit.BootUnit("app").arm(["/bin/true"])
    assert list(units.iterdir()) == []


def test_whatever_is_in_a_path_is_no_syntax():
    text = boot_unit.unit_text("x", ["/bin/a b", "%n$HOME", 'q"uote\\'])
    assert 'ExecStart="/bin/a b" "%%n$$HOME" "q\\"uote\\\\"\n' in text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(units):
    (units / "x.service").write_text(
        boot_unit.unit_text("x.service", ["/bin/true", "%$ x"]).replace("docker.service", "x.target")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", str(units / "x.service")], capture_output=True, text=True, check=False
    )
    assert "ExecStart" not in done.stderr and "Unbalanced" not in done.stderr
