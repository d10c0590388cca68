"""Work that goes on when the module that started it, its session or the controller is gone.

A run is started by the first call of `follow` with its id; later calls with that id attach to it. Three processes:

- the module, which only looks at the run's file and may end, or be killed, at any time
- the supervisor, in a session of its own, which does what is to be done when the worker dies
- the worker, in a process group of its own, which does the work; it finishes also without a supervisor

`<folder>/<run>.json` has the run's progress and its result. `<folder>/<run>.lock` is locked for as long as the supervisor
or the worker lives: the kernel lets go of it however they end. Of two that start a run at once, the lock's first does.

Module files are gone once the module ended (they are in a zip that ansible removes), so everything of the collection that
the work uses must be imported before `follow` is called. Imports at the top of modules do that.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.private_file import (
    make_private_folder,
    open_own_file,
    try_lock,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import (
    open_secret_file,
    read_regular_file,
    write_secret_file,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import first_line, json_line, json_object, now
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

Say = t.Callable[[str], None]

KEPT_RUNS = 20
PROGRESS_LINES = 200
PROGRESS_LENGTH = 300

_LOOK_SECONDS = 0.2
# For processes that were sent SIGKILL to be gone.
_END_SECONDS = 10.0


class Followed(t.NamedTuple):
    """What is known of a run.

    `result` and `failure` are None while it isn't `finished`. `failure` says why it failed, None where it didn't; there may
    be a result all the same. `progress` has the last lines: `at` in seconds since the start, each above the one before, and
    `text`.
    """

    finished: bool
    result: Json | None
    failure: str | None
    progress: list[Json]


def follow(
    folder: str,
    run: str,
    work: t.Callable[[Say], Json],
    recover: t.Callable[[Say, str], Json],
    attach_seconds: float,
    about: Json,
) -> Followed:
    """Start a run unless it was started already, and return when it is finished or `attach_seconds` are over.

    :param folder: of the runs; absolute. It is made if need be.
    :param run: id of the run: letters, digits, `-` and `_`.
    :param work: is called in the worker with a function that adds a line to the progress. It returns the run's result, which
        must fit into JSON; the text `failure` in it, if there is one, is taken out and makes it a failed run. What it raises
        makes a failed run without a result.
    :param recover: is called in the supervisor, as `work` is and with how the worker died, if that left no result. All
        that is left of the worker's process group has been killed by then.
    :param about: `by` and `started_from` of the run.
    :raises DeployError: the folder or a file in it can't be used.
    """
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", run):
        raise DeployError(f"{run!r} is no id for a run: letters, digits, '-' and '_', at most 64 of them.")
    make_private_folder(folder)
    end = time.monotonic() + attach_seconds
    while True:
        with _seen(folder, run) as (state, lock_fd):
            if state is None and lock_fd is not None:
                _prune(folder, KEPT_RUNS - 1)
                file = _RunFile(folder, run, {"run": run, "by": None, "started_from": None, **about, "started": now()})
                file.write()
                _start(file, lock_fd, work, recover)
        state = state or {}
        if state.get("ended"):
            _mark_delivered(folder, run)
            return Followed(True, state["result"], state["failure"], state["progress"])
        if time.monotonic() >= end:
            return Followed(False, None, None, state.get("progress", []))
        time.sleep(_LOOK_SECONDS)


def undelivered(folder: str, but: str) -> list[Json]:
    """The runs that have ended without anybody being told, and which are taken as told from now on.

    :param but: the id of a run that is left out.
    :return: oldest first: `run`, `started`, `by`, `started_from`, `failure` (its first line, or None) and `release` (what the result
        has under that name, or None).
    """
    told = []
    for run in _runs(folder):
        if run == but:
            continue
        with _seen(folder, run) as (state, _lock_fd):
            if not state or not state.get("ended") or state["delivered"]:
                continue
        _mark_delivered(folder, run)
        one = {key: state.get(key) for key in ("run", "started", "by", "started_from")}
        told.append({**one, "failure": first_line(state["failure"]), "release": (state["result"] or {}).get("release")})
    return sorted(told, key=lambda one: one["started"] or "")


class _RunFile:
    """The file of a run, as the one process that writes it at a time sees it."""

    def __init__(self, folder: str, run: str, state: Json) -> None:
        self._path = f"{folder}/{run}.json"
        self._start = time.monotonic()
        self.state = {
            "pids": {},
            "progress": [],
            "ended": None,
            "result": None,
            "failure": None,
            "delivered": False,
            **state,
        }

    def write(self) -> None:
        write_secret_file(self._path, json_line(self.state))

    def read(self) -> None:
        """Take over what another process wrote."""
        self.state.update(json_object(read_regular_file(self._path) or b"") or {})

    def say(self, text: str) -> None:
        """Add a line to the progress; work doesn't fail because that can't be written."""
        progress = self.state["progress"]
        at = round(time.monotonic() - self._start, 3)
        if progress:
            at = max(at, round(progress[-1]["at"] + 0.001, 3))
        progress.append({"at": at, "text": text[:PROGRESS_LENGTH]})
        del progress[:-PROGRESS_LINES]
        with contextlib.suppress(DeployError):
            self.write()

    def end(self, work: t.Callable[..., Json], *args: t.Any) -> None:
        """Do the work and write what came of it."""
        # Also what doesn't fit into JSON is to be told.
        result, failure = attempt(lambda: json_object(json_line(work(self.say, *args))) or {})
        if result is not None:
            failure = result.pop("failure", None)
        self.state.update(result=result, failure=failure, ended=now())
        self.write()


@contextlib.contextmanager
def _seen(folder: str, run: str) -> t.Iterator[tuple[Json | None, int | None]]:
    """What a run's file says, None if there is none yet, and the descriptor of its lock unless a process of the run lives.

    A run whose processes are gone without a result is over: that is written, and seen.
    """
    fd = open_own_file(f"{folder}/{run}.lock", os.O_RDWR | os.O_CREAT)
    try:
        # Before the file is read: the last that a run does is to write it.
        free = try_lock(fd, fcntl.LOCK_EX)
        content = read_regular_file(f"{folder}/{run}.json")
        state = None if content is None else json_object(content) or {}
        if free and state is not None and not state.get("ended"):
            file = _RunFile(folder, run, {"run": run, **state})
            file.state.update(
                ended=now(),
                failure=f"Run {run} was cut short: the host was restarted, its processes were killed, or its disk is full. What "
                "it had begun was neither finished nor taken back: run the playbook again.",
            )
            file.write()
            state = file.state
        yield state, fd if free else None
    finally:
        os.close(fd)


def _start(file: _RunFile, lock_fd: int, work: t.Callable[[Say], Json], recover: t.Callable[[Say, str], Json]) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        # Not the session's leader, it never gets a terminal again; an orphan, it is no zombie of the module's either.
        if os.fork() == 0:
            _detach(lock_fd)
            _supervise(file, work, recover)
    finally:
        # Never back into the module, whose temporary files and output are not this process's.
        os._exit(0)


def _detach(kept_fd: int) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        # Those of the C library's own can't be set.
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir("/")
    os.umask(0o077)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd != kept_fd:
            with contextlib.suppress(OSError):
                os.close(fd)


def _supervise(file: _RunFile, work: t.Callable[[Say], Json], recover: t.Callable[[Say, str], Json]) -> None:
    supervisor = os.getpid()
    worker = os.fork()
    if worker == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            file.state["pids"] = {"supervisor": supervisor, "worker": os.getpid()}
            file.write()
            file.end(work)
            code = 0
        finally:
            os._exit(code)
    # Looked at without being reaped, it keeps its number, and so its group's, from being given to another.
    os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
    file.read()
    if not file.state["ended"]:
        _kill_group(worker)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    if not file.state["ended"]:
        _wait_for_group(worker)
        died = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
        file.end(recover, died)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _wait_for_group(group: int) -> None:
    end = time.monotonic() + _END_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < end:
            os.killpg(group, 0)
            time.sleep(0.05)


def _mark_delivered(folder: str, run: str) -> None:
    # The run is over: what it came to is told also if this can't be written.
    with contextlib.suppress(DeployError), open_secret_file(f"{folder}/{run}.json") as file:
        state = json_object(file.read() or b"")
        if state and not state["delivered"]:
            file.write(json_line({**state, "delivered": True}))


def _runs(folder: str) -> list[str]:
    try:
        return [name[: -len(".json")] for name in os.listdir(folder) if re.fullmatch(r"[A-Za-z0-9_-]+\.json", name)]
    except FileNotFoundError:
        return []


def _prune(folder: str, keep: int) -> None:
    def changed(run: str) -> float:
        return os.stat(f"{folder}/{run}.json").st_mtime

    with contextlib.suppress(FileNotFoundError):
        for run in sorted(_runs(folder), key=changed)[:-keep]:
            for ending in ("json", "lock"):
                os.unlink(f"{folder}/{run}.{ending}")
