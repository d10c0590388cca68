"""Files below a root that somebody else writes: found and read without being led out of it, or into a device.

Nothing is opened before it is known to be a plain file: the way is walked with descriptors that only stand for a path (O_PATH), and
links are followed by hand, as seen from the root.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import MAX_SIZE

# As many as Linux itself follows.
_LINKS = 40


@contextlib.contextmanager
def found_inside(root: str, path: str, may: t.Callable[[str], bool] = lambda _path: True) -> t.Iterator[int]:
    """A descriptor that stands for the path below the root, where no link stays unfollowed; it can't be read.

    :param root: a folder, or a link to one, that is trusted.
    :param may: whether something on the way, given below the root, may be looked at.
    :raises OSError: there is nothing, or `may` says no.
    """
    way = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    names: list[str] = []
    rest, links = path.split("/")[::-1], 0
    try:
        while rest:
            part = rest.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if names:
                    os.close(way.pop())
                    names.pop()
                continue
            here = "/" + "/".join([*names, part])
            if not may(here):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), here)
            inner = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=way[-1])
            if not stat.S_ISLNK(os.fstat(inner).st_mode):
                way.append(inner)
                names.append(part)
                continue
            try:
                target = os.readlink("", dir_fd=inner)
            finally:
                os.close(inner)
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), here)
            if target.startswith("/"):
                while names:
                    os.close(way.pop())
                    names.pop()
            rest += target.split("/")[::-1]
        yield way[-1]
    finally:
        for descriptor in way:
            os.close(descriptor)


def plain_content(found: int) -> bytes | None:
    """The content of what `found_inside` found; None if that is no plain file, or too large to be read.

    :raises OSError: it can't be read.
    """
    info = os.fstat(found)
    if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_SIZE:
        return None
    # The same file again, whatever its path leads to by now.
    with open(os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        # No more than that: a file of the kernel's may have no end.
        return stream.read(info.st_size)
