"""Files that hold secrets: written whole or not at all, and never readable by anybody else, not for an instant.

`AnsibleModule.atomic_move` is not used because it creates a new file with mode 0644 and copies the mode and owner of
the file it replaces before the rename: a window in which the secret is readable.

What is trusted: root, the user the process runs as, and the user the file is for (`uid`). Every folder on the way to
the file must belong to one of them and must not be writable by others (a sticky folder such as /tmp may be). No
symbolic link is followed anywhere on the way, and all work happens through the descriptor of the opened folder: a user
who owns a folder on the way can't redirect a write of root's.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import pwd
import stat
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, os_errors_in_words

# Far above any settings file, and small enough to hold in memory on the smallest instance.
MAX_SIZE = 16 * 1024 * 1024
LOCK_WAIT_SECONDS = 60.0

_CLOSED = os.O_CLOEXEC | os.O_NOFOLLOW


class SecretFile:
    """One secret file whose folder is open and locked; made by `open_secret_file`."""

    def __init__(self, path: str, folder_fd: int, mode: int, uid: int, gid: int, trusted: frozenset[int]) -> None:
        self.path = path
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self._name = os.path.basename(path)
        # One fixed name: under the lock only one writer uses it, and what a killed one left is found and removed.
        self._new = f".{self._name}.new"
        self._folder = folder_fd
        self._trusted = trusted

    def read(self) -> bytes | None:
        """The content, or None if there is no file.

        :raises DeployError: it is not a plain file, has hard links, belongs to somebody else or is too large.
        """
        found = self._open()
        if found is None:
            return None
        fd, _info = found
        with open(fd, "rb") as stream, os_errors_in_words("read", self.path):
            return stream.read()

    def is_private(self) -> bool:
        """Whether the file is there with exactly the wanted mode, owner and group."""
        found = self._open()
        if found is None:
            return False
        fd, info = found
        os.close(fd)
        return (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (self.mode, self.uid, self.gid)

    def write(self, data: bytes) -> None:
        """Replace the file by one with this content, mode, owner and group, or leave everything as it was.

        Wrong modes and owners are mended by this too, rather than by chmod and chown on the file that is there: it may
        be a hard link to a file elsewhere.
        """
        with os_errors_in_words("write", self.path):
            self.discard_leftover()
            fd = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOSED, 0o600, dir_fd=self._folder)
            try:
                try:
                    os.fchown(fd, self.uid, self.gid)
                    os.fchmod(fd, self.mode)
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(fd, rest) :]
                    os.fsync(fd)
                finally:
                    os.close(fd)
                os.rename(self._new, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except BaseException:
                with contextlib.suppress(DeployError):
                    self.discard_leftover()
                raise
            os.fsync(self._folder)

    def discard_leftover(self) -> None:
        """Remove the unfinished file of a writer that was killed, if there is one."""
        with os_errors_in_words("remove the unfinished part of", self.path), contextlib.suppress(FileNotFoundError):
            os.unlink(self._new, dir_fd=self._folder)

    def _open(self) -> tuple[int, os.stat_result] | None:
        with os_errors_in_words("read", self.path):
            try:
                # Not blocking: opening a FIFO would wait for its writer.
                fd = os.open(self._name, os.O_RDONLY | os.O_NONBLOCK | _CLOSED, dir_fd=self._folder)
            except FileNotFoundError:
                return None
        info = os.fstat(fd)
        problem = _file_problem(info, self._trusted)
        if problem:
            os.close(fd)
            raise DeployError(f"{self.path} {problem}.")
        return fd, info


@contextlib.contextmanager
def open_secret_file(
    path: str, *, mode: int = 0o600, uid: int | None = None, gid: int | None = None
) -> t.Iterator[SecretFile]:
    """Open and lock the folder of a secret file, for a read, a change and a write that no other writer can come
    between.

    The lock is the kernel's (flock on the folder), so it goes with its holder and leaves no file behind. It holds
    between users of this function only.

    :param path: absolute, without `..` and without symbolic links. The folder must exist, the file need not.
    :param mode: permission bits of the file when written.
    :param uid: numeric owner of the file when written, and trusted as an owner of folders; None for the running user.
    :param gid: numeric group of the file when written; None for the running user's.
    :raises DeployError: a folder that is missing, foreign or open to others; a symbolic link; the lock held for over a
    minute.
    """
    uid = os.geteuid() if uid is None else uid
    gid = os.getegid() if gid is None else gid
    trusted = frozenset({0, os.geteuid(), uid})
    folder_fd = _open_folder(path, trusted)
    try:
        _lock(folder_fd, os.path.dirname(path))
        yield SecretFile(path, folder_fd, mode, uid, gid, trusted)
    finally:
        os.close(folder_fd)


def write_secret_file(
    path: str, data: bytes, *, mode: int = 0o600, uid: int | None = None, gid: int | None = None
) -> None:
    """Write a secret file whole or not at all; parameters and errors as for `open_secret_file`."""
    with open_secret_file(path, mode=mode, uid=uid, gid=gid) as file:
        file.write(data)


def read_regular_file(path: str, *, uid: int | None = None) -> bytes | None:
    """The content of a plain file, or None if it or its folder is not there; parameters and errors as for
    `open_secret_file`.

    For files that are only read: nothing is locked.
    """
    uid = os.geteuid() if uid is None else uid
    trusted = frozenset({0, os.geteuid(), uid})
    if not os.path.lexists(path):
        return None
    folder_fd = _open_folder(path, trusted)
    try:
        return SecretFile(path, folder_fd, 0o600, uid, os.getegid(), trusted).read()
    finally:
        os.close(folder_fd)


def owner_ids(owner: str | None, group: str | None) -> tuple[int, int]:
    """The numeric user and group of the usual options `owner` and `group`, each a name, a number or None.

    Without an owner it is the user this runs as; without a group, the owner's primary one.
    """
    try:
        if owner is None:
            uid, primary = os.geteuid(), os.getegid()
        elif owner.isdigit():
            uid, primary = int(owner), int(owner)
            with contextlib.suppress(KeyError):
                primary = pwd.getpwuid(uid).pw_gid
        else:
            account = pwd.getpwnam(owner)
            uid, primary = account.pw_uid, account.pw_gid
    except KeyError:
        raise DeployError(f"There is no user {owner} on this host.") from None
    try:
        if group is None:
            return uid, primary
        return uid, int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise DeployError(f"There is no group {group} on this host.") from None


def _open_folder(path: str, trusted: frozenset[int]) -> int:
    """Walk down to the folder of `path`, one component at a time, and return its descriptor."""
    parts = path.split("/")
    if parts[0] or not parts[-1] or ".." in parts or "\0" in path:
        raise DeployError(f"{path!r} is not an absolute path of a file without '..' in it.")
    with os_errors_in_words("enter", "/"):
        fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    walked = ""
    try:
        for part in filter(None, parts[:-1]):
            walked = f"{walked}/{part}"
            with os_errors_in_words("enter", walked):
                # A component on the way may be searchable without being readable (0711).
                inner = os.open(part, os.O_PATH | _CLOSED, dir_fd=fd)
            os.close(fd)
            fd = inner
            problem = _folder_problem(os.fstat(fd), trusted)
            if problem:
                raise DeployError(f"{walked}, on the way to {path}, {problem}.")
        with os_errors_in_words("open", walked or "/"):
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    finally:
        os.close(fd)


def _folder_problem(info: os.stat_result, trusted: frozenset[int]) -> str | None:
    if stat.S_ISLNK(info.st_mode):
        return "is a symbolic link, and none is followed: give the real path"
    if not stat.S_ISDIR(info.st_mode):
        return "is not a directory"
    if info.st_uid not in trusted:
        return f"belongs to user {info.st_uid}, who is neither root, nor the user this runs as, nor the file's owner"
    if info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX:
        mode = stat.S_IMODE(info.st_mode)
        return f"may be written by others (mode {mode:04o}): they could replace the file; chmod go-w it"
    return None


def _file_problem(info: os.stat_result, trusted: frozenset[int]) -> str | None:
    if not stat.S_ISREG(info.st_mode):
        return "is not a plain file"
    if info.st_uid not in trusted:
        return f"belongs to user {info.st_uid}, who is neither root, nor the user this runs as, nor its wanted owner"
    # None at all: it was replaced since it was opened, and this is still the whole old file.
    if info.st_nlink > 1:
        return "has other names (hard links)"
    if info.st_size > MAX_SIZE:
        return f"is larger than {MAX_SIZE} bytes"
    return None


def _lock(folder_fd: int, folder: str) -> None:
    end = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            return fcntl.flock(folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise DeployError(f"Another process has kept {folder} locked for {LOCK_WAIT_SECONDS:.0f} s.") from None
            time.sleep(0.05)
        except OSError as exc:
            raise DeployError(f"Cannot lock {folder}: {os.strerror(exc.errno or 0)}.") from None
