"""Another branch, over a checkout in which somebody was."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from lab.gitops import CONTENT

testinfra_hosts = ["docker://popcon-lab-host-1"]


def test_the_folder_was_brought_to_the_branch(host, result):
    assert host.check_output("git -C /srv/shop log -1 --format=%s") == "Next"
    assert result["after"] == host.check_output("git -C /srv/shop rev-parse HEAD")
    assert (result["ref"], result["tree"]) == ("next", "/srv/shop")
    assert host.file("/srv/shop/new.txt").content_string == "new"


def test_what_is_not_of_the_repository_stays(host):
    file = host.file("/srv/shop/mine.txt")
    assert (file.content_string, file.mode) == ("mine", 0o600)


def test_an_edit_is_overwritten_and_kept_in_the_clone(host):
    assert host.file("/srv/shop/docker-compose.yml").content == (CONTENT / "docker-compose.yml").read_bytes()
    kept = host.check_output("git -C /srv/shop log --all --reflog --format=%H -- docker-compose.yml").split()
    assert "mine" in [host.check_output(f"git -C /srv/shop show {commit}:docker-compose.yml") for commit in kept]


def test_what_check_mode_had_in_the_scratch_folder_is_gone(host):
    assert host.file("/var/tmp/shop/srv").listdir() == []
