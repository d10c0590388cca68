# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import textwrap
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._release import detached

# What stands in for the module: `work` and `recover` come from the test.
MODULE = """
import os, signal, subprocess, sys, time
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._release import detached
folder, run, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
def until(name):
    while not os.path.exists(f"{folder}/../{name}"):
        time.sleep(0.02)
def mark(name, text=""):
    with open(f"{folder}/../{name}", "a") as file:
        file.write(text + "\\n")
def recover(say, died):
    mark("recovered", died)
    say("taken back")
    return {"failure": f"the worker {died}", "release": 7}
WORK
print(detached.follow(folder, run, work, recover, seconds, {"by": "alice", "started_from": "laptop"}))
"""
LONG = 30.0


class Host:
    """A folder of runs, and what happens in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "runs"
        self.marks = folder
        self._children: list[subprocess.Popen] = []

    def module(self, work: str, run: str = "r1", seconds: float = LONG, **more: t.Any) -> subprocess.Popen:
        """Start a process that follows a run."""
        code = MODULE.replace("WORK", f"def work(say):\n{textwrap.indent(textwrap.dedent(work), '    ')}\n")
        arguments = [sys.executable, "-c", code, str(self.folder), run, str(seconds)]
        self._children.append(subprocess.Popen(arguments, **more))
        return self._children[-1]

    def begin(self, work: str, run: str = "r1") -> None:
        """Start a run and be back when its worker is at work: `work` has marked `began`."""
        assert self.module(f"mark('began')\n{textwrap.dedent(work)}", run, 0, stdout=subprocess.DEVNULL).wait() == 0
        self.until("began")

    def follow(self, run: str = "r1", seconds: float = LONG) -> detached.Followed:
        """Attach to a run that was started."""
        return detached.follow(str(self.folder), run, never, never, seconds, {})

    def state(self, run: str = "r1") -> dict[str, t.Any]:
        return json.loads((self.folder / f"{run}.json").read_bytes())

    def kill(self, who: str, run: str = "r1", number: int = signal.SIGKILL) -> None:
        os.kill(self.state(run)["pids"][who], number)

    def mark(self, name: str) -> None:
        (self.marks / name).touch()

    def marked(self, name: str) -> list[str]:
        return (self.marks / name).read_text().splitlines()

    def until(self, name: str) -> None:
        until((self.marks / name).exists)

    def close(self) -> None:
        for child in self._children:
            child.kill()
            child.wait()
            for pipe in filter(None, (child.stdout, child.stderr)):
                pipe.close()
        for path in self.folder.glob("*.json"):
            for pid in json.loads(path.read_bytes())["pids"].values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def never(*_args: object) -> dict[str, t.Any]:
    raise AssertionError("this run was started before")


def until(condition: t.Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether no such process is left; a zombie that nobody has reaped yet in this container counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def host(tmp_path: Path) -> t.Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.close()


def test_a_run_that_is_done_in_time(host: Host) -> None:
    module = host.module("say('one'); say('two'); return {'changed': True, 'release': 3}", stdout=subprocess.PIPE)
    said = module.communicate()[0].decode()
    assert said.startswith(
        "Followed(finished=True, result={'changed': True, 'release': 3}, failure=None, progress=[{'at': "
    )
    followed = host.follow()
    assert (followed.finished, followed.result, followed.failure) == (True, {"changed": True, "release": 3}, None)
    assert [line["text"] for line in followed.progress] == ["one", "two"]
    assert 0 <= followed.progress[0]["at"] < followed.progress[1]["at"] < LONG


def test_files_are_private(host: Host) -> None:
    host.module("return {}", umask=0).wait()
    assert {stat.S_IMODE(path.stat().st_mode) for path in host.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(host.folder.stat().st_mode) == 0o700


def test_the_module_is_back_before_long_work_is_done(host: Host) -> None:
    module = host.module(
        "say('on it'); mark('said'); until('go'); return {'n': 1}", seconds=0.5, stdout=subprocess.PIPE
    )
    assert module.communicate()[0].startswith(b"Followed(finished=False, result=None, failure=None, progress=[")
    host.until("said")
    assert host.follow(seconds=0)[:3] == (False, None, None)
    assert [line["text"] for line in host.follow(seconds=0).progress] == ["on it"]
    host.mark("go")
    assert host.follow()[:3] == (True, {"n": 1}, None)


def test_the_callers_pipe_ends_with_the_module_though_the_work_goes_on(host: Host) -> None:
    module = host.module("until('go'); return {}", seconds=0, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Only returns at the end of the pipe.
    module.communicate(timeout=LONG)
    assert not host.follow(seconds=0).finished
    host.mark("go")
    assert host.follow().finished


def test_the_work_has_nothing_of_the_modules_but_what_it_needs(host: Host) -> None:
    secret = host.marks / "secret"
    secret.write_text("s")
    with open(secret) as file:
        fd = os.dup(file.fileno())
        os.set_inheritable(fd, True)
        host.module(
            """
            fds = {int(fd): os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                   if os.path.exists(f"/proc/self/fd/{fd}")}
            child = subprocess.run(["ls", "-l", "/proc/self/fd"], stdout=subprocess.PIPE, text=True).stdout
            handlers = {n: int(signal.getsignal(n)) for n in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
            return {"fds": fds, "child": child, "cwd": os.getcwd(), "umask": os.umask(0), "sid": os.getsid(0),
                    "group": os.getpgid(0), "pid": os.getpid(), "parent": os.getppid(), "handlers": handlers,
                    "parents_group": os.getpgid(os.getppid()), "masked": len(signal.pthread_sigmask(0, ()))}
            """,
            close_fds=False,
            preexec_fn=lambda: (
                signal.signal(signal.SIGHUP, signal.SIG_IGN),
                signal.pthread_sigmask(0, {signal.SIGTERM}),
            ),
            cwd=host.marks,
        ).wait()
        os.close(fd)
    result = host.follow().result
    assert result is not None
    assert sorted(result["fds"].values()) == ["/dev/null"] * 3 + [str(host.folder / "r1.lock")]
    # Nor what runs commands for it, not even the lock.
    assert "/tmp" not in result["child"].replace("/proc", "")
    assert "lock" not in result["child"]
    assert (result["cwd"], result["umask"], result["masked"]) == ("/", 0o077, 0)
    assert set(result["handlers"].values()) == {int(signal.SIG_DFL)}
    assert result["group"] == result["pid"]
    assert result["parents_group"] != result["group"]
    # Its session's leader is gone: no terminal can become theirs.
    assert result["sid"] not in (result["pid"], result["parent"], os.getsid(0))
    pids = host.state()["pids"]
    assert pids == {"supervisor": result["parent"], "worker": result["pid"]}


def test_the_end_of_the_terminal_is_not_the_end_of_the_work(host: Host) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            host.module("mark('began'); until('go'); return {'n': 1}").wait()
        finally:
            os._exit(1)
    host.until("began")
    # The session of the terminal gets SIGHUP.
    os.close(terminal)
    os.waitpid(pid, 0)
    assert not host.follow(seconds=0).finished
    host.mark("go")
    assert host.follow()[:3] == (True, {"n": 1}, None)


def test_a_killed_module_costs_nothing(host: Host) -> None:
    module = host.module("mark('began'); until('go'); return {'n': 1}")
    host.until("began")
    os.kill(module.pid, signal.SIGKILL)
    module.wait()
    host.mark("go")
    assert host.follow()[:3] == (True, {"n": 1}, None)


@pytest.mark.parametrize(
    ("work", "result", "failure"),
    [
        ("return {'failure': 'web is sick', 'release': 3}", {"release": 3}, "web is sick"),
        ("return {'failure': None, 'release': 3}", {"release": 3}, None),
        ("raise DeployError('no such file')", None, "no such file"),
        ("raise ValueError('hunter2')", None, "Unforeseen ValueError in <string>, line"),
        ("return {'fd': open('/dev/null')}", None, "Unforeseen TypeError in encoder.py, line"),
    ],
)
def test_work_that_fails(host: Host, work: str, result: dict | None, failure: str | None) -> None:
    host.module(work).wait()
    followed = host.follow()
    assert followed.finished
    assert followed.result == result
    assert (followed.failure or "")[: len(failure or "")] == (failure or "")
    assert "hunter2" not in str(host.state())
    assert not (host.marks / "recovered").exists()


CHILDREN = """
child = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 77 & sleep 77"])
mark('child', str(child.pid))
say('under way')
"""


@pytest.mark.parametrize(
    ("death", "died"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed (SIGKILL)"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "was killed (SIGTERM)"),
        ("os._exit(5)", "ended with code 5"),
        ("sys.exit(0)", "ended with code 1"),
    ],
)
def test_a_worker_that_dies_is_recovered_from(host: Host, death: str, died: str) -> None:
    host.begin(f"{CHILDREN}\n{death}")
    followed = host.follow()
    assert followed[:3] == (True, {"release": 7}, f"the worker {died}")
    assert [line["text"] for line in followed.progress] == ["under way", "taken back"]
    assert followed.progress[0]["at"] < followed.progress[1]["at"]
    assert host.marked("recovered") == [died]
    assert len(host.marked("began")) == 1


def test_what_a_killed_worker_started_is_gone_before_it_is_recovered_from(host: Host) -> None:
    host.begin(f"{CHILDREN}\nuntil('never')")
    host.until("child")
    child = int(host.marked("child")[0])
    group = host.state()["pids"]["worker"]
    assert os.getpgid(child) == group
    host.kill("worker")
    host.until("recovered")
    assert is_gone(child)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        until(lambda: not [pid for pid in pids_of_group(group) if not is_gone(pid)])
    host.follow()


def pids_of_group(group: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                found.append(int(path.parent.name))
    return found


def test_without_a_supervisor_the_work_is_finished(host: Host) -> None:
    host.begin("until('go'); return {'n': 1}")
    host.kill("supervisor")
    assert not host.follow(seconds=0.3).finished
    host.mark("go")
    assert host.follow()[:3] == (True, {"n": 1}, None)
    assert not (host.marks / "recovered").exists()


def test_without_either_the_run_was_cut_short(host: Host) -> None:
    host.begin("say('under way'); mark('said'); until('never')")
    host.until("said")
    host.kill("supervisor")
    host.kill("worker")
    followed = host.follow()
    assert followed[:2] == (True, None)
    assert (followed.failure or "").startswith("Run r1 was cut short: ")
    assert "run the playbook again" in (followed.failure or "")
    assert [line["text"] for line in followed.progress] == ["under way"]
    assert not (host.marks / "recovered").exists()
    # And stays so.
    assert host.follow() == followed
    assert host.state()["ended"]


def test_a_run_whose_file_is_damaged_is_not_begun_again(host: Host) -> None:
    host.begin("return {}")
    host.follow()
    (host.folder / "r1.json").write_bytes(b"\0\0")
    assert (host.follow().failure or "").startswith("Run r1 was cut short")


def test_no_zombies(host: Host) -> None:
    code = (
        "import subprocess\n"
        "def children():\n"
        "    return subprocess.run(['ps', '--ppid', str(os.getpid()), '-o', 'stat='], capture_output=True, text=True).stdout\n"
        "import atexit; atexit.register(lambda: mark('left', repr(children().count('Z'))))\n"
    )
    work = "until('go'); return {}"
    text = MODULE.replace("WORK", f"{code}\ndef work(say):\n    {work}\n")
    host.mark("go")
    subprocess.run([sys.executable, "-c", text, str(host.folder), "r1", str(LONG)], check=True)
    assert host.marked("left") == ["0"]
    pids = host.state()["pids"]
    until(lambda: is_gone(pids["worker"]) and is_gone(pids["supervisor"]))


def test_two_that_start_a_run_at_once(host: Host) -> None:
    for number in range(5):
        work = f"mark('worked{number}'); time.sleep(0.3); return {{'n': os.getpid()}}"
        modules = [host.module(work, f"r{number}", stdout=subprocess.PIPE) for _dummy in range(4)]
        said = {module.communicate()[0].decode().partition(", failure")[0] for module in modules}
        assert len(host.marked(f"worked{number}")) == 1
        assert said == {f"Followed(finished=True, result={{'n': {host.state(f'r{number}')['pids']['worker']}}}"}


def test_several_attach_at_once(host: Host) -> None:
    host.begin("until('go'); return {'n': 1}")
    modules = [host.module("mark('again')", stdout=subprocess.PIPE) for _dummy in range(3)]
    host.mark("go")
    for module in modules:
        assert module.communicate()[0].startswith(b"Followed(finished=True, result={'n': 1}, failure=None")
    assert not (host.marks / "again").exists()


def test_attaching_after_the_end(host: Host) -> None:
    host.begin("return {'n': 1}")
    until(lambda: bool(host.state()["ended"]))
    assert host.follow(seconds=0)[:3] == (True, {"n": 1}, None)
    assert host.follow(seconds=0)[:3] == (True, {"n": 1}, None)


def test_of_progress_the_last_lines_are_kept(host: Host) -> None:
    host.module("for n in range(230): say(f'{n} ' + 'x' * 400)\nreturn {}").wait()
    progress = host.follow().progress
    assert [int(line["text"].split()[0]) for line in progress] == list(range(30, 230))
    assert {len(line["text"]) for line in progress} == {300}
    ats = [line["at"] for line in progress]
    assert ats == sorted(set(ats))


def test_no_two_lines_of_progress_are_of_the_same_moment(host: Host) -> None:
    host.module("now = time.monotonic(); time.monotonic = lambda: now; [say('x') for _ in range(3)]; return {}").wait()
    ats = [line["at"] for line in host.follow().progress]
    assert len(set(ats)) == 3
    assert ats == sorted(ats)


def test_work_does_not_fail_when_progress_cannot_be_written(host: Host) -> None:
    host.begin(
        """
        os.rename(folder, f"{folder}-away")
        say("unheard")
        os.rename(f"{folder}-away", folder)
        mark("back")
        return {'n': 1}
        """
    )
    host.until("back")
    assert host.follow()[:3] == (True, {"n": 1}, None)


def test_a_result_that_cannot_be_written_is_as_good_as_none(host: Host) -> None:
    host.begin(
        """
        os.mkdir(f"{folder}/.r1.json.new")
        mark("blocked")
        return {"n": 1}
        """
    )
    host.until("blocked")
    until(lambda: is_gone(host.state()["pids"]["worker"]) and is_gone(host.state()["pids"]["supervisor"]))
    assert host.marked("recovered") == ["ended with code 1"]
    os.rmdir(host.folder / ".r1.json.new")
    assert "its disk is full" in (host.follow().failure or "")


def test_undelivered(host: Host) -> None:
    assert detached.undelivered(str(host.folder), "r9") == []
    host.module("return {'release': 1}", "told").wait()
    for run, work in (
        ("good", "return {'release': 2}"),
        ("bad", "return {'failure': 'web is sick\\nits logs', 'release': 3}"),
        ("mine", "return {}"),
    ):
        host.begin(work, run)
        until(lambda run=run: bool(host.state(run)["ended"]))
    host.begin("until('go'); return {'release': 4}", "late")
    host.begin("mark('there'); until('never')", "dead")
    host.until("there")
    host.kill("supervisor", "dead")
    host.kill("worker", "dead")
    until(lambda: is_gone(host.state("dead")["pids"]["worker"]))
    told = {one["run"]: one for one in detached.undelivered(str(host.folder), "mine")}
    assert set(told) == {"good", "bad", "dead"}
    assert told["good"] == {
        "run": "good", "by": "alice", "started_from": "laptop", "started": told["good"]["started"], "failure": None, "release": 2
    }  # fmt: skip
    assert (told["bad"]["failure"], told["bad"]["release"]) == ("web is sick", 3)
    assert told["dead"]["failure"].startswith("Run dead was cut short")
    assert detached.undelivered(str(host.folder), "mine") == []
    host.mark("go")
    until(lambda: bool(host.state("late")["ended"]))
    assert [one["run"] for one in detached.undelivered(str(host.folder), "x")] == ["mine", "late"]


def test_undelivered_says_the_oldest_first(host: Host) -> None:
    for run, started in (("a", "2026-01-02"), ("b", "2026-01-01"), ("c", "2026-01-03")):
        host.module("return {}", run, 0).wait()
        until(lambda run=run: bool(host.state(run)["ended"]))
        with (host.folder / f"{run}.lock").open("r+") as lock:
            # Until then, the supervisor may write once more.
            fcntl.flock(lock, fcntl.LOCK_EX)
        state = {**host.state(run), "started": started, "delivered": False}
        (host.folder / f"{run}.json").write_text(json.dumps(state))
    assert [one["run"] for one in detached.undelivered(str(host.folder), "x")] == ["b", "a", "c"]


def test_twenty_runs_are_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.module("return {}", "first").wait()
    for number in range(25):
        path = host.folder / f"old{number}.json"
        path.write_bytes((host.folder / "first.json").read_bytes())
        (host.folder / f"old{number}.lock").touch()
        os.utime(path, (number, number))
    host.module("return {}", "last").wait()
    kept = {"first", "last", *(f"old{number}" for number in range(7, 25))}
    assert len(kept) == 20
    assert {path.name for path in host.folder.iterdir()} == {f"{run}.{end}" for run in kept for end in ("json", "lock")}


@pytest.mark.parametrize("run", ["", "../r1", "a/b", "r1\n", "x" * 65, "."])
def test_other_ids_are_refused(host: Host, run: str) -> None:
    with pytest.raises(DeployError, match="is no id for a run"):
        host.follow(run)
    assert not host.folder.exists()


def test_a_run_that_lives_is_seen_by_its_lock_alone(host: Host) -> None:
    """Not by its pids: those may be others' by now."""
    host.begin("until('go'); return {}")
    with open(host.folder / "r1.lock") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    host.mark("go")
    host.follow()
    until(lambda: is_gone(host.state()["pids"]["supervisor"]))
    with open(host.folder / "r1.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
