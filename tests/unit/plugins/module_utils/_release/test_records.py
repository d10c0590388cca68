# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.private_file import make_private_folder
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import first_line
from ansible_collections.popcon.deploy.plugins.module_utils._release import records as _records
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record, Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import sample_record

ME = {"by": "alice", "started_from": "laptop", "run": "r1"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(f"{tmp_path}/state/projects", "popcon")


def released(records: Records, *results: str) -> None:
    for result in results:
        number = records.begin(sample_record(), b"").number
        if result != "started":
            records.finish(number, Result(result))


def numbers(records: Records) -> list[int]:
    return [record.number for record in records.all()]


def quiet(_text: str) -> None:
    pass


@pytest.fixture
def held(records: Records) -> t.Iterator[subprocess.Popen]:
    """Another process that holds the lock."""
    state_dir = os.path.dirname(records.folder)
    code = (
        "import sys, time\n"
        "from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records\n"
        f"with Records({state_dir!r}, 'popcon').locked({ME!r}, 0, print):\n"
        "    print(flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    yield process
    process.kill()
    process.communicate()


def test_nothing_is_there_yet(records: Records) -> None:
    assert records.all() == []
    assert records.history(5) == []
    assert records.holder() is None
    assert records.last_succeeded() is None
    assert records.prune(3) == []
    with pytest.raises(DeployError, match=r"popcon has no release 1\. It has: none at all\."):
        records.get(1)
    assert not os.path.exists(records.folder)


def test_a_release_from_its_beginning_to_its_end(records: Records) -> None:
    env = b"A='$x'\n"
    record = sample_record(commit="c" * 40, parameters=[{"key": "A", "name": "/app/A", "version": 2}])
    begun = records.begin(record, env)
    assert begun == records.get(1) == record.replace(number=1, started=begun.started)
    assert begun.started.endswith("Z") and begun.result is Result.STARTED
    assert records.last_succeeded() is None
    ended = records.finish(1, Result.SUCCEEDED)
    assert ended == records.last_succeeded() == begun.replace(ended=ended.ended, result=Result.SUCCEEDED)
    assert ended.ended >= begun.started
    assert (
        records.update(1, definitions={"web": "hash"}) == ended.replace(definitions={"web": "hash"}) == records.get(1)
    )
    settings = records.settings_of(1)
    assert (settings.content, settings.values, settings.sources) == (env, {"A": "$x"}, record.parameters)
    records.finish(1, Result.FAILED, "\n first\nsecond")
    assert records.get(1).problem == "first"
    assert records.last_succeeded() is None


def test_everything_is_private(records: Records) -> None:
    before = os.umask(0)
    try:
        records.begin(sample_record(), b"secret")
        records.audit(action="deploy")
        with records.locked(ME, 0, quiet):
            pass
    finally:
        os.umask(before)
    state = Path(records.folder).parent.parent
    seen = {path.relative_to(state).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in state.rglob("*")}
    files = {
        "projects/popcon/" + name
        for name in ("lock", "key", "history.jsonl", "releases/1/env", "releases/1/record.json")
    }
    assert files < set(seen)
    assert seen == {name: 0o600 if name in files else 0o700 for name in seen}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_folder_that_is_open_to_others_is_closed(records: Records) -> None:
    os.makedirs(records.folder, 0o755)
    records.audit(action="deploy")
    assert stat.S_IMODE(os.stat(records.folder).st_mode) == 0o700


def test_what_is_no_release_is_left_alone(records: Records) -> None:
    released(records, "succeeded", "succeeded")
    others = {"01", "x", "\u00b2", "0", "-1"}
    for name in others:
        os.mkdir(f"{records.folder}/releases/{name}")
    assert numbers(records) == [1, 2]
    assert [record.number for record in records.prune(1)] == [1]
    assert set(os.listdir(f"{records.folder}/releases")) == {"2", *others}


def test_numbers_never_repeat(records: Records) -> None:
    released(records, "succeeded", "failed", "succeeded")
    assert [record.number for record in records.prune(1)] == [1, 2]
    assert numbers(records) == [3]
    assert records.begin(sample_record(), b"").number == 4
    # Also where only the history, or a damaged folder, tells of a number.
    records.audit(release=7)
    assert records.begin(sample_record(), b"").number == 8
    os.makedirs(f"{records.folder}/releases/12")
    assert records.begin(sample_record(), b"").number == 13


def test_ascending_by_number_not_by_text(records: Records) -> None:
    records.audit(release=8)
    released(records, "succeeded", "succeeded", "succeeded")
    assert numbers(records) == [9, 10, 11]
    assert records.last_succeeded().number == 11


@pytest.mark.parametrize(
    ("results", "keep", "left"),
    [
        ("ggggg", 2, [4, 5]),
        ("ggfgf", 2, [2, 3, 4, 5]),
        ("gffff", 1, [1, 2, 3, 4, 5]),
        ("fgfgi", 1, [4, 5]),
        ("ffg", 5, [3]),
        ("ffff", 2, [3, 4]),
        ("gggs", 0, [3, 4]),
        ("gg", 9, [1, 2]),
    ],
)
def test_prune(records: Records, results: str, keep: int, left: list[int]) -> None:
    words = {"g": "succeeded", "f": "failed", "i": "interrupted", "s": "started"}
    released(records, *(words[letter] for letter in results))
    gone = [record.number for record in records.prune(keep)]
    assert numbers(records) == left
    assert gone + left == list(range(1, len(results) + 1))
    assert sorted(os.listdir(f"{records.folder}/releases")) == [str(number) for number in left]


def test_prune_removes_damaged_ones_too(records: Records) -> None:
    released(records, "succeeded", "succeeded", "succeeded")
    os.unlink(f"{records.folder}/releases/1/record.json")
    assert [record.number for record in records.prune(1)] == [2]
    assert os.listdir(f"{records.folder}/releases") == ["3"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b'{"format": 2, "number": 2', b"[]", b"\xff",
     *(json.dumps({**sample_record(number=2).to_json(), **changed}).encode()
       for changed in ({"number": 3}, {"format": 3}, {"result": "none"}, {"images": None}, {"http_checks": [{}]}))],
)  # fmt: skip
def test_a_damaged_record_is_skipped(records: Records, content: bytes) -> None:
    released(records, "succeeded", "succeeded")
    Path(records.folder, "releases/2/record.json").write_bytes(content)
    assert numbers(records) == [1]
    assert records.last_succeeded().number == 1
    with pytest.raises(DeployError, match=r"no release 2\. It has: 1\."):
        records.get(2)
    assert records.begin(sample_record(), b"").number == 3


def test_links_in_the_place_of_records_are_not_followed(records: Records, tmp_path: Path) -> None:
    released(records, "succeeded", "succeeded")
    releases = Path(records.folder, "releases")
    (releases / "1").rename(tmp_path / "1")
    (releases / "1").symlink_to(tmp_path / "1")
    record = releases / "2" / "record.json"
    record.rename(tmp_path / "record.json")
    record.symlink_to(tmp_path / "record.json")
    assert records.all() == []
    releases.rename(tmp_path / "releases")
    releases.symlink_to(tmp_path / "releases")
    with pytest.raises(DeployError, match="is not a folder of the user"):
        records.all()


@pytest.mark.parametrize("name", ["lock", "history.jsonl"])
def test_files_are_no_links_and_no_pipes(records: Records, tmp_path: Path, name: str) -> None:
    make_private_folder(records.folder)
    (tmp_path / "other").write_text("kept")
    path = Path(records.folder, name)

    def uses() -> t.Iterator[t.Callable[[], t.Any]]:
        if name == "lock":
            yield records.holder
            yield lambda: records.locked(ME, 0, quiet).__enter__()
        else:
            yield lambda: records.history(1)
            yield lambda: records.audit(action="deploy")

    path.symlink_to(tmp_path / "other")
    for use in uses():
        with pytest.raises(DeployError, match=f"Cannot open .*/{name}: it is a symbolic link"):
            use()
    path.unlink()
    os.mkfifo(path)
    for use in uses():
        with pytest.raises(DeployError, match=f"{name} is not a plain file of the user"):
            use()
    assert (tmp_path / "other").read_text() == "kept"


@needs_root
def test_a_foreign_folder_is_refused(records: Records) -> None:
    released(records, "succeeded")
    os.chown(records.folder, 65534, 65534)
    for use in (records.all, records.holder, lambda: records.history(1), lambda: records.begin(sample_record(), b""),
                lambda: records.audit(action="x"), lambda: records.locked(ME, 0, quiet).__enter__()):  # fmt: skip
        with pytest.raises(DeployError, match=r"is not a folder of the user this runs as|belongs to user 65534"):
            use()


@needs_root
def test_another_user_is_told_so_rather_than_that_there_is_nothing(records: Records) -> None:
    released(records, "succeeded")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setuid(65534)
            records.all()
        except DeployError as exc:
            code = 3 if "Permission denied" in str(exc) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "-a", "_a", "a b", "a\n", "."])
def test_other_names_than_composes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeployError, match="no name for a compose project"):
        Records(str(tmp_path), name)


def test_a_relative_folder_is_refused() -> None:
    with pytest.raises(DeployError, match="must be an absolute path"):
        Records("state", "popcon")


def test_what_a_killed_begin_left_is_cleared_up(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_records.os, "rename", killed)
        patch.setattr(_records, "write_secret_file", lambda path, data: Path(path).write_bytes(data))
        with pytest.raises(KeyboardInterrupt):
            records.begin(sample_record(), b"secret")
    assert records.all() == []
    assert records.begin(sample_record(), b"A=other\n").number == 1
    assert os.listdir(f"{records.folder}/releases") == ["1"]
    assert records.settings_of(1).content == b"A=other\n"


def test_a_full_disk_is_told(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    make_private_folder(records.folder)
    records.audit(n=1)
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(_records.os, "write", lambda fd, data: real(fd, data[:10]))
        with pytest.raises(DeployError, match=r"Cannot write .*/history\.jsonl: No space left on device\."):
            records.audit(n=2)
    # What of the line did fit is neither read nor in the way.
    records.audit(n=3)
    assert [line["n"] for line in records.history(9)] == [3, 1]


def test_history(records: Records) -> None:
    for number in range(5):
        records.audit(release=number, problem="a\nb \u2028 ü")
    lines = records.history(3)
    assert [line["release"] for line in lines] == [4, 3, 2]
    assert lines[0]["problem"] == "a\nb \u2028 ü"
    assert set(lines[0]) == {"time", "release", "problem"}


@pytest.mark.parametrize("torn", [b'{"n": 9', b"\0\0\0", b"[1]", b"\xff"])
def test_a_torn_last_line_costs_no_other(records: Records, torn: bytes) -> None:
    records.audit(n=1)
    with open(f"{records.folder}/history.jsonl", "ab") as file:
        file.write(torn)
    assert [line["n"] for line in records.history(9)] == [1]
    records.audit(n=2)
    records.audit(n=3)
    assert [line["n"] for line in records.history(9)] == [3, 2, 1]


def test_of_a_long_history_the_end_is_read(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 51):
        records.audit(release=number)
    monkeypatch.setattr(_records, "TAIL_SIZE", 500)
    read = [line["release"] for line in records.history(99)]
    assert read == list(range(50, 50 - len(read), -1))
    assert 5 < len(read) < 15
    assert records.begin(sample_record(), b"").number == 51


def test_lines_of_several_writers_are_all_there_and_whole(records: Records) -> None:
    make_private_folder(records.folder)
    pids = []
    for writer in range(3):
        pid = os.fork()
        if pid == 0:
            for number in range(30):
                records.audit(who=writer, n=number)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0]
    got = sorted((line["who"], line["n"]) for line in records.history(999))
    assert got == [(writer, number) for writer in range(3) for number in range(30)]


def test_the_holder_is_seen_while_it_holds(records: Records) -> None:
    with records.locked(ME, 0, quiet):
        holder = records.holder()
        assert holder == {**ME, "pid": os.getpid(), "since": holder["since"]}
    assert records.holder() is None
    with records.locked({"by": "bob"}, 0, quiet):
        assert records.holder()["by"] == "bob"
        assert "run" not in records.holder()


def test_the_lock_goes_with_its_holder_however_that_ends(records: Records, held: subprocess.Popen) -> None:
    assert records.holder()["pid"] == held.pid
    held.send_signal(signal.SIGKILL)
    held.wait()
    assert records.holder() is None
    with records.locked(ME, 0, quiet):
        pass


def test_who_waits_in_vain_is_told_for_whom(records: Records, held: subprocess.Popen) -> None:
    told: list[str] = []
    with pytest.raises(DeployError) as caught, records.locked({"by": "bob"}, 0.5, told.append):
        pytest.fail("the lock was held twice")
    since = records.holder()["since"]
    who = f"The deploy lock of popcon is held by alice (laptop) since {since} (run r1, pid {held.pid})"
    assert told == [f"waiting: {who}"]
    assert str(caught.value).startswith(f"{who}; waited ")
    assert records.holder()["by"] == "alice"


def test_who_waits_is_told_again_and_again(
    records: Records, held: subprocess.Popen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_records, "TELL_SECONDS", 0.3)
    told: list[str] = []
    with pytest.raises(DeployError), records.locked({"by": "bob"}, 1.5, told.append):
        pass
    assert 2 <= len(told) <= 5


def test_who_waits_long_enough_gets_the_lock(records: Records, held: subprocess.Popen) -> None:
    threading.Timer(0.5, held.kill).start()
    with records.locked({"by": "bob"}, 30, quiet):
        assert records.holder()["by"] == "bob"


def test_a_holder_that_did_not_say_who_it_is(records: Records) -> None:
    with records.locked(ME, 0, quiet):
        Path(records.folder, "lock").write_bytes(b'{"by": ')
        assert records.holder() == {}
        with pytest.raises(DeployError, match=r"by somebody \(from somewhere\)"), records.locked(ME, 0, quiet):
            pass


def test_an_error_of_the_work_under_the_lock_stays_what_it_is(records: Records) -> None:
    with pytest.raises(FileNotFoundError), records.locked(ME, 0, quiet):
        os.stat("/nowhere")


def test_asking_for_the_holder_does_not_get_in_anybodys_way(records: Records) -> None:
    make_private_folder(records.folder)
    end = time.monotonic() + 1
    asking = threading.Thread(
        target=lambda: [records.holder() for _dummy in iter(lambda: time.monotonic() < end, False)]
    )
    asking.start()
    rounds = 0
    while time.monotonic() < end:
        with records.locked(ME, 5, quiet):
            rounds += 1
    asking.join()
    assert rounds


def test_the_settings_of_a_release_that_is_gone(records: Records) -> None:
    with pytest.raises(DeployError, match=r"settings of release 4 of popcon are not kept"):
        records.settings_of(4)


def test_no_release_is_half_there(records: Records) -> None:
    released(records, "succeeded")
    record = json.loads(Path(records.folder, "releases/1/record.json").read_bytes())
    assert Record.from_json(record) == records.get(1)
    assert sorted(os.listdir(f"{records.folder}/releases/1")) == ["env", "record.json"]


@pytest.mark.parametrize(("text", "line"), [(None, None), ("", None), ("\n \n", None), ("a\nb", "a"), (" \n a ", "a")])
def test_first_line(text: str | None, line: str | None) -> None:
    assert first_line(text) == line


def test_the_key_is_made_once_by_the_holder_of_the_lock(records: Records) -> None:
    assert records.key() is None
    keys = set()
    for _dummy in range(2):
        with records.locked(ME, 0, quiet):
            keys.add(records.key())
    assert keys == {records.key()} and len(keys.pop() or b"") == 32
