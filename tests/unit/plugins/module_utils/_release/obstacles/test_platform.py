"""Platforms, against a host that is linux/amd64."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles import platform
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import FAILS


@pytest.fixture(autouse=True)
def binfmt(tmp_path, monkeypatch):
    """Where the kernel lists its emulators."""
    monkeypatch.setattr(platform, "BINFMT", str(tmp_path))
    return tmp_path


def found(look, text):
    return look.found(platform.check, {"services": {"web": {"platform": text}}})


@pytest.mark.parametrize(
    "text", ["linux/amd64", "linux/amd64/v2", "linux", "amd64", "linux/x86_64", "linux/386", "Linux/AMD64"]
)
def test_what_the_host_runs(look, text):
    assert found(look, text) == []


@pytest.mark.parametrize("text", ["linux/arm64", "linux/arm64/v8", "arm64", "linux/s390x", "windows/amd64", "windows"])
def test_what_it_does_not_run_is_refused(look, text):
    ((kind, said),) = found(look, text)
    assert kind is FAILS and f"platform: {text}" in said and "linux/amd64" in said


def test_what_it_emulates(look, binfmt):
    (binfmt / "qemu-aarch64").touch()
    assert found(look, "linux/arm64") == found(look, "linux/aarch64") == []
    assert len(found(look, "linux/riscv64")) == 1


def test_without_a_platform_the_engine_is_not_asked(look):
    assert look.found(platform.check, {"services": {"web": {}}}) == []
    assert look.engine.asked == []
