"""The commit that a ref stands for, with and without the repository."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.repository import commit_of
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Remote, client, git


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path / "served")


def test_the_commit_of_a_ref(remote, tmp_path):
    commit = remote.commit({"a": "1"})
    branch = remote.commit({"a": "2"}, branch="feature")
    ours = client(tmp_path / "home", remote.url)
    assert commit_of(ours, "main", None) == commit
    assert commit_of(ours, "feature", str(tmp_path / "absent")) == branch
    assert commit_of(ours, "f" * 40, None) == "f" * 40
    assert commit_of(ours, commit[:9], None) is None
    with pytest.raises(DeployError, match="Did you mean main"):
        commit_of(ours, "mian", None)


def test_a_commit_that_was_there_before_needs_no_repository(remote, tmp_path):
    old = remote.commit({"a": "1"})
    ours = client(tmp_path / "home", remote.url)
    folder = str(tmp_path / "app")
    checkout.synchronise(ours, "main", folder, str(tmp_path / "preview"), False)
    new = remote.commit({"a": "2"})
    # In the clone, but never checked out: it may be anybody's.
    foreign = git(tmp_path / "app", "commit-tree", "-m", "by hand", "HEAD^{tree}")
    remote.path.rename(tmp_path / "gone")
    assert commit_of(ours, old, folder) == old
    for ref, where in ((new, folder), (foreign, folder), (old, None), ("main", folder)):
        with pytest.raises(DeployError, match="there is no such repository"):
            commit_of(ours, ref, where)
