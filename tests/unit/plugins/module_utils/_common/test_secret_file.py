# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import signal
import stat
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common import secret_file
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import (
    open_secret_file,
    owner_ids,
    read_regular_file,
    write_secret_file,
)

OLD, NEW = b"old " * 1000, b"new " * 2000
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")

# What the writer asks the kernel for, in the order of its steps.
STEPS = ("open", "fchown", "fchmod", "write", "fsync", "close", "rename", "unlink")


@pytest.fixture
def folder() -> t.Iterator[Path]:
    """Not tmp_path: other users must be able to get there."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / ".env"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def in_child(work: t.Callable[[], None]) -> int:
    """Run work in a forked process; its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def before_each_step(action: t.Callable[[int, str, tuple], None]) -> None:
    """Call action(number of the step, its name, its arguments) before each step; writes take but 3000 bytes at a time."""
    numbers = itertools.count(1)

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def step(*args: t.Any, **more: t.Any) -> t.Any:
            action(next(numbers), name, args)
            if name == "write":
                args = (args[0], args[1][:3000])
            return real(*args, **more)

        setattr(secret_file.os, name, step)

    for name in STEPS:
        wrap(name)


def test_write_and_read(path: Path) -> None:
    assert read_regular_file(str(path)) is None
    write_secret_file(str(path), OLD)
    assert read_regular_file(str(path)) == OLD
    assert mode(path) == 0o600
    assert os.listdir(path.parent) == [".env"]


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
@pytest.mark.parametrize("wanted", [0o600, 0o640])
def test_mode_is_right_before_the_first_byte_whatever_the_umask(path: Path, umask: int, wanted: int) -> None:
    def work() -> None:
        os.umask(umask)
        seen = []

        def look(_number: int, name: str, args: tuple) -> None:
            if name == "write":
                info = os.fstat(args[0])
                seen.append((stat.S_IMODE(info.st_mode), info.st_size > 0))
            # From its creation on: nobody else, ever.
            for file in os.scandir(path.parent):
                assert stat.S_IMODE(file.stat().st_mode) & ~wanted == 0

        before_each_step(look)
        write_secret_file(str(path), NEW, mode=wanted)
        assert seen[0] == (wanted, False)
        assert len(seen) > 2

    assert in_child(work) == 0
    assert mode(path) == wanted


@pytest.mark.parametrize("old", [None, OLD])
def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(folder: Path, old: bytes | None) -> None:
    killed = 0
    for last in itertools.count(1):
        path = folder / str(last) / ".env"
        path.parent.mkdir()
        if old is not None:
            write_secret_file(str(path), old)

        def work(path: Path = path, last: int = last) -> None:
            before_each_step(lambda number, _name, _args: number == last and os.kill(os.getpid(), signal.SIGKILL))
            write_secret_file(str(path), NEW)

        result = in_child(work)
        assert read_regular_file(str(path)) in (old, NEW)
        for left in path.parent.iterdir():
            assert mode(left) == 0o600
        # The next run clears up and finishes.
        write_secret_file(str(path), NEW)
        assert os.listdir(path.parent) == [".env"]
        assert path.read_bytes() == NEW
        if result == 0:
            break
        assert result == -signal.SIGKILL
        killed += 1
    assert killed > len(STEPS)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_an_error_at_any_step_leaves_the_old_file_and_nothing_else(folder: Path, code: int) -> None:
    failures = 0
    for last in itertools.count(1):
        path = folder / str(last) / ".env"
        path.parent.mkdir()
        write_secret_file(str(path), OLD)

        def work(path: Path = path, last: int = last) -> None:
            def fail(number: int, name: str, _args: tuple) -> None:
                if number == last and name != "close":
                    raise OSError(code, "hunter2")

            before_each_step(fail)
            try:
                write_secret_file(str(path), NEW)
            except DeployError as exc:
                told = str(exc)
                assert told.startswith("Cannot ")
                assert told.endswith(f": {os.strerror(code)}.")
                os._exit(3)

        result = in_child(work)
        assert result in (0, 3)
        assert os.listdir(path.parent) == [".env"]
        # Past the rename only the folder's own fsync can fail, and then the new file stands.
        assert path.read_bytes() in ((OLD, NEW) if result else (NEW,))
        failures += result == 3
        if result == 0 and last > 20:
            break
    assert failures > len(STEPS)


@needs_root
def test_a_full_disk(folder: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        path = folder / ".env"
        write_secret_file(str(path), OLD)
        with pytest.raises(DeployError, match=r"Cannot write .*/\.env: No space left on device\."):
            write_secret_file(str(path), b"x" * 100_000)
        assert path.read_bytes() == OLD
        assert os.listdir(folder) == [".env"]
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(DeployError, match="Read-only file system"):
            write_secret_file(str(path), NEW)
        assert path.read_bytes() == OLD
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder(path: Path) -> None:
    write_secret_file(str(path), OLD)
    os.chmod(path.parent, 0o555)

    def work() -> None:
        if os.geteuid() == 0:
            os.chown(path.parent, NOBODY, NOBODY)
            os.setuid(NOBODY)
        try:
            write_secret_file(str(path), NEW)
        except DeployError as exc:
            assert str(exc) == f"Cannot write {path}: Permission denied."
            os._exit(3)

    assert in_child(work) == 3
    os.chmod(path.parent, 0o755)
    assert path.read_bytes() == OLD


def test_two_writers_at_once(path: Path) -> None:
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    write_secret_file(str(path), contents[0])
    children = []
    for content in contents:
        children.append(os.fork())
        if children[-1] == 0:
            with contextlib.suppress(BaseException):
                for _dummy in range(100):
                    write_secret_file(str(path), content)
                os._exit(0)
            os._exit(1)
    running = set(children)
    while running:
        assert read_regular_file(str(path)) in contents
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            assert status == 0
            running.discard(pid)
    assert os.listdir(path.parent) == [".env"]


def test_no_change_is_lost_between_read_and_write(path: Path) -> None:
    write_secret_file(str(path), b"0")

    def work() -> None:
        for _dummy in range(100):
            with open_secret_file(str(path)) as file:
                file.write(str(int(file.read() or b"0") + 1).encode())

    pids = []
    for _dummy in range(3):
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(0)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 0, 0]
    assert path.read_bytes() == b"300"


def test_a_lock_that_is_kept_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_file, "LOCK_WAIT_SECONDS", 0.1)
    held = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(DeployError, match=r"kept .* locked"):
        write_secret_file(str(path), NEW)
    os.close(held)
    write_secret_file(str(path), NEW)


def test_is_private(path: Path) -> None:
    with open_secret_file(str(path)) as file:
        assert not file.is_private()
        file.write(OLD)
        assert file.is_private()
        path.chmod(0o644)
        assert not file.is_private()
        file.write(OLD)
        assert file.is_private()


@needs_root
def test_owner_and_group_are_set_and_mended(path: Path) -> None:
    write_secret_file(str(path), OLD, mode=0o640, uid=NOBODY, gid=12345)
    info = path.stat()
    assert (info.st_uid, info.st_gid, mode(path)) == (NOBODY, 12345, 0o640)
    with open_secret_file(str(path), mode=0o640, uid=NOBODY, gid=NOBODY) as file:
        assert not file.is_private()
        file.write(OLD)
        assert file.is_private()


def test_links_are_neither_read_nor_replaced(path: Path) -> None:
    target = path.parent / "target"
    write_secret_file(str(target), OLD)
    path.symlink_to(target)
    for use in (read_regular_file, lambda name: open_and(name, "read"), lambda name: open_and(name, "is_private")):
        with pytest.raises(DeployError, match="it is a symbolic link"):
            use(str(path))
    path.unlink()
    os.link(target, path)
    with pytest.raises(DeployError, match="hard links"):
        read_regular_file(str(path))
    # A write never goes through either: it puts a new file in the link's place.
    write_secret_file(str(path), NEW)
    assert target.read_bytes() == OLD


def open_and(name: str, method: str) -> t.Any:
    with open_secret_file(name) as file:
        return getattr(file, method)()


def test_what_is_no_plain_file_is_refused_at_once(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(DeployError, match="is not a plain file"):
        read_regular_file(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(DeployError, match="is not a plain file"):
        read_regular_file(str(path))


def test_a_huge_file_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_secret_file(str(path), OLD)
    monkeypatch.setattr(secret_file, "MAX_SIZE", 10)
    with pytest.raises(DeployError, match="larger than 10 bytes"):
        read_regular_file(str(path))


def test_no_link_on_the_way_is_followed(folder: Path) -> None:
    (folder / "real" / "inner").mkdir(parents=True)
    (folder / "link").symlink_to(folder / "real")
    for way in ("link/.env", "link/inner/.env"):
        with pytest.raises(DeployError, match=r"/link, on the way to .*, is a symbolic link"):
            write_secret_file(str(folder / way), NEW)
    assert list((folder / "real").iterdir()) == [folder / "real" / "inner"]


@pytest.mark.parametrize("bits", [0o775, 0o757, 0o777])
def test_a_folder_open_to_others_is_refused(folder: Path, bits: int) -> None:
    (folder / "open" / "inner").mkdir(parents=True)
    os.chmod(folder / "open", bits)
    for way in ("open/.env", "open/inner/.env"):
        with pytest.raises(DeployError, match=rf"/open, on the way .* written by others \(mode 0{bits:o}\)"):
            write_secret_file(str(folder / way), NEW)
    os.chmod(folder / "open", bits | stat.S_ISVTX)
    write_secret_file(str(folder / "open" / ".env"), NEW)


@needs_root
def test_a_foreign_folder_or_file_is_refused(folder: Path) -> None:
    foreign = folder / "foreign"
    foreign.mkdir()
    os.chown(foreign, NOBODY, NOBODY)
    path = foreign / ".env"
    with pytest.raises(DeployError, match=f"/foreign, on the way .* belongs to user {NOBODY}, who is neither root"):
        write_secret_file(str(path), NEW)
    # Unless the file is for that very user.
    write_secret_file(str(path), NEW, uid=NOBODY, gid=NOBODY)
    os.chown(foreign, 0, 0)
    with pytest.raises(DeployError, match=f"belongs to user {NOBODY}"):
        read_regular_file(str(path))
    assert read_regular_file(str(path), uid=NOBODY) == NEW


@pytest.mark.parametrize("name", ["relative/.env", ".env", "/tmp/", "/tmp/../etc/passwd", "", "/", "/tmp/a\0b"])
def test_paths_must_be_plain_and_absolute(name: str) -> None:
    with pytest.raises(DeployError, match="is not an absolute path of a file"):
        write_secret_file(name, NEW)


def test_a_missing_folder_is_told(folder: Path) -> None:
    with pytest.raises(DeployError, match=r"Cannot enter .*/no: No such file or directory"):
        write_secret_file(str(folder / "no" / ".env"), NEW)
    assert read_regular_file(str(folder / "no" / ".env")) is None


def test_owner_ids() -> None:
    assert owner_ids(None, None) == (os.geteuid(), os.getegid())
    assert owner_ids("root", None) == (0, 0)
    assert owner_ids("0", "12345") == (0, 12345)
    assert owner_ids("4321", None) == (4321, 4321)
    with pytest.raises(DeployError, match="no user nobody-at-all"):
        owner_ids("nobody-at-all", None)
    with pytest.raises(DeployError, match="no group nobody-at-all"):
        owner_ids(None, "nobody-at-all")
