"""Puts the sample gitops repository's content, and users' own, on the lab's git server."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import shutil
import tempfile
from pathlib import Path

from . import state
from .config import GIT_LOCAL_URL, GIT_USER, LAB
from .console import LabError, run, step

CONTENT = LAB / "app" / "gitops"
# Fixed, so that the first commit is the same one in every lab.
_IDENTITY = {
    "GIT_AUTHOR_NAME": "popcon",
    "GIT_AUTHOR_EMAIL": "popcon@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "popcon",
    "GIT_COMMITTER_EMAIL": "popcon@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


def git_environment() -> dict[str, str]:
    """The environment that lets git into the lab's server from this machine, and keeps the user's own settings out.

    The token travels in the environment, never in arguments: it is git's `http.extraHeader`.
    """
    credentials = base64.b64encode(f"{GIT_USER}:{state.load_secrets()['git_token']}".encode()).decode()
    return {
        **_IDENTITY,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {credentials}",
        "GIT_CONFIG_KEY_1": "http.proxy",
        "GIT_CONFIG_VALUE_1": "",
    }


def push_folder(folder: Path, branch: str) -> str:
    """Push what a folder has, without what git ignores there, as the next commit of a branch; the commit, new or not."""
    env = git_environment()
    with tempfile.TemporaryDirectory() as scratch:
        repository = Path(scratch)
        run("git", "init", "--quiet", cwd=repository)
        tree = _tree(folder, repository)
        parent = run("git", "ls-remote", GIT_LOCAL_URL, f"refs/heads/{branch}", env=env).stdout.partition("\t")[0]
        parents = []
        if parent:
            run("git", "fetch", "--quiet", GIT_LOCAL_URL, branch, cwd=repository, env=env)
            if run("git", "rev-parse", f"{parent}^{{tree}}", cwd=repository).stdout.strip() == tree:
                return parent
            parents = ["-p", parent]
        commit = run("git", "commit-tree", tree, *parents, "-m", folder.name, cwd=repository, env=env).stdout.strip()
        run("git", "push", "--quiet", GIT_LOCAL_URL, f"{commit}:refs/heads/{branch}", cwd=repository, env=env)
    return commit


def clone(branch: str, folder: Path) -> None:
    """Fill an empty folder with what a branch has."""
    env = git_environment()
    run("git", "clone", "--quiet", "--depth=1", "--branch", branch, GIT_LOCAL_URL, str(folder), env=env)


def _tree(folder: Path, repository: Path) -> str:
    """The tree that git makes of a folder as it is, written to a repository; nothing is written in the folder's own one.

    Where the folder lies in a repository, all is taken that a commit of everything there would have, with the user's settings.
    """
    objects, index = repository / ".git" / "objects", repository / "index"
    found = run(
        "git", "rev-parse", "--git-path", "objects", "--git-path", "index", "--show-prefix", cwd=folder, check=False
    )
    if found.returncode == 0:
        theirs, their_index, prefix = (*found.stdout.split("\n"), "")[:3]
        if (folder / their_index).exists():
            shutil.copy(folder / their_index, index)
        alternate = str((folder / theirs).resolve())
        (objects / "info" / "alternates").write_text(f"{alternate}\n")
        env = {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": alternate}
    elif "not a git repository" in found.stderr:
        prefix, env = "", {"GIT_DIR": str(repository / ".git"), "GIT_WORK_TREE": str(folder)}
    else:
        raise LabError(f"{folder}: {found.stderr}")
    env["GIT_INDEX_FILE"] = str(index)
    run("git", "add", "--all", ".", cwd=folder, env=env)
    return run("git", "write-tree", *([f"--prefix={prefix}"] if prefix else []), cwd=folder, env=env).stdout.strip()


def seed() -> None:
    """Commit and push the sample content when the server has no `main` yet, or when the content changed here since."""
    if shutil.which("git") is None:
        raise LabError("git: not installed, and the gitops repository needs it; run: apt-get install git")
    env = git_environment()
    files = sorted(path for path in CONTENT.rglob("*") if path.is_file())
    content = hashlib.sha256(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)).hexdigest()
    has_main = bool(run("git", "ls-remote", GIT_LOCAL_URL, "refs/heads/main", env=env).stdout)
    if has_main and state.load_seeded().get("gitops") == content:
        return
    with step("Pushing the gitops repository"), tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch)
        run("git", "init", "--quiet", "--initial-branch=main", cwd=clone)
        if has_main:
            run("git", "fetch", "--quiet", GIT_LOCAL_URL, "main", cwd=clone, env=env)
            run("git", "reset", "--quiet", "FETCH_HEAD", cwd=clone, env=env)
        shutil.copytree(CONTENT, clone, dirs_exist_ok=True)
        run("git", "add", "--all", cwd=clone, env=env)
        if run("git", "diff", "--cached", "--quiet", cwd=clone, env=env, check=False).returncode != 0:
            run("git", "commit", "--quiet", "--message", "The Pop-Con stack", cwd=clone, env=env)
            run("git", "push", "--quiet", GIT_LOCAL_URL, "HEAD:refs/heads/main", cwd=clone, env=env)
    state.save_seeded(gitops=content)
