"""The clone in a checkout: saying in what state it is, and mending it or making it anew."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import (
    Git,
    GitFailure,
    is_commit,
    without_userinfo,
)

LOCK_WAIT_SECONDS = 60.0

# Held in .git while files are written: the commit they are brought to. It tells half-written files from edits later.
TARGET = "popcon-target"

# HEAD's log ends with 90 days and git's housekeeping: these hold a commit for as long as they are there.
STAGED = "refs/popcon/staged"
RELEASES = "refs/popcon/releases"


@dataclasses.dataclass(frozen=True)
class State:
    """What the destination is.

    `kind`: `absent` (or empty), `foreign` (files, but no .git), `checkout` or `broken` for `reason`.
    `before` is the commit that is checked out, `target` the one a stopped run was on its way to.
    """

    kind: str
    before: str | None = None
    target: str | None = None
    reason: str = ""


@contextlib.contextmanager
def locked(git: Git, dest: str) -> t.Iterator[None]:
    """Hold the kernel's lock on the folder `dest` itself, also for the git processes that outlive a killed run."""
    descriptor = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise DeployError(
                        f"Another run is updating {dest}: wait until it has ended, then run again."
                    ) from None
                time.sleep(0.2)
        git.kept_fds = (descriptor,)
        yield
    finally:
        git.kept_fds = ()
        os.close(descriptor)


def inspect(git: Git, dest: str) -> State:
    """Say what `dest` is, without changing it. Errors: DeployError if it is no folder."""
    if os.path.islink(dest) or (os.path.lexists(dest) and not os.path.isdir(dest)):
        raise DeployError(f"{dest} is not a folder (a symbolic link is not followed): give the folder itself.")
    git_dir = os.path.join(dest, ".git")
    if not os.path.lexists(git_dir):
        return State("foreign" if os.path.isdir(dest) and os.listdir(dest) else "absent")
    if os.path.islink(git_dir) or not os.path.isdir(git_dir):
        return State("broken", reason=".git is no folder")
    target = _read_commit(os.path.join(git_dir, TARGET))
    try:
        before = resolve(git, git_dir, "HEAD")
        if before is None:
            return State("broken", _read_commit(os.path.join(git_dir, "HEAD")), target, "it has no commit checked out")
        if not complete(git, git_dir, before):
            return State("broken", before, target, "objects are missing")
        return State("checkout", before, target)
    except GitFailure as failure:
        return State("broken", _read_commit(os.path.join(git_dir, "HEAD")), target, str(failure))


def scratch(git: Git, borrowed: str | None) -> str:
    """A new bare repository in the private folder, which reads also the objects of `borrowed`."""
    git_dir = os.path.join(tempfile.mkdtemp(dir=git.home), ".git")
    os.mkdir(git_dir)
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        os.makedirs(os.path.join(git_dir, folder))
    write_file(os.path.join(git_dir, "HEAD"), "ref: refs/heads/main\n")
    write_file(os.path.join(git_dir, "config"), _config(git.url))
    if borrowed:
        write_file(os.path.join(git_dir, "objects", "info", "alternates"), f"{borrowed}\n")
    return git_dir


def _config(url: str) -> str:
    # All of it, so that what else an operator's clone had in it (a token in the URL, hooks, filters, helpers) is gone.
    return (
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = always\n"
        f'[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
    )


def repair(git: Git, git_dir: str, check: bool) -> list[str]:
    """Undo what a killed git or a move of the repository left in .git (unless `check`); says what, in words."""
    said = []
    for at, _folders, names in os.walk(git_dir):
        for name in names:
            path = os.path.join(at, name)
            # Every run holds the lock on the folder and its git processes too: whoever made this is no deploy any more.
            if name.endswith(".lock"):
                said.append(f"{os.path.relpath(path, os.path.dirname(git_dir))}, left by a killed git, is removed")
                if not check:
                    os.unlink(path)
    if stat.S_IMODE(os.stat(git_dir).st_mode) & 0o077:
        said.append(".git was open to other users: it is its owner's alone")
        if not check:
            close(git_dir)
    config, wanted = os.path.join(git_dir, "config"), _config(git.url)
    try:
        with open(config, encoding="utf-8", errors="replace") as stream:
            found = stream.read()
    except FileNotFoundError:
        found = ""
    if found != wanted:
        url = origin(git, git_dir)
        if url != git.url:
            said.append(f"the clone was of {url or 'nothing'}: it is of {git.url} now")
        else:
            said.append(".git/config held other settings: it is made anew")
        if not check:
            write_file(config, wanted)
    return said


def close(git_dir: str) -> None:
    """Keep other users of the host out of `.git`, which has every version of every file, also of those that only some may read."""
    os.chmod(git_dir, 0o700)


def origin(git: Git, git_dir: str) -> str:
    """The URL of the repository that the clone is of, by its configuration and without a token in it, or ""."""
    config = os.path.join(git_dir, "config")
    asked = git.run("config", "--file", config, "--get", "remote.origin.url", ok=(0, 1, 3, 128))
    return without_userinfo(asked.decode(errors="replace").partition("\n")[0].strip())


def install(scratch: str, git_dir: str, index: str) -> str:
    """Fill `.git` from the scratch repository; returns where the index file is now.

    The folder stays through it all, for it is what marks the destination as a checkout. HEAD comes last, since git
    takes nothing for a repository without it.
    """
    if os.path.islink(git_dir) or (os.path.lexists(git_dir) and not os.path.isdir(git_dir)):
        os.unlink(git_dir)
    os.makedirs(git_dir, mode=0o700, exist_ok=True)
    close(git_dir)
    for name in os.listdir(git_dir):
        # Until they are replaced at the end, these two still tell tracked files from others.
        if name not in ("index", TARGET):
            _remove(os.path.join(git_dir, name))
    for name in sorted(os.listdir(scratch), key=lambda name: name == "HEAD"):
        shutil.move(os.path.join(scratch, name), os.path.join(git_dir, name))
    return os.path.join(git_dir, os.path.basename(index))


def complete(git: Git, git_dir: str, commit: str | None) -> bool:
    """Whether the commit and all its folders and files are there."""
    if commit is None or resolve(git, git_dir, commit) is None:
        return False
    try:
        git.run("rev-list", "--objects", "--no-walk", commit, git_dir=git_dir)
    except GitFailure:
        return False
    return True


def holds(git: Git, git_dir: str, commit: str) -> bool:
    """Whether `commit` is a full id and can be checked out with what is there."""
    return is_commit(commit) and complete(git, git_dir, commit)


def resolve(git: Git, git_dir: str, name: str) -> str | None:
    """The commit that `name` stands for in the clone, or None."""
    asked = git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", git_dir=git_dir, ok=(0, 1, 128))
    found = asked.decode().strip()
    return found if is_commit(found) else None


def trusted(git: Git, git_dir: str) -> set[str]:
    """The commits that were the repository's own when they came here: staged, kept, or checked out by HEAD's log."""
    found = git.run("for-each-ref", "--format=%(objectname)", STAGED, RELEASES, git_dir=git_dir).decode().split()
    try:
        with open(os.path.join(git_dir, "logs", "HEAD"), encoding="utf-8", errors="replace") as log:
            return {*found, *(fields[1] for fields in (line.split(" ", 2) for line in log) if len(fields) > 1)}
    except OSError:
        return set(found)


def keep_only(git: Git, git_dir: str, commits: t.Iterable[str]) -> None:
    """Hold these commits by a ref each, as far as they are there, and let go of those that were held before."""
    held = git.run("for-each-ref", "--format=%(refname:lstrip=3)", RELEASES, git_dir=git_dir).decode().split()
    wanted = {commit for commit in commits if commit in held or holds(git, git_dir, commit)}
    changes = [f"update {RELEASES}/{commit} {commit}\n" for commit in sorted(wanted.difference(held))]
    changes += [f"delete {RELEASES}/{commit}\n" for commit in sorted(set(held) - wanted)]
    git.run("update-ref", "--stdin", git_dir=git_dir, stdin="".join(changes).encode())


def _read_commit(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read(64).strip()
    except OSError:
        return None
    return text if re.fullmatch(r"[0-9a-f]{40}", text) else None


def write_file(path: str, text: str) -> None:
    """Replace the file by one that holds `text`, whole or not at all."""
    new = f"{path}.popcon"
    with open(new, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(new, path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
