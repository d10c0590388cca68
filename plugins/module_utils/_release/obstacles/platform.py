"""A platform that the host can't run."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.base import Kind, Obstacle, Situation

# Where the kernel lists who runs what is made for another processor, see its Documentation/admin-guide/binfmt-misc.rst.
BINFMT = "/proc/sys/fs/binfmt_misc"

_BY_OTHER_NAME = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "armhf": "arm",
    "armel": "arm",
}
_ALSO_RUNS = {"amd64": {"386"}, "arm64": {"arm"}}
# Source: scripts/qemu-binfmt-conf.sh of QEMU.
_OF_QEMU = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}


def check(look: Situation) -> t.Iterator[Obstacle]:
    """Find services for another operating system or processor."""
    asked = {name: service["platform"] for name, service in look.services.items() if service.get("platform")}
    if not asked:
        return
    system, processor = look.engine.platform()
    for name, platform in asked.items():
        wanted_system, wanted = _parts(platform, system, processor)
        runs = wanted in ({processor} | _ALSO_RUNS.get(processor, set())) or os.path.exists(
            f"{BINFMT}/qemu-{_OF_QEMU.get(wanted, wanted)}"
        )
        if wanted_system != system or not runs:
            yield Obstacle(
                Kind.FAILS,
                f"Service {name} has platform: {platform}, and the host is {system}/{processor} without an emulator:"
                " take platform: out of the file and push an image for the host, or install qemu-user-static.",
            )


def _parts(platform: str, system: str, processor: str) -> tuple[str, str]:
    """Operating system and processor of a platform, which may give only one of both."""
    first, _slash, rest = platform.lower().partition("/")
    if not rest and first not in ("linux", "windows", "darwin", "freebsd"):
        first, rest = system, first
    found = rest.partition("/")[0] or processor
    return first, _BY_OTHER_NAME.get(found, found)
