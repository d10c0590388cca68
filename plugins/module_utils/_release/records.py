"""What is remembered of a compose project on its host: its releases, who did what when, and who is at it now.

A folder a project, for the user who deploys alone (0700, files 0600):

- `lock`: flock'd by the process that changes the project; its content says who that is
- `history.jsonl`: a line for whatever was done, oldest first; nothing is ever taken out
- `key`: of the digests in records and labels; made once
- `releases/<number>/record.json` and `releases/<number>/env`: what a release was made of, and its env file byte for byte

Only who holds the lock may call `begin`, `finish` and `prune`. Whatever a crash left half written is as if it weren't there.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, os_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.private_file import (
    is_own_folder,
    make_private_folder,
    open_own_file,
    try_lock,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import (
    read_regular_file,
    write_secret_file,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import first_line, json_line, json_object, now
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record, Result
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import Settings

# Source: compose-go, loader.NormalizeProjectName.
PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
TELL_SECONDS = 30.0
# The history is never cut, so only its end is read: some thousand lines.
TAIL_SIZE = 1024 * 1024

_TRY_SECONDS = 0.2
_KEY_SIZE = 32
# One name, as only the holder of the lock makes releases: so what a killed one left is found.
_UNFINISHED = ".new"


class Records:
    """The records of one compose project.

    :param state_dir: the folder of all projects, absolute and without symbolic links; it need not exist.
    :param project: name of the compose project.
    :raises DeployError: the name is none for compose; from every method: a file or folder can't be used, and why.
    """

    def __init__(self, state_dir: str, project: str) -> None:
        if not PROJECT_NAME.fullmatch(project):
            raise DeployError(
                f"{project!r} is no name for a compose project: lower-case letters, digits, '-' and '_', a letter or digit first."
            )
        if not os.path.isabs(state_dir):
            raise DeployError(
                f"The folder for what is remembered of projects, {state_dir!r}, must be an absolute path."
            )
        self.project = project
        self.folder = f"{state_dir.rstrip('/')}/{project}"
        self._releases = f"{self.folder}/releases"
        self._history = f"{self.folder}/history.jsonl"
        self._lock = f"{self.folder}/lock"

    def key(self) -> bytes | None:
        """The key of digests of values; None before the lock was first held."""
        return read_regular_file(f"{self.folder}/key") if is_own_folder(self.folder) else None

    def all(self) -> list[Record]:
        """The records, oldest first."""
        return [record for record in map(self._read, self._numbers()) if record]

    def get(self, number: int) -> Record:
        """The record of one release.

        :raises DeployError: there is none; the text names those there are.
        """
        record = self._read(number)
        if record is None:
            there = ", ".join(str(record.number) for record in self.all())
            raise DeployError(f"{self.project} has no release {number}. It has: {there or 'none at all'}.")
        return record

    def last_succeeded(self) -> Record | None:
        """The record of the last successful release."""
        newest_first = map(self._read, reversed(self._numbers()))
        return next((record for record in newest_first if record and record.succeeded), None)

    def begin(self, record: Record, env: bytes) -> Record:
        """Record a release that starts now, and return its record with its number.

        :param record: without number, times and result.
        :param env: the content of its env file.
        """
        make_private_folder(self._releases)
        told = [line["release"] for line in self._lines() if isinstance(line.get("release"), int)]
        number = max([0, *self._numbers(), *told]) + 1
        record = record.replace(number=number, started=now(), ended=None, result=Result.STARTED, problem=None)
        unfinished = f"{self._releases}/{_UNFINISHED}"
        with os_errors_in_words("record a release in", self._releases):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(unfinished)
            os.mkdir(unfinished, 0o700)
            write_secret_file(f"{unfinished}/env", env)
            write_secret_file(f"{unfinished}/record.json", json_line(record.to_json()))
            os.rename(unfinished, f"{self._releases}/{number}")
            folder = os.open(self._releases, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return record

    def finish(self, number: int, result: Result, problem: str | None = None) -> Record:
        """Record how a release ended, and return its record.

        :param problem: what went wrong, in words that may be shown; only the first line is kept.
        """
        return self.update(number, ended=now(), result=result, problem=first_line(problem))

    def update(self, number: int, **changes: t.Any) -> Record:
        """Change fields of the record of one release, and return it."""
        record = self.get(number).replace(**changes)
        write_secret_file(f"{self._releases}/{number}/record.json", json_line(record.to_json()))
        return record

    def settings_of(self, number: int) -> Settings:
        """The settings of one release.

        :raises DeployError: they are not kept any more, or are damaged.
        """
        content = read_regular_file(f"{self._releases}/{number}/env")
        if content is None:
            raise DeployError(f"The settings of release {number} of {self.project} are not kept any more.")
        return Settings.parse(content, f"The recorded file of release {number}", self.get(number).parameters)

    def prune(self, keep: int) -> list[Record]:
        """Remove what is older than the newest `keep` successful releases, and return the records that went.

        At least one successful release stays. As long as there is none, the newest `keep` of the others stay.
        """
        keep = max(keep, 1)
        records = self.all()
        kept = [record for record in records if record.succeeded] or records
        if not kept:
            return []
        oldest = kept[-keep:][0].number
        for number in self._numbers():
            if number < oldest:
                with os_errors_in_words("remove", f"{self._releases}/{number}"):
                    shutil.rmtree(f"{self._releases}/{number}")
        return [record for record in records if record.number < oldest]

    def audit(self, **fields: t.Any) -> None:
        """Add a line to the history; `time` is added to the fields."""
        make_private_folder(self.folder)
        line = json_line({"time": now(), **fields})
        fd = open_own_file(self._history, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        with open(fd, "rb+", buffering=0), os_errors_in_words("write", self._history):
            size = os.fstat(fd).st_size
            # Part of a line, left by a crash or a full disk, must not swallow this one.
            if size and os.pread(fd, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, "")
            os.fsync(fd)

    def history(self, limit: int) -> list[Json]:
        """The last `limit` lines of the history, newest first."""
        return self._lines()[::-1][:limit]

    @contextlib.contextmanager
    def locked(self, holder: Json, wait_seconds: float, say: t.Callable[[str], None]) -> t.Iterator[None]:
        """Hold the project's lock; it goes with the process, however that ends.

        :param holder: who wants it, for others to see: `by`, `started_from`, `run`. `pid` and `since` are added.
        :param wait_seconds: how long to wait for somebody else to be done.
        :param say: is told every half minute who that is.
        :raises DeployError: somebody else was not done in time.
        """
        make_private_folder(self.folder)
        fd = open_own_file(self._lock, os.O_RDWR | os.O_CREAT)
        with open(fd, "rb+", buffering=0):
            start, told = time.monotonic(), -TELL_SECONDS
            while not try_lock(fd, fcntl.LOCK_EX):
                waited = time.monotonic() - start
                held = f"The deploy lock of {self.project} is held by {_named(_read_json(fd))}"
                if waited >= wait_seconds:
                    raise DeployError(
                        f"{held}; waited {waited:.0f} s. Run again when that run has ended, or wait longer."
                    )
                if waited - told >= TELL_SECONDS:
                    told = waited
                    say(f"waiting: {held}")
                time.sleep(_TRY_SECONDS)
            with os_errors_in_words("write", self._lock):
                os.ftruncate(fd, 0)
                os.pwrite(fd, json_line({**holder, "pid": os.getpid(), "since": now()}), 0)
            if not self.key():
                write_secret_file(f"{self.folder}/key", secrets.token_bytes(_KEY_SIZE))
            yield

    def holder(self) -> Json | None:
        """Who holds the lock: what was given to `locked`, with `pid` and `since`; None if nobody does.

        Who got it this very moment may not be named yet: `{}`.
        """
        if not is_own_folder(self.folder) or not os.path.lexists(self._lock):
            return None
        fd = open_own_file(self._lock, os.O_RDONLY)
        with open(fd, "rb", buffering=0):
            return None if try_lock(fd, fcntl.LOCK_SH) else _read_json(fd) or {}

    def _numbers(self) -> list[int]:
        """The numbers of the release folders, damaged ones too, ascending."""
        if not is_own_folder(self.folder) or not is_own_folder(self._releases):
            return []
        with os_errors_in_words("read", self._releases):
            return sorted(int(name) for name in os.listdir(self._releases) if re.fullmatch("[1-9][0-9]*", name))

    def _read(self, number: int) -> Record | None:
        try:
            data = json_object(read_regular_file(f"{self._releases}/{number}/record.json") or b"")
        except DeployError:
            return None
        record = Record.from_json(data) if data else None
        return record if record and record.number == number else None

    def _lines(self) -> list[Json]:
        """The end of the history, oldest line first."""
        if not is_own_folder(self.folder) or not os.path.lexists(self._history):
            return []
        fd = open_own_file(self._history, os.O_RDONLY)
        with open(fd, "rb", buffering=0), os_errors_in_words("read", self._history):
            start = max(0, os.fstat(fd).st_size - TAIL_SIZE)
            lines = os.pread(fd, TAIL_SIZE, start).split(b"\n")
        # Where this begins within a line, the rest of that is no JSON.
        return [_renamed(line) for line in map(json_object, lines) if line]


def _renamed(line: Json) -> Json:
    """A line of the history by today's names; earlier versions wrote `origin` for `started_from`."""
    return {"started_from" if name == "origin" else name: value for name, value in line.items()}


def _named(holder: Json | None) -> str:
    who = {"by": "somebody", "started_from": "from somewhere", "since": "just now", "run": "unknown", "pid": "unknown"}
    who.update({key: value for key, value in (holder or {}).items() if value})
    return "{by} ({started_from}) since {since} (run {run}, pid {pid})".format(**who)


def _read_json(fd: int) -> Json | None:
    return json_object(os.pread(fd, TAIL_SIZE, 0))
