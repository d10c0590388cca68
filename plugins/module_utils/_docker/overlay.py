"""Having one command see files where they will be, before they are there: a read-only overlay in a mount namespace of its own.

Compose reads much more than the files it is given: what these extend and include, env files, label files, the content of
secrets and configs, `${PWD}`. With an overlay over the clone it finds all of it at its final path, what isn't tracked included, and
makes the very model that it will make once the files are in place. `--project-directory` on another folder does not: every path in
the model is then of that folder and has to be mapped back, untracked files are missing, and what names the folder in other ways
(`${PWD}`, an absolute path, a hash over the model) still differs. Nothing of the overlay is seen outside the command, and it goes
with the command, however that ends.

The engine does not see it either: what a container mounts from the clone is what is really there, hence `staged_mounts`.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import re
import shlex
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

# mount(8) would take these in a path for the end of an option or of a folder.
_SPECIAL = re.compile(r"[:,\\\"\n]")


class Overlay(t.NamedTuple):
    """Files laid over those of `folder`.

    `over` has single files, `tree` all files of a commit, and `hidden` whiteouts for those that are not to be seen. `changed`
    are the absolute paths of the files that are not as they are in `folder` now.
    """

    folder: str
    over: str
    tree: str | None = None
    hidden: str | None = None
    changed: t.Collection[str] = ()

    def layers(self) -> list[str]:
        """The folders that make up what is seen, topmost first."""
        below = self.folder if os.path.isdir(self.folder) else None
        return [layer for layer in (self.over, self.hidden, self.tree, below) if layer]

    def source(self, path: str) -> str:
        """Where the file or folder that is seen at an absolute path really is."""
        inner = os.path.relpath(path, self.folder)
        if inner.partition("/")[0] != "..":
            if os.path.isfile(os.path.join(self.over, inner)):
                return os.path.join(self.over, inner)
            if self.tree and os.path.lexists(os.path.join(self.tree, inner)):
                return os.path.normpath(os.path.join(self.tree, inner))
        return path


def hide(hidden: str, path: str) -> None:
    """Make the whiteout of a file that is not to be seen, in a folder that is not itself of an overlay.

    Source: the kernel's Documentation/filesystems/overlayfs.rst.
    """
    whiteout = os.path.join(hidden, path)
    os.makedirs(os.path.dirname(whiteout), mode=0o700, exist_ok=True)
    os.mknod(whiteout, stat.S_IFCHR, os.makedev(0, 0))


def source(overlays: t.Iterable[Overlay], path: str) -> str:
    """Where the file or folder that is seen at an absolute path really is."""
    for overlay in overlays:
        path = overlay.source(path)
    return path


def seen_by(overlays: t.Sequence[Overlay], folder: str, command: t.Sequence[str]) -> list[str]:
    """The command that runs a command in a folder, with the overlays in place for it.

    :raises DeployError: a path can't be written in a mount option, or only root may mount.
    """
    if not overlays:
        return list(command)
    if os.geteuid() != 0:
        raise DeployError("Only root may look at files and settings that are not in place yet: use become.")
    mounts = []
    for overlay in overlays:
        layers = overlay.layers()
        for path in layers:
            if _SPECIAL.search(path):
                raise DeployError(
                    f"{path} has a character that the mount command would not take as part of a path: use a folder without"
                    " any of : , \\ and quotes in its name."
                )
        options = f"ro,lowerdir={':'.join(layers)}"
        mounts.append(f"mount -t overlay -o {shlex.quote(options)} overlay {shlex.quote(overlay.folder)}")
    script = " && ".join([*mounts, f"cd {shlex.quote(folder)}", 'exec "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", *command]


def staged_mounts(model: Json, overlays: t.Sequence[Overlay]) -> Json:
    """A compose file laid over a model's, by which containers mount changed files, and folders with some, from where they are now."""
    changed = {path for overlay in overlays for path in overlay.changed}

    def moved(path: str) -> str | None:
        if not any(file == path or file.startswith(f"{path}/") for file in changed):
            return None
        real = source(overlays, path)
        return None if real == path else real

    staged: Json = {}
    for name, service in model["services"].items():
        volumes = [
            {**volume, "source": moved(volume["source"])}
            for volume in service.get("volumes") or []
            if volume["type"] == "bind" and moved(volume["source"])
        ]
        if volumes:
            staged.setdefault("services", {})[name] = {"volumes": volumes}
    for kind in ("secrets", "configs"):
        for name, one in (model.get(kind) or {}).items():
            if one.get("file") and moved(one["file"]):
                staged.setdefault(kind, {})[name] = {"file": moved(one["file"])}
    return staged
