"""What a commit tracks, by git's ids."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git.tracked import tracked
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import git


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    clone = tmp_path / "clone"
    (clone / "a b").mkdir(parents=True)
    git(clone, "init", "-q")
    (clone / "a b/ü").write_text("one\n")
    (clone / "run").write_text("")
    (clone / "run").chmod(0o755)
    (clone / "link").symlink_to("a b/ü")
    (clone / "two\nlines").symlink_to("run\n")
    (clone / "folder").symlink_to("a b")
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "x")
    return clone


def test_ids_modes_and_links_of_a_commit(clone):
    commit = git(clone, "rev-parse", "HEAD")
    (clone / "untracked").write_text("x")
    (clone / "run").write_text("edited")
    found = tracked(str(clone), commit, str(clone))
    assert found.links == {
        f"{clone}/link": "a b/ü",
        f"{clone}/two\nlines": "run\n",
        f"{clone}/folder": "a b",
    }
    assert found.ids.keys() == {f"{clone}/{name}" for name in ("a b/ü", "run", "link", "two\nlines", "folder")}
    assert found.ids[f"{clone}/run"] == "100755 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_the_files_of_a_commit_that_the_clone_does_not_have_yet_give_the_same(clone, tmp_path):
    commit = git(clone, "rev-parse", "HEAD")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    found = tracked(str(other), commit, str(clone))
    same = tracked(str(clone), commit, str(clone))
    assert {path.replace(str(other), str(clone)): one for path, one in found.ids.items()} == same.ids
    assert {path.replace(str(other), str(clone)): one for path, one in found.links.items()} == same.links


def test_a_commit_that_is_nowhere(clone):
    with pytest.raises(DeployError, match=r"The files of commit 0{40} in .* are not known"):
        tracked(str(clone), "0" * 40, str(clone))
