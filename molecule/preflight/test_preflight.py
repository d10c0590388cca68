"""A look at a host that has nothing yet."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from lab import seed

testinfra_hosts = ["docker://popcon-lab-host-1"]


def test_what_is_missing_is_no_problem(result):
    assert result["problems"] == []
    assert result["missing"] == ["engine", "compose", "git", "boto3"]
    assert result["distribution"] == {"id": "debian", "version": "13"}


def test_what_could_not_be_checked_without_is_said(result):
    assert {"engine", "compose", "identity", "parameters", "token", "repository"} <= set(result["unchecked"])
    assert not result["up_to_date"]


def test_nothing_was_installed_or_made(host):
    for path in ("/usr/bin/docker", "/usr/bin/git", "/opt/popcon", "/var/lib/popcon", "/root/.docker"):
        assert not host.file(path).exists


def test_nothing_was_written_in_the_account():
    assert seed.client("s3").list_objects_v2(Bucket="popcon-lab-transfer").get("Contents", []) == []
