"""Mounted paths of the host that will not be there."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation

# Names that nobody gives a folder.
_FILE_NAME = re.compile(
    r".*\.(cnf|conf|cfg|ini|ya?ml|json|toml|xml|properties|env|sh|sql|lua|js|py|php|rb|html?|txt|log|csv"
    r"|pem|crt|cer|key|p12|jks|db|sqlite3?|sock|service|gz|zip|jar)|\.env|\.?htpasswd|Caddyfile|crontab",
    re.IGNORECASE,
)


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find what would fail to be mounted, and where Docker would make an empty folder."""
    for name, mount in look.bind_mounts():
        source, target = mount["source"], mount["target"]
        is_file = any(_FILE_NAME.fullmatch(os.path.basename(path)) for path in (source, target))
        if look.files.will_exist(source):
            if is_file and _is_empty_folder(source) and not look.files.is_tracked(source):
                yield Obstacle(
                    Kind.SURPRISES,
                    f"Service {name} mounts {source} at {target}, which is an empty folder on the host:"
                    " if it should be a file, remove the folder and put the file there.",
                )
        elif (mount.get("bind") or {}).get("create_host_path") is False:
            yield Obstacle(
                Kind.FAILS,
                f"Service {name} mounts {source}, which neither the commit nor the host has: {_CURE}.",
            )
        elif is_file and not _may_be_made(look, source):
            yield Obstacle(
                Kind.MISLEADS,
                f"Service {name} mounts {source} at {target}, which neither the commit nor the host has,"
                f" so Docker would make an empty folder of that name: {_CURE}.",
            )
        else:
            yield Obstacle(
                Kind.SURPRISES,
                f"Service {name} mounts {source}, which neither the commit nor the host has:"
                " Docker makes it, as an empty folder, unless a container made it before.",
            )
    for volume in (look.model.get("volumes") or {}).values():
        device = _bound(volume)
        if device and not look.files.will_exist(device):
            yield Obstacle(
                Kind.FAILS,
                f"The volume {volume['name']} is the folder {device}, which neither the commit nor the host has: {_CURE}.",
            )


_CURE = "add it to the repository, or put it on the host first"


def _bound(volume: Json) -> str | None:
    """The path of the host that a local volume is, or None."""
    options = volume.get("driver_opts") or {}
    is_bind = "bind" in options.get("o", "").split(",") and volume.get("driver", "local") == "local"
    return options.get("device") if is_bind else None


def _may_be_made(look: Situation, path: str) -> bool:
    """Whether a container can make something there before it is mounted, as one that writes certificates into a folder."""
    return any(
        path.startswith(f"{mount['source']}/") and not mount.get("read_only") for _name, mount in look.bind_mounts()
    )


def _is_empty_folder(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return False
