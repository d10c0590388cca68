"""What an image is built from, and the tag that says so: with the same tag, nothing would come out differently."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.process import run
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import short_commit

#: What is built with if nothing else is said. It leaves no trace in the tag.
DEFAULTS: dict[str, t.Any] = {
    "folder": "",
    "dockerfile": "Dockerfile",
    "args": {},
    "target": None,
    "platform": "linux/amd64",
}
_SUFFIX = 8
# Values of build arguments stay in the image's history. What frameworks publish in the browser is named so by them.
_SECRET = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIALS?|PRIVATE_KEY|ACCESS_KEY|API_KEY)$", re.IGNORECASE
)
_PUBLIC = re.compile(r"^(?:NEXT_PUBLIC|VITE|REACT_APP|NUXT_PUBLIC)_")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHOWN_CHANGES = 5

Image = dict[str, t.Any]


def complete(image: Image) -> Image:
    """The image with the default wherever the inventory has nothing or null."""
    return {**image, **{key: image[key] or default for key, default in DEFAULTS.items()}}


def check(images: t.Sequence[Image]) -> None:
    """:raises DeployError: an image can't be built so, or two have one name."""
    seen: set[str] = set()
    for image in images:
        name = image["name"]
        if not _NAME.fullmatch(name):
            raise DeployError(f"{name!r} can't begin a tag: use small letters, digits, and ., _ or - after the first.")
        if name in seen:
            raise DeployError(f"Two images are called {name}: give each a name of its own, as it begins their tags.")
        seen.add(name)
        for option in ("folder", "dockerfile"):
            if os.path.isabs(image[option]) or ".." in image[option].split("/"):
                raise DeployError(f"{name}: {option} is {image[option]!r}; give a path inside the source.")
        for argument in image["args"]:
            if _SECRET.search(argument) and not _PUBLIC.match(argument):
                raise DeployError(
                    f"{name}: the build argument {argument} looks secret, and whoever has the image can read its "
                    "arguments. Give it as one of the image's secrets instead."
                )


def tag(image: Image, commit: str) -> str:
    """`<name>-<commit>`, and after it a hash of the settings that aren't in the commit, if there are any."""
    settings = {key: image[key] for key, default in DEFAULTS.items() if image[key] != default}
    parts = [image["name"], short_commit(commit)]
    if settings:
        parts.append(hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:_SUFFIX])
    return "-".join(parts)


def last_commit(image: Image, checkout: str) -> str:
    """The last commit that changed what the image is built from, in a clean clone.

    :raises DeployError: there is no such folder or Dockerfile.
    """
    context = os.path.join(checkout, image["folder"])
    dockerfile = os.path.join(context, image["dockerfile"])
    if not os.path.isfile(dockerfile):
        where = os.path.join(image["folder"], image["dockerfile"])
        raise DeployError(f"{image['name']}: {image['source']} has no {where} in this commit.")
    return _git(checkout, "log", "-1", "--format=%H", "--", image["folder"] or ".").strip()


def refuse_changes(image: Image, checkout: str) -> None:
    """Stop where what was cloned has changes that no commit holds, for they wouldn't be in the image.

    :raises DeployError: there are some; the text names them.
    """
    # The module ansible.builtin.git makes such a URL of a folder.
    source = _git(checkout, "remote", "get-url", "origin").strip().removeprefix("file://")
    if image["ref"] != "HEAD" or not os.path.isdir(source):
        return
    changed = _git(source, "status", "--porcelain", "--", image["folder"] or ".").splitlines()
    if changed:
        shown = ", ".join(line[3:] for line in changed[:_SHOWN_CHANGES])
        more = f" and {len(changed) - _SHOWN_CHANGES} more" if len(changed) > _SHOWN_CHANGES else ""
        raise DeployError(
            f"{image['name']}: {source} has changes that are in no commit: {shown}{more}. Commit them (there is no need to "
            "push), stash them, or list them in .gitignore."
        )


def _git(folder: str, *arguments: str) -> str:
    status, out, err = run(["git", "-C", folder, *arguments], env={**os.environ, "LC_ALL": "C"})
    if status:
        reason = err.decode(errors="replace").strip().splitlines() or [f"exit status {status}"]
        raise DeployError(f"git {arguments[0]} in {folder} failed: {reason[0]}")
    return out.decode(errors="replace")
