"""A look at a host that has all, before the first deploy of another project."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from lab import config, seed

testinfra_hosts = ["docker://popcon-lab-host-1"]


def test_nothing_is_in_the_way(result):
    assert (result["problems"], result["missing"], result["unchecked"]) == ([], [], [])
    assert result["engine"] and result["compose"]


def test_the_host_is_who_it_should_be_and_may_what_it_must(result):
    assert f"assumed-role/{config.HOST_ROLE}/" in result["identity"]
    there = {name for name in seed.parameters() if name.startswith("/popcon/")}
    assert set(result["parameters"]) == there
    # Without a login that was stored, it sees only that one could be had.
    assert result["logged_in"] is False


def test_the_commit_is_known_and_wanted(result):
    assert len(result["commit"]) == 40
    assert not result["up_to_date"]


def test_nothing_was_made(host):
    for path in ("/srv/shop", "/var/lib/shop", "/root/.docker"):
        assert not host.file(path).exists
