"""Puts the sample gitops repository's content on the lab's git server."""

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
