"""Checkouts by real git from a real repository, over the file transport."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout as _checkout
from ansible_collections.popcon.deploy.plugins.module_utils._git import clone
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Held, Remote, client, content, git, snapshot

FIRST = {
    "docker-compose.yml": "one",
    "nginx/default.conf": "server",
    "keep/a": "a",
    "gone/x": "x",
    "d": "file",
    "e/f": "f",
}
# Changes a file, renames the only file of a folder, removes a folder, makes a file a folder and a folder a file.
SECOND: dict[str, str | None] = {
    "docker-compose.yml": "two", "nginx/default.conf": None, "nginx/site.conf": "server", "gone/x": None,
    "d/x": "1", "e": "e",
}  # fmt: skip

Checkout = t.Callable[..., "dict[str, t.Any]"]


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    made = Remote(tmp_path / "remote")
    made.commit(dict(FIRST))
    return made


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "opt" / "app"


@pytest.fixture
def checkout(tmp_path: Path, remote: Remote, dest: Path) -> Checkout:
    def run(
        ref: str = "main",
        check: bool = False,
        url: str | None = None,
        stage: bool = False,
        written: t.Sequence[str] = (),
    ) -> dict[str, t.Any]:
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
        git = client(tmp_path / "home", url or remote.url)
        return _checkout.synchronise(git, ref, str(dest), str(preview), check, stage, written)

    preview = tmp_path / "preview"
    return run


def test_first_checkout_and_nothing_after(checkout: Checkout, remote: Remote, dest: Path) -> None:
    head = git(remote.work, "rev-parse", "HEAD")
    first = checkout()
    assert first == {
        "before": None, "after": head, "changed": True, "changed_files": sorted(FIRST), "local_edits": [],
        "local_edits_commit": None, "recovered": [], "tree": str(dest),
    }  # fmt: skip
    assert content(dest) == FIRST
    assert git(dest, "status", "--porcelain") == ""
    assert git(dest, "rev-parse", "HEAD") == head
    assert checkout() == {**first, "before": head, "changed": False, "changed_files": []}


def test_update_keeps_inodes_and_untracked_files(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    (dest / ".env").write_text("SECRET=1")
    (dest / "gone" / "mine").write_text("mine")
    held = Held(dest, ".", "nginx", "keep", "keep/a", ".env", "docker-compose.yml")
    commit = remote.commit(SECOND)
    done = checkout()
    assert done["after"] == commit
    assert done["changed_files"] == [
        "d",
        "d/x",
        "docker-compose.yml",
        "e",
        "e/f",
        "gone/x",
        "nginx/default.conf",
        "nginx/site.conf",
    ]
    assert content(dest) == {**remote.files(commit), ".env": "SECRET=1", "gone/mine": "mine"}
    assert [name for name in held.open if held.same(name)] == [".", "nginx", "keep", "keep/a", ".env"]
    assert not held.same("docker-compose.yml")


def test_folder_that_lost_all_files_goes(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    remote.commit({"gone/x": None})
    checkout()
    assert not (dest / "gone").exists()


@pytest.mark.parametrize("lost", ["index", "HEAD", "objects", "config", "refs"])
def test_broken_clone_is_made_anew_in_place(checkout: Checkout, remote: Remote, dest: Path, lost: str) -> None:
    checkout()
    (dest / ".env").write_text("SECRET=1")
    held = Held(dest, ".", "keep", "keep/a", "docker-compose.yml")
    commit = remote.commit({"gone/x": None, "docker-compose.yml": "two"})
    path = dest / ".git" / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    done = checkout()
    assert content(dest) == {**remote.files(commit), ".env": "SECRET=1"}
    assert held.same(".")
    assert held.same("keep")
    assert held.same("keep/a")
    assert bool(done["recovered"]) == (lost != "index")
    assert git(dest, "status", "--porcelain") == "?? .env"
    assert checkout()["changed"] is False


@pytest.mark.parametrize(
    "kind", ["empty folder", "file", "link", "garbage", "missing object", "corrupt object", "corrupt index"]
)
def test_other_breakage(checkout: Checkout, remote: Remote, dest: Path, kind: str) -> None:
    commit = checkout()["after"]
    (dest / ".env").write_text("SECRET=1")
    held = Held(dest, ".", "keep/a")
    git_dir = dest / ".git"
    blob = git(dest, "rev-parse", "HEAD:docker-compose.yml")
    for pack in (git_dir / "objects" / "pack").glob("*.pack"):
        moved = pack.rename(git_dir / "moved")
        git(dest, "unpack-objects", "-q", input=None, stdin=moved.open("rb"))
    loose = git_dir / "objects" / blob[:2] / blob[2:]
    if kind in ("empty folder", "file", "link"):
        git_dir.rename(dest.parent / "away")
    if kind == "empty folder":
        git_dir.mkdir()
    elif kind == "file":
        git_dir.write_text("gitdir: /nowhere\n")
    elif kind == "link":
        git_dir.symlink_to(dest.parent / "away")
    elif kind == "garbage":
        (git_dir / "HEAD").write_bytes(b"\0" * 41)
        (git_dir / "index").write_bytes(os.urandom(64))
    elif kind == "missing object":
        loose.unlink()
    elif kind == "corrupt object":
        loose.chmod(0o600)
        loose.write_bytes(b"rubbish")
        (dest / "docker-compose.yml").write_text("edited, so that the object is needed")
    else:
        (git_dir / "index").write_bytes(b"rubbish")
    done = checkout()
    assert done["after"] == commit
    assert content(dest) == {**FIRST, ".env": "SECRET=1"}
    assert held.same(".")
    assert held.same("keep/a")
    assert checkout()["changed"] is False


def test_stale_locks_go(checkout: Checkout, dest: Path) -> None:
    checkout()
    (dest / ".git" / "index.lock").touch()
    (dest / ".git" / "refs" / "heads" / "x.lock").touch()
    assert checkout(check=True)["changed"] is True
    assert (dest / ".git" / "index.lock").exists()
    done = checkout()
    assert sorted(done["recovered"]) == [
        ".git/index.lock, left by a killed git, is removed",
        ".git/refs/heads/x.lock, left by a killed git, is removed",
    ]
    assert checkout()["changed"] is False


def test_local_edits_are_named_kept_and_overwritten(checkout: Checkout, remote: Remote, dest: Path) -> None:
    before = checkout()["after"]
    (dest / "docker-compose.yml").write_text("hotfix")
    (dest / "keep" / "a").unlink()
    (dest / "e" / "f").chmod(0o755)
    remote.commit({"docker-compose.yml": "two"})
    planned = checkout(check=True)
    done = checkout()
    assert planned["local_edits"] == done["local_edits"] == ["docker-compose.yml", "e/f", "keep/a"]
    assert planned["local_edits_commit"] is None
    kept = done["local_edits_commit"]
    assert git(dest, "show", f"{kept}:docker-compose.yml") == "hotfix"
    assert git(dest, "rev-parse", f"{kept}^") == before
    assert git(dest, "diff", "--name-status", before, kept).split() == [
        "M",
        "docker-compose.yml",
        "M",
        "e/f",
        "D",
        "keep/a",
    ]
    assert content(dest) == {**FIRST, "docker-compose.yml": "two"}
    assert os.stat(dest / "e" / "f").st_mode & 0o111 == 0


def test_edit_of_same_size_and_time_is_seen(checkout: Checkout, dest: Path) -> None:
    checkout()
    path = dest / "docker-compose.yml"
    times = os.stat(path)
    path.write_text("eno")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert checkout()["local_edits"] == ["docker-compose.yml"]
    assert path.read_text() == "one"


def test_force_push(checkout: Checkout, remote: Remote, dest: Path) -> None:
    first = checkout()["after"]
    second = remote.commit({"docker-compose.yml": "two", "new": "n"})
    checkout()
    git(remote.work, "reset", "-q", "--hard", first)
    third = remote.commit({"docker-compose.yml": "three"})
    done = checkout()
    assert (done["before"], done["after"]) == (second, third)
    assert content(dest) == {**FIRST, "docker-compose.yml": "three"}


def test_kinds_of_refs(checkout: Checkout, remote: Remote, dest: Path) -> None:
    first = git(remote.work, "rev-parse", "HEAD")
    git(remote.work, "tag", "-a", "-m", "x", "v1.0")
    second = remote.commit({"docker-compose.yml": "two"})
    git(remote.work, "tag", "v2.0")
    git(remote.work, "push", "-q", "--tags")
    third = remote.commit({"docker-compose.yml": "three"}, branch="feature/한글")
    wanted = [
        ("v1.0", first), ("v2.0", second), ("main", second), ("feature/한글", third), (first, first),
        (second[:7], second),
        ("refs/heads/main", second), ("refs/tags/v1.0", first), (third, third),
    ]  # fmt: skip
    for ref, commit in wanted:
        assert checkout(ref)["after"] == commit
        assert content(dest) == remote.files(commit)


def test_unknown_refs_leave_all_alone(checkout: Checkout, remote: Remote, dest: Path) -> None:
    with pytest.raises(DeployError, match=r"no branch or tag mian. Did you mean main"):
        checkout("mian")
    with pytest.raises(DeployError, match="holds the commit " + "1" * 40):
        checkout("1" * 40)
    with pytest.raises(DeployError, match="holds the commit 1234567"):
        checkout("1234567")
    assert not dest.exists()


def test_commit_on_no_branch_is_refused(checkout: Checkout, remote: Remote, dest: Path) -> None:
    hidden = remote.commit({"docker-compose.yml": "from a fork"}, branch="hidden")
    git(remote.path, "update-ref", "refs/pull/1/head", hidden)
    git(remote.path, "update-ref", "-d", "refs/heads/hidden")
    with pytest.raises(DeployError, match="No branch or tag"):
        checkout(hidden)
    assert not dest.exists()


def test_deployed_commit_needs_no_remote(checkout: Checkout, remote: Remote, dest: Path) -> None:
    first = checkout()["after"]
    remote.commit({"docker-compose.yml": "two"})
    checkout()
    shutil.rmtree(remote.path)
    assert checkout(first)["after"] == first
    assert content(dest) == FIRST
    with pytest.raises(DeployError, match="no such repository"):
        checkout("main")


def test_unreachable_leaves_all_alone(checkout: Checkout, dest: Path, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"nowhere.git can't be read: there is no such repository"):
        checkout(url=f"file://{tmp_path}/nowhere.git")
    assert not dest.exists()


def test_empty_repository(checkout: Checkout, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    with pytest.raises(DeployError, match="is empty"):
        checkout(url=f"file://{tmp_path}/empty.git")


def test_another_repository(checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path) -> None:
    checkout()
    other = Remote(tmp_path / "other")
    commit = other.commit({"docker-compose.yml": "other"})
    done = checkout(url=other.url)
    assert done["recovered"] == [f"the clone was of {remote.url}: it is of {other.url} now"]
    assert content(dest) == other.files(commit)
    assert git(dest, "config", "remote.origin.url") == other.url


def test_clone_of_an_operator_is_taken_over(checkout: Checkout, remote: Remote, dest: Path) -> None:
    dest.parent.mkdir()
    git(dest.parent, "clone", "-q", "--depth", "1", remote.url, "app")
    marker = dest.parent / "ran"
    hook = dest / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    git(dest, "config", "core.fsmonitor", f"touch {marker};")
    git(dest, "config", "remote.origin.url", "https://x:s3cret@git.example/app.git")
    held = Held(dest, ".", "keep/a")
    first = git(remote.work, "rev-parse", "HEAD")
    remote.commit({"docker-compose.yml": "two"})
    done = checkout()
    opened, *recovered = done["recovered"]
    assert opened == ".git was open to other users: it is its owner's alone"
    assert recovered == [f"the clone was of https://git.example/app.git: it is of {remote.url} now"]
    assert held.same("keep/a")
    assert not marker.exists()
    assert "s3cret" not in (dest / ".git" / "config").read_text()
    assert checkout(first[:8])["after"] == first


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_clone_of_another_user(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    for path in (dest, *dest.rglob("*")):
        os.chown(path, 12345, 12345)
    remote.commit({"docker-compose.yml": "two"})
    assert checkout()["changed_files"] == ["docker-compose.yml"]


def test_folder_with_files(checkout: Checkout, dest: Path) -> None:
    dest.mkdir(parents=True)
    (dest / ".env").write_text("SECRET=1")
    (dest / "d").write_text("file")
    (dest / "docker-compose.yml").write_text("mine")
    held = Held(dest, ".", "d", ".env")
    with pytest.raises(DeployError, match=r"wanted commit has others: docker-compose.yml. Nothing was changed"):
        checkout()
    assert sorted(os.listdir(dest)) == [".env", "d", "docker-compose.yml"]
    (dest / "docker-compose.yml").unlink()
    assert checkout()["changed"] is True
    assert content(dest) == {**FIRST, ".env": "SECRET=1"}
    assert all(held.same(name) for name in held.open)


@pytest.mark.parametrize(
    ("mine", "named"), [("new", "new"), ("new/mine", "new/mine"), ("folder", "folder"), (".env", ".env")]
)
def test_untracked_file_in_the_way(checkout: Checkout, remote: Remote, dest: Path, mine: str, named: str) -> None:
    before = checkout()["after"]
    (dest / mine).parent.mkdir(exist_ok=True)
    (dest / mine).write_text("mine")
    remote.commit({"new": "n", "folder/file": "f", ".env": "committed by mistake"})
    for check in (True, False):
        with pytest.raises(DeployError, match=f"others: {named}. Nothing was changed"):
            checkout(check=check)
    assert content(dest) == {**FIRST, mine: "mine"}
    assert git(dest, "rev-parse", "HEAD") == before


def test_empty_folder_that_docker_made_is_no_obstacle(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    (dest / "redis.conf").mkdir()
    remote.commit({"redis.conf": "r"})
    checkout()
    assert (dest / "redis.conf").read_text() == "r"


def test_links_are_not_followed(checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path) -> None:
    checkout()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("outside")
    shutil.rmtree(dest / "gone")
    (dest / "gone").symlink_to(outside)
    remote.commit({"gone/x": None})
    checkout()
    assert content(outside) == {"x": "outside"}
    shutil.rmtree(dest / "nginx")
    (dest / "nginx").symlink_to(outside)
    with pytest.raises(DeployError, match=r"others: nginx. Nothing was changed"):
        checkout()
    assert content(outside) == {"x": "outside"}
    link = tmp_path / "link"
    link.symlink_to(dest)
    with pytest.raises(DeployError, match="is not a folder"):
        _checkout.synchronise(client(tmp_path / "home2", remote.url), "main", str(link), str(tmp_path / "p"), False)


def test_check_tells_and_changes_nothing(checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path) -> None:
    preview = tmp_path / "preview"
    planned = checkout(check=True)
    assert (planned["before"], planned["tree"], dest.exists()) == (None, str(preview), False)
    assert content(preview) == FIRST
    assert not list(preview.rglob(".git*"))
    assert preview.stat().st_mode & 0o777 == 0o700
    done = checkout()
    assert done == {**planned, "tree": str(dest)}
    assert not preview.exists()

    assert checkout(check=True)["tree"] == str(dest)
    remote.commit(SECOND)
    (dest / ".env").write_text("SECRET=1")
    seen = snapshot(dest)
    planned = checkout(check=True)
    assert snapshot(dest) == seen
    assert content(preview) == remote.files("HEAD")
    assert checkout() == {**planned, "tree": str(dest)}


def test_second_run_waits(checkout: Checkout, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout()
    monkeypatch.setattr(clone, "LOCK_WAIT_SECONDS", 0.3)
    descriptor = os.open(dest, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(DeployError, match="Another run is updating"):
        checkout()
    os.close(descriptor)
    assert checkout()["changed"] is False


def test_git_that_outlives_a_killed_run_keeps_the_lock(
    checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path
) -> None:
    checkout()
    git = client(tmp_path / "home2", remote.url)
    with clone.locked(git, str(dest)):
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=git.kept_fds)
    descriptor = os.open(dest, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        orphan.kill()
        orphan.wait()
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


MUTATIONS = ("subprocess.Popen", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.move", "shutil.rmtree")


def killed_at(point: int, run: t.Callable[[], t.Any]) -> bool:
    """Run in a child that is killed when it is about to do its O(point)th change; whether it came so far."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, _args: t.Any) -> None:
            nonlocal seen
            if event in MUTATIONS:
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        with contextlib.suppress(BaseException):
            run()
            os._exit(0)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("state", ["nothing", "a checkout", "a broken clone", "a staged commit"])
def test_killed_anywhere_the_next_run_completes(
    checkout: Checkout,
    remote: Remote,
    dest: Path,
    state: str,
    every: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At every step, or every so many. What git was writing when it was killed with the rest is half there."""
    saved = dest.parent / "saved"
    if state != "nothing":
        checkout()
    else:
        dest.mkdir(parents=True)
    (dest / ".env").write_text("SECRET=1")
    if state == "a broken clone":
        shutil.rmtree(dest / ".git" / "objects")
    commit = remote.commit(SECOND)
    run = checkout
    if state == "a staged commit":
        checkout(stage=True)
        remote.path.rename(tmp_path / "away")
        # A killed run can't remove its temporary folder.
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        run = functools.partial(_checkout.switch, str(dest), commit)
    shutil.copytree(dest, saved, symlinks=True)
    wanted = {**remote.files(commit), ".env": "SECRET=1"}
    point = 0
    came_so_far = True
    while came_so_far:
        point += every
        for entry in dest.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(saved, dest, symlinks=True, dirs_exist_ok=True)
        held = Held(dest, ".", ".env")
        came_so_far = killed_at(point, run)
        assert (dest / ".env").read_text() == "SECRET=1"
        writing = (dest / ".git" / clone.TARGET).exists() and (dest / ".git" / "HEAD").read_text().strip() != commit
        if writing and (dest / "nginx").is_dir():
            (dest / "nginx" / "site.conf").write_text("ser")
        done = run()
        assert content(dest) == wanted, point
        assert done["after"] == commit
        if state != "a broken clone":
            assert done["local_edits"] == [], point
        assert held.same(".")
        assert held.same(".env")
        assert git(dest, "status", "--porcelain") == "?? .env"
        assert not list((dest / ".git").glob("popcon-*"))
        assert run()["changed"] is False
    assert point > 15


def files_and_git_state(dest: Path) -> dict[str, t.Any]:
    """What stat says of the folder and all in it, but for .git's own files, and what git calls the index and HEAD."""
    below = {path: said for path, said in snapshot(dest).items() if ".git" not in Path(path).parts}
    git_files = [dest / ".git" / name for name in ("index", "HEAD", "logs/HEAD")]
    return {**below, ".": dest.stat().st_mtime_ns, "git": [(path.read_bytes(), path.stat()) for path in git_files]}


def collect_garbage(dest: Path) -> None:
    """As `git gc` does once HEAD's log has expired."""
    git(dest, "reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
    git(dest, "gc", "-q", "--prune=now")


def test_staging_leaves_all_alone(checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path) -> None:
    preview = tmp_path / "preview"
    before = checkout()["after"]
    (dest / ".env").write_text("SECRET=1")
    (dest / "keep" / "a").write_text("hotfix")
    commit = remote.commit(SECOND)
    seen = files_and_git_state(dest)
    planned = checkout(check=True)
    staged = checkout(stage=True)
    assert files_and_git_state(dest) == seen
    assert staged == {**planned, "tree": None}
    assert (staged["before"], staged["after"], staged["changed"]) == (before, commit, True)
    assert (staged["local_edits"], staged["local_edits_commit"]) == (["keep/a"], None)
    assert not list((dest / ".git").glob("popcon-*"))
    assert not preview.exists()

    shutil.rmtree(remote.path)
    assert checkout(commit, stage=True) == staged
    assert files_and_git_state(dest) == seen
    done = _checkout.switch(str(dest), commit)
    assert done == {**staged, "tree": str(dest), "local_edits_commit": done["local_edits_commit"]}
    assert git(dest, "show", f"{done['local_edits_commit']}:keep/a") == "hotfix"
    assert content(dest) == {**remote.files(commit), ".env": "SECRET=1"}
    assert git(dest, "status", "--porcelain") == "?? .env"


def test_staging_twice_then_in_place(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    remote.commit(SECOND)
    checkout(stage=True)
    newer = remote.commit({"docker-compose.yml": "three", "e": None})
    staged = checkout(stage=True)
    assert (staged["after"], staged["changed"]) == (newer, True)
    assert checkout() == {**staged, "tree": str(dest)}
    assert content(dest) == remote.files(newer)
    assert checkout(stage=True)["changed"] is False


def test_staging_in_check_mode_is_check_mode(checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path) -> None:
    checkout()
    commit = remote.commit(SECOND)
    seen = snapshot(dest)
    planned = checkout(check=True, stage=True)
    assert snapshot(dest) == seen
    assert planned["tree"] == str(tmp_path / "preview")
    assert content(tmp_path / "preview") == remote.files(commit)
    assert not _checkout.has(str(dest), commit)


def test_what_is_not_staged(checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path) -> None:
    """The first checkout, a clone to be made anew, and a commit that changes no file."""
    first = checkout(stage=True)
    assert (first["tree"], content(dest)) == (str(dest), FIRST)
    empty = remote.commit({})
    moved = checkout(stage=True)
    assert (moved["tree"], moved["changed"], moved["changed_files"]) == (str(dest), True, [])
    assert _checkout.head(str(dest)) == empty
    shutil.rmtree(dest / ".git" / "objects")
    commit = remote.commit({"docker-compose.yml": "two"})
    assert checkout(stage=True)["tree"] == str(dest)
    assert content(dest) == remote.files(commit)
    shutil.rmtree(dest / ".git")
    assert checkout(stage=True)["changed_files"] == []
    assert not (tmp_path / "preview").exists()


def test_staging_refuses_what_would_be_overwritten(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    (dest / "new").write_text("mine")
    commit = remote.commit({"new": "n"})
    with pytest.raises(DeployError, match=r"others: new. Nothing was changed"):
        checkout(stage=True)
    with pytest.raises(DeployError, match=r"others: new. Nothing was changed"):
        _checkout.switch(str(dest), commit)
    assert (dest / "new").read_text() == "mine"


def test_staging_goes_on_after_a_stopped_run(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    second = remote.commit({"docker-compose.yml": "two", "keep/a": "b"})
    checkout(stage=True)
    (dest / ".git" / clone.TARGET).write_text(f"{second}\n")
    (dest / "docker-compose.yml").write_text("tw")
    third = remote.commit({"docker-compose.yml": "three"})
    staged = checkout(stage=True)
    assert staged["recovered"] == [f"an earlier run was stopped on its way to {second}"]
    assert staged["local_edits"] == []
    assert (dest / "docker-compose.yml").read_text() == "tw"
    done = _checkout.switch(str(dest), third)
    assert (done["recovered"], done["local_edits"]) == (staged["recovered"], [])
    assert content(dest) == remote.files(third)


def test_switch_to_and_fro_without_the_remote(checkout: Checkout, remote: Remote, dest: Path) -> None:
    first = checkout()["after"]
    held = Held(dest, ".", "nginx", "keep", "keep/a")
    second = remote.commit(SECOND)
    checkout()
    shutil.rmtree(remote.path)
    done = _checkout.switch(str(dest), first)
    assert (done["before"], done["after"], done["tree"]) == (second, first, str(dest))
    assert "nginx/default.conf" in done["changed_files"]
    assert content(dest) == FIRST
    assert git(dest, "status", "--porcelain") == ""
    assert all(held.same(name) for name in held.open)
    assert _checkout.switch(str(dest), first)["changed"] is False
    assert not list((dest / ".git").glob("popcon-*"))
    _checkout.switch(str(dest), second)
    assert content(dest) == remote.files(second)
    assert git(dest, "config", "remote.origin.url") == remote.url


def test_export_gives_the_files_of_any_commit_and_leaves_the_clone_alone(
    checkout: Checkout, remote: Remote, dest: Path, tmp_path: Path
) -> None:
    first = checkout()["after"]
    second = remote.commit(SECOND)
    checkout(stage=True)
    before = {path: path.stat().st_mtime_ns for path in dest.rglob("*")}
    for commit in (second, first):
        _checkout.export(str(dest), commit, str(tmp_path / "out"))
        assert content(tmp_path / "out") == remote.files(commit)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert {path: path.stat().st_mtime_ns for path in dest.rglob("*")} == before
    with pytest.raises(DeployError, match="is not in the clone"):
        _checkout.export(str(dest), "0" * 40, str(tmp_path / "out"))


def test_switch_writes_for_other_users(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    commit = remote.commit({"new/file": "n"})
    checkout(stage=True)
    umask = os.umask(0o077)
    try:
        _checkout.switch(str(dest), commit)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)
    assert [(dest / name).stat().st_mode & 0o777 for name in ("new", "new/file")] == [0o755, 0o644]


def test_switch_uses_no_setting_of_the_clone(checkout: Checkout, remote: Remote, dest: Path) -> None:
    first = checkout()["after"]
    remote.commit({"docker-compose.yml": "two", ".gitattributes": "* filter=evil"})
    checkout()
    git(dest, "config", "filter.evil.smudge", "echo evil")
    git(dest, "config", "remote.origin.url", 'https://x:s3cret@git.example/app.git\n[filter "evil"]\n\tclean = id')
    assert _checkout.switch(str(dest), first)["recovered"] == [".git/config held other settings: it is made anew"]
    config = (dest / ".git" / "config").read_text()
    assert "url = https://git.example/app.git\n" in config
    assert "evil" not in config
    assert "s3cret" not in config


def test_switch_in_vain(checkout: Checkout, remote: Remote, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match=f"There is no whole clone at {dest}: run a deploy"):
        _checkout.switch(str(dest), "1" * 40)
    with pytest.raises(DeployError, match=f"There is no whole clone at {dest}: run a deploy"):
        _checkout.keep(str(dest), [])
    assert not _checkout.has(str(dest), "1" * 40)
    assert not dest.exists()
    first = checkout()["after"]
    remote.commit({"docker-compose.yml": "two"})
    second = checkout()["after"]
    blob = git(dest, "rev-parse", f"{first}:docker-compose.yml")
    for pack in (dest / ".git" / "objects" / "pack").glob("*.pack"):
        git(dest, "unpack-objects", "-q", stdin=pack.rename(dest / ".git" / "moved").open("rb"))
    (dest / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    seen = files_and_git_state(dest)
    for commit in (first, "1" * 40, "main", second[:8], "HEAD", "--all"):
        assert not _checkout.has(str(dest), commit)
        with pytest.raises(DeployError, match=f"ommit {commit} is not in the clone at {dest}: deploy it"):
            _checkout.switch(str(dest), commit)
    assert files_and_git_state(dest) == seen
    assert _checkout.has(str(dest), second)
    git(dest, "update-ref", "--no-deref", "HEAD", first)
    assert not _checkout.has(str(dest), second)
    with pytest.raises(DeployError, match=r"no whole clone at .* \(objects are missing\): run a deploy"):
        _checkout.switch(str(dest), second)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DeployError, match="git is missing"):
        _checkout.switch(str(dest), second)


def test_switch_waits_and_the_others_do_not(
    checkout: Checkout, remote: Remote, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = checkout()["after"]
    commit = remote.commit({"docker-compose.yml": "two"})
    checkout(stage=True)
    monkeypatch.setattr(clone, "LOCK_WAIT_SECONDS", 0.3)
    descriptor = os.open(dest, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(DeployError, match="Another run is updating"):
        _checkout.switch(str(dest), commit)
    with pytest.raises(DeployError, match="Another run is updating"):
        _checkout.keep(str(dest), [first])
    seen = snapshot(dest)
    assert _checkout.head(str(dest)) == first
    assert _checkout.has(str(dest), commit)
    assert _checkout.look(str(dest)).commit == first
    assert snapshot(dest) == seen
    os.close(descriptor)
    assert _checkout.switch(str(dest), commit)["after"] == commit


def test_a_look_names_edits(checkout: Checkout, dest: Path) -> None:
    commit = checkout()["after"]
    assert _checkout.look(str(dest)) == _checkout.Checkout(commit)
    (dest / "nginx" / "default.conf").write_text("hotfix")
    (dest / "keep" / "a").unlink()
    (dest / "mine").write_text("mine")
    assert _checkout.look(str(dest)).edits == ("keep/a", "nginx/default.conf")


def test_tracked(checkout: Checkout, dest: Path) -> None:
    commit = checkout()["after"]
    found = _checkout.tracked(str(dest), commit)
    assert found and set(found) == {
        str(path.relative_to(dest)) for path in dest.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    assert all(entry.split()[0] in ("100644", "100755", "120000") for entry in found.values())


def test_head(checkout: Checkout, dest: Path) -> None:
    assert _checkout.head(str(dest)) is None
    dest.mkdir(parents=True)
    (dest / ".env").write_text("SECRET=1")
    assert _checkout.head(str(dest)) is None
    commit = checkout()["after"]
    assert _checkout.head(str(dest)) == commit
    git(dest, "checkout", "-q", "-b", "mine")
    assert _checkout.head(str(dest)) == commit


def test_kept_commits_outlive_everything(checkout: Checkout, remote: Remote, dest: Path) -> None:
    """History is rewritten, HEAD's log expires and git cleans up."""
    root = checkout()["after"]
    commits = []
    for name in ("kept", "dropped", "kept too", "staged", "current"):
        git(remote.work, "reset", "-q", "--hard", root)
        commits.append(remote.commit({"docker-compose.yml": name}))
        checkout(stage=name == "staged")
    kept, dropped, kept_too, staged, current = commits
    _checkout.keep(str(dest), [kept, kept_too, "1" * 40])
    collect_garbage(dest)
    assert [_checkout.has(str(dest), commit) for commit in commits] == [True, False, True, True, True]
    with pytest.raises(DeployError, match="No branch or tag"):
        checkout(dropped)
    shutil.rmtree(remote.path)
    assert checkout(kept)["after"] == kept
    assert checkout(staged)["after"] == staged
    assert _checkout.switch(str(dest), kept_too)["after"] == kept_too
    assert (dest / "docker-compose.yml").read_text() == "kept too"

    _checkout.keep(str(dest), [current, kept_too])
    refs = git(dest, "for-each-ref", "--format=%(refname) %(objectname)", "refs/popcon/releases").splitlines()
    assert refs == sorted(f"refs/popcon/releases/{commit} {commit}" for commit in (current, kept_too))
    collect_garbage(dest)
    assert [_checkout.has(str(dest), commit) for commit in commits] == [False, False, True, True, True]


def test_keeping_is_idempotent_and_needs_no_commit(checkout: Checkout, dest: Path) -> None:
    commit = checkout()["after"]
    _checkout.keep(str(dest), [commit])
    seen = {path: said for path, said in snapshot(dest).items() if "refs" in path}
    _checkout.keep(str(dest), [commit, commit])
    assert {path: said for path, said in snapshot(dest).items() if "refs" in path} == seen
    _checkout.keep(str(dest), [])
    assert git(dest, "for-each-ref", "refs/popcon/releases") == ""


WRITTEN = ["prod/.env"]
SECRET = "rendered-canary"


def _objects(dest: Path) -> str:
    """The content of all objects in the clone, whether something refers to them or not."""
    return git(dest, "cat-file", "--batch", "--batch-all-objects", errors="replace")


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("stage", [False, True])
@pytest.mark.parametrize("tracked", ["prod/.env", "prod/.env/a"])
def test_a_commit_that_has_a_file_the_deploy_writes_is_refused(
    checkout: Checkout, remote: Remote, dest: Path, check: bool, stage: bool, tracked: str
) -> None:
    first = remote.commit({"a": "1"})
    commit = remote.commit({tracked: "A=1"})
    words = rf"Commit {commit[:12]} of .* tracks prod/.env.*git rm --cached prod/.env.*\.gitignore.*Parameter Store"
    with pytest.raises(DeployError, match=words):
        checkout(check=check, stage=stage, written=WRITTEN)
    assert not dest.exists()
    checkout(first, written=WRITTEN)
    before = content(dest)
    with pytest.raises(DeployError, match=words):
        checkout(check=check, stage=stage, written=WRITTEN)
    assert content(dest) == before and git(dest, "rev-parse", "HEAD") == first


@pytest.mark.parametrize("staged", [False, True])
def test_the_cure_leaves_the_file_and_keeps_nothing_of_it(
    checkout: Checkout, remote: Remote, dest: Path, staged: bool
) -> None:
    old = remote.commit({"prod/.env": "A=1", "prod/a": "1"})
    checkout()
    (dest / "prod/.env").write_text(SECRET)
    (dest / "prod/a").write_text("edited")
    cured = remote.commit({"prod/.env": None, "prod/a": "2"})
    if staged:
        checkout(stage=True, written=WRITTEN)
        done = _checkout.switch(str(dest), cured, WRITTEN)
    else:
        done = checkout(written=WRITTEN)
    assert done["local_edits"] == done["changed_files"] == ["prod/a"]
    assert content(dest)["prod/.env"] == SECRET and content(dest)["prod/a"] == "2"
    assert git(dest, "show", f"{done['local_edits_commit']}:prod/a") == "edited"
    assert SECRET not in _objects(dest)
    # An automatic rollback to the release before must not be refused, nor touch the file.
    _checkout.switch(str(dest), old, WRITTEN)
    assert content(dest)["prod/.env"] == SECRET and content(dest)["prod/a"] == "1"
    assert SECRET not in _objects(dest)
    with pytest.raises(DeployError, match=r"tracks prod/\.env"):
        _checkout.refuse_written(str(dest), old, WRITTEN)


def test_the_clone_is_closed_to_others_and_stays_so(checkout: Checkout, remote: Remote, dest: Path) -> None:
    checkout()
    git_dir = dest / ".git"
    assert git_dir.stat().st_mode & 0o777 == 0o700 and dest.stat().st_mode & 0o777 == 0o755
    git_dir.chmod(0o755)
    assert checkout(check=True)["recovered"] and git_dir.stat().st_mode & 0o777 == 0o755
    assert checkout()["recovered"] == [".git was open to other users: it is its owner's alone"]
    assert git_dir.stat().st_mode & 0o777 == 0o700 and not checkout()["changed"]
    git_dir.chmod(0o755)
    _checkout.keep(str(dest), [git(dest, "rev-parse", "HEAD")])
    assert git_dir.stat().st_mode & 0o777 == 0o700
    (git_dir / "HEAD").unlink()
    git_dir.chmod(0o755)
    checkout()
    assert git_dir.stat().st_mode & 0o777 == 0o700
