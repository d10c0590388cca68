"""The repository's main branch, with a token that the host reads itself."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from lab import state
from lab.gitops import CONTENT

testinfra_hosts = ["docker://popcon-lab-host-1"]
PLACE = "/opt/popcon/app"


def test_the_files_are_those_of_the_repository(host):
    for path in CONTENT.rglob("*"):
        if path.is_file():
            file = host.file(f"{PLACE}/{path.relative_to(CONTENT)}")
            assert file.content == path.read_bytes()
            assert (file.user, file.group) == ("root", "root")


def test_the_commit_is_that_of_the_branch(host, result):
    assert result["after"] == host.check_output(f"git -C {PLACE} rev-parse HEAD")
    assert (result["tree"], result["changed_files"], result["local_edits"]) == (PLACE, [], [])
    assert host.check_output(f"git -C {PLACE} status --porcelain") == ""


def test_the_token_is_nowhere_on_the_host(host):
    token = state.load_secrets()["git_token"]
    # Not on a command line either; this one reads it.
    found = host.run("grep -rlF --devices=skip %s /opt /root /var/lib /var/tmp /tmp /etc /home", token)
    assert (found.rc, found.stdout) == (1, "")
