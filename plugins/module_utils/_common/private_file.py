"""Files and folders of the running user alone."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, os_errors_in_words


def make_private_folder(path: str) -> None:
    """Make a folder and those missing on the way to it, for the running user alone (0700).

    :param path: absolute.
    :raises DeployError: it can't be made, or is there and somebody else's.
    """
    missing = []
    folder = path
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    with os_errors_in_words("make the folder", path):
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        is_own_folder(path)
        os.chmod(path, 0o700)


def try_lock(fd: int, kind: int) -> bool:
    """Whether a flock of this kind (LOCK_EX, LOCK_SH) could be had at once."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_own_file(path: str, flags: int) -> int:
    """The descriptor of a plain file of the running user's; flags as for `os.open`, with O_CREAT the mode is 0600.

    :raises DeployError: it can't be opened, or isn't one.
    """
    with os_errors_in_words("open", path):
        # Not blocking: opening a FIFO would wait for its other end.
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
        os.close(fd)
        raise DeployError(
            f"{path} is not a plain file of the user this runs as: remove it, or run as its owner (become)."
        )
    return fd


def is_own_folder(folder: str) -> bool:
    """Whether the folder is there, and then the user's own.

    :raises DeployError: it isn't, or may not be looked for.
    """
    with os_errors_in_words("read", folder):
        try:
            info = os.lstat(folder)
        except FileNotFoundError:
            return False
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        raise DeployError(
            f"{folder} is not a folder of the user this runs as: run as its owner (become), or remove it."
        )
    return True
