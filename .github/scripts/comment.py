"""Puts a file into a comment of a pull request: `comment.py TITLE FILE`. The comment of that title is updated, if there is one.

Takes GITHUB_API_URL, GITHUB_REPOSITORY, PULL_REQUEST and GH_TOKEN from the environment.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import sys
import typing as t
import urllib.request
from pathlib import Path

# GitHub takes 65,536 characters.
MOST = 60_000
PER_PAGE = 100


def body_of(title: str, text: str) -> str:
    """The comment: a mark to find it again, and the text as it is, from its end if it is too long."""
    marked = [_mark(title), f"### {title}", ""]
    # Indented, it is code whatever is in it; a fence could be closed.
    lines = [f"    {line}" for line in text.splitlines()]
    shown: list[str] = []
    left = MOST
    for line in reversed(lines):
        left -= len(line) + 1
        if left < 0:
            marked += [f"The last {len(shown)} lines of {len(lines)}; the run has all.", ""]
            break
        shown.append(line)
    return "\n".join([*marked, *reversed(shown)])


def find(title: str) -> int | None:
    """The id of the comment that was made of this title before."""
    page = 1
    while True:
        comments = ask("GET", f"issues/{os.environ['PULL_REQUEST']}/comments?per_page={PER_PAGE}&page={page}")
        for comment in comments:
            # Anybody could write the mark.
            if comment["user"]["login"] == "github-actions[bot]" and comment["body"].startswith(_mark(title)):
                return t.cast(int, comment["id"])
        if len(comments) < PER_PAGE:
            return None
        page += 1


def ask(method: str, path: str, content: dict[str, str] | None = None) -> t.Any:
    """One call of GitHub's API."""
    request = urllib.request.Request(
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/{path}",
        method=method,
        data=json.dumps(content).encode() if content else None,
        headers={"Authorization": f"Bearer {os.environ['GH_TOKEN']}", "Accept": "application/vnd.github+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def main(title: str, file: str) -> None:
    """Update the comment, or make it."""
    content = {"body": body_of(title, Path(file).read_text(errors="replace"))}
    comment = find(title)
    if comment:
        ask("PATCH", f"issues/comments/{comment}", content)
    else:
        ask("POST", f"issues/{os.environ['PULL_REQUEST']}/comments", content)


def _mark(title: str) -> str:
    return f"<!-- popcon.deploy: {title} -->"


if __name__ == "__main__":
    main(*sys.argv[1:])
