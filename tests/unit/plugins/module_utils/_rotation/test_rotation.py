"""Rotation: its whole table of decisions, and that one killed anywhere resumes, with a value that logs in all the time."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest

pytest.importorskip("botocore", reason="no boto3")

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation import request
from ansible_collections.popcon.deploy.plugins.module_utils._rotation import rotation as _rotation
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.pending import Holder, PendingValue, PendingValues
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.request import Secret
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.rotation import (
    Rotation,
    Seen,
    Step,
    next_step,
)
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Parameter
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.parameter_store import (
    Bomb,
    Clock,
    Killed,
    Store,
    refusal,
)

HAND = "changed it by hand"
TOO_LATE = "can't be taken back"
NEITHER = "Neither version 3"
FORWARD_ONLY_BACK = r"Take the rotation back \(revert\)."
PERSON = "Nor does the one before"

# What is there, whether it is marked to be taken back, whether that is asked for; and then for (current, pending value) logging
# in, or where the pending value is promoted for (current, old): yes-yes, yes-no, no-yes, no-no.
TABLE = [
    ("begun", False, False, Step.PROMOTE, Step.APPLY, Step.PROMOTE, NEITHER),
    ("begun", False, True, Step.MARK, Step.MARK, TOO_LATE, NEITHER),
    ("begun", True, False, Step.DISCARD, Step.DISCARD, Step.PROMOTE, NEITHER),
    ("begun", True, True, Step.DISCARD, Step.DISCARD, TOO_LATE, NEITHER),
    ("moved", False, False, HAND, HAND, HAND, HAND),
    ("moved", False, True, Step.MARK, Step.MARK, HAND, HAND),
    ("moved", True, False, Step.DISCARD, Step.DISCARD, HAND, HAND),
    ("moved", True, True, Step.DISCARD, Step.DISCARD, HAND, HAND),
    ("promoted", False, False, Step.RETIRE, Step.RETIRE, FORWARD_ONLY_BACK, PERSON),
    ("promoted", False, True, Step.MARK, TOO_LATE, Step.MARK, PERSON),
    ("promoted", True, False, Step.RESTORE, Step.RETIRE, Step.RESTORE, PERSON),
    ("promoted", True, True, Step.RESTORE, TOO_LATE, Step.RESTORE, PERSON),
]
WORKS = [(True, True), (True, False), (False, True), (False, False)]
ROWS = [
    pytest.param(where, marked, asked, works, wanted, id=f"{where}-{marked}-{asked}-{works}")
    for where, marked, asked, *outcomes in TABLE
    for works, wanted in zip(WORKS, outcomes)
]


def seen(where: str, marked: bool, current: bool, other: bool) -> Seen:
    base = 2 if where == "moved" else 3
    parameter = Parameter(
        "/popcon/K", "/popcon", 4 if where == "promoted" else 3, "new" if where == "promoted" else "old"
    )
    pending = None if where == "none" else PendingValue("new", base, marked, "alice", "run-1", "2026-11-23T07:00:00Z")
    if where == "promoted":
        return Seen(parameter, pending, "old", current, current, other)
    return Seen(parameter, pending, None, current, other, False)


@pytest.mark.parametrize(("where", "marked", "asked", "works", "wanted"), ROWS)
def test_next_step(where: str, marked: bool, asked: bool, works: tuple[bool, bool], wanted: Step | str) -> None:
    if isinstance(wanted, Step):
        assert next_step(seen(where, marked, *works), asked) is wanted
    else:
        with pytest.raises(DeployError, match=wanted) as error:
            next_step(seen(where, marked, *works), asked)
        assert "/popcon/K" in str(error.value)


def test_next_step_without_a_pending_value() -> None:
    assert next_step(seen("none", False, True, False), False) is Step.CREATE
    assert next_step(seen("none", False, True, False), True) is Step.NOTHING
    assert next_step(seen("none", False, False, False), True) is Step.NOTHING
    with pytest.raises(DeployError, match="Version 3 of /popcon/K does not log in, so it can't be rotated"):
        next_step(seen("none", False, False, False), False)


@pytest.mark.parametrize(
    ("where", "marked", "step", "tells", "words"),
    [
        ("none", False, Step.CREATE, True, "create apply promote roll out retire"),
        ("none", False, Step.CREATE, False, "create promote roll out retire"),
        ("none", False, Step.NOTHING, True, ""),
        ("begun", False, Step.APPLY, True, "apply promote roll out retire"),
        ("promoted", False, Step.RETIRE, True, "roll out retire"),
        ("promoted", False, Step.MARK, True, "mark restore roll out discard"),
        ("begun", False, Step.MARK, True, "mark roll out discard"),
        ("begun", True, Step.DISCARD, True, "roll out discard"),
    ],
)
def test_planned(where: str, marked: bool, step: Step, tells: bool, words: str) -> None:
    planned = _rotation.planned(step, seen(where, marked, True, True), tells)
    assert " ".join(left.value for left in planned) == words


@pytest.mark.parametrize(
    ("where", "marked", "works", "tells", "state"),
    [
        ("none", False, True, True, "settled"),
        ("begun", False, False, True, "created"),
        ("begun", False, True, True, "applied"),
        ("begun", False, True, False, "created"),
        ("promoted", False, True, True, "promoted"),
        ("promoted", True, True, True, "reverting"),
    ],
)
def test_state_of(where: str, marked: bool, works: bool, tells: bool, state: str) -> None:
    assert _rotation.state_of(seen(where, marked, True, works), tells) == state


def test_no_value_is_in_a_repr() -> None:
    assert "old" not in repr(seen("promoted", False, True, True)).replace("old_works", "").replace("old=", "")
    assert "'new'" not in repr(seen("promoted", False, True, True))


class Database:
    """Two password slots as MySQL's user has them, each statement of which is one thing that happens."""

    tells = True

    def __init__(self, bomb: Bomb, password: str) -> None:
        self.bomb = bomb
        self.primary: str | None = password
        self.secondary: str | None = None
        self.deaf = False

    def knows(self, value: str | None) -> bool:
        return value is not None and value in (self.primary, self.secondary)

    def logs_in(self, value: str) -> bool:
        return self.bomb.around(lambda: self.knows(value))

    def apply(self, current: str, pending: str) -> None:
        if self.logs_in(pending) or self.deaf:
            return
        assert self.knows(current)
        self._set(pending, self.primary)

    def retire(self, kept: str, gone: str) -> None:
        assert self.knows(kept)
        if self.primary != kept:
            self._set(kept, self.secondary)
        if not self.deaf:
            self._set(self.primary, None)

    def _set(self, primary: str | None, secondary: str | None) -> None:
        def act() -> None:
            self.primary, self.secondary = primary, secondary

        self.bomb.around(act)


class World:
    """A parameter, a database, two hosts, and people who rotate; whoever can't log in at some moment is noted in `failures`."""

    NAME = "/popcon/DB_PASSWORD"

    def __init__(self, late: int = 0) -> None:
        self.bomb = Bomb()
        self.bomb.watch = self._watch
        self.clock = Clock()
        self.store = Store({self.NAME: "old"}, self.bomb)
        self.store.late = late
        self.database = Database(self.bomb, "old")
        self.hosts = ["old", "old"]
        self.failures: list[str] = []
        self.audit: list[dict[str, t.Any]] = []
        self.settings = {"DB_PASSWORD": "old"}

    def rotation(self, run: str = "run-1") -> Rotation:
        pending_values = PendingValues(self.store, "/popcon-rotation", None, self.clock, self.clock.sleep)
        parameter = Parameter(self.NAME, "/popcon", 0, "")
        secret = Secret(parameter, self.database, 32, request.ALPHABET)
        holder = Holder("alice", "laptop", run)
        ended = {line["key"] for line in self.audit if line["run"] == run}
        return Rotation(self.store, pending_values, {"DB_PASSWORD": secret}, self.settings, holder, self._note, ended)

    def play(self, run: str = "run-1", revert: bool = False) -> list[dict[str, t.Any]]:
        (entry,) = self.rotation(run).advance(revert, 3600)
        for host in range(len(self.hosts)):
            self.bomb.around(lambda host=host: self._roll_out(host))
        return self.rotation(run).retire({"DB_PASSWORD": entry["new_version"]}, 3600)

    def main(self) -> str:
        return self.store.value(self.NAME) or ""

    def pending(self) -> dict[str, t.Any] | None:
        text = self.store.value("/popcon-rotation/DB_PASSWORD")
        return json.loads(text) if text else None

    def values(self) -> set[str]:
        """All values that the parameter ever had."""
        return {found["Value"] for found in self.store.versions[self.NAME]}

    def _roll_out(self, host: int) -> None:
        self.hosts[host] = self.main()

    def _note(self, **fields: t.Any) -> None:
        self.bomb.around(lambda: self.audit.append(fields))

    def _watch(self) -> None:
        self.failures += [
            f"{who} at {self.bomb.count}"
            for who, value in [("a deploy", self.main()), *(("a host", host) for host in self.hosts)]
            if not self.database.knows(value)
        ]

    def assert_settled(self, value: str | None = None) -> None:
        """One value, which all have, and no trace of a rotation."""
        assert self.pending() is None
        assert (self.database.primary, self.database.secondary) == (self.main(), None)
        assert set(self.hosts) == {self.main()}
        assert value in (None, self.main())
        assert self.failures == []
        assert json.loads(self.store.value("/popcon-rotation/lock") or "")["expires"] is None


def places(late: int = 0) -> range:
    """Where a rotation can be killed."""
    world = World(late)
    before = world.bomb.count
    world.play()
    assert world.bomb.count - before > 60
    return range(world.bomb.count - before)


def begun_world() -> World:
    """A world where a rotation was killed after the pending value was applied."""
    for at in range(100):
        world = World()
        kill(world, at, lambda world=world: world.rotation().advance(False, 3600))
        if world.database.secondary:
            assert (world.main(), bool(world.pending())) == ("old", True)
            return world
    raise AssertionError


def kill(world: World, at: int, play: t.Callable[[], t.Any], error: BaseException | None = None) -> None:
    world.bomb.at = world.bomb.count + at
    world.bomb.error = error or Killed()
    with pytest.raises(type(world.bomb.error)):
        play()


def test_a_rotation() -> None:
    world = World()
    (entry,) = world.rotation().plan(False)
    assert (entry["state"], entry["steps"]) == ("settled", ["create", "apply", "promote", "roll out", "retire"])
    assert (entry["old_version"], entry["new_version"]) == (1, None)
    assert (world.main(), world.pending()) == ("old", None)

    (entry,) = world.rotation().advance(False, 3600)
    assert entry == {
        "key": "DB_PASSWORD",
        "name": "/popcon/DB_PASSWORD",
        "old_version": 1,
        "new_version": 2,
        "state": "promoted",
        "steps": ["create", "apply", "promote"],
    }
    assert world.settings == {"DB_PASSWORD": world.main()}
    assert len(world.main()) == 32
    assert {world.database.primary, world.database.secondary} == {"old", world.main()}
    (planned,) = world.rotation().plan(False)
    assert (planned["new_version"], planned["steps"]) == (2, ["roll out", "retire"])
    # Once more, it has nothing to do.
    assert world.rotation().advance(False, 3600) == [{**entry, "steps": []}]

    world.hosts = [world.main()] * 2
    assert world.rotation().retire({"DB_PASSWORD": 2}, 3600) == [{**entry, "state": "retired", "steps": ["retire"]}]
    world.assert_settled()
    assert world.audit == [
        {
            "action": "rotation",
            "key": "DB_PASSWORD",
            "parameter": "/popcon/DB_PASSWORD",
            "old_version": 1,
            "new_version": 2,
            "result": "retired",
            "since": "2027-01-15T08:00:00Z",
            "by": "alice",
            "started_from": "laptop",
            "run": "run-1",
        }
    ]
    # As when the connection does it again.
    (again,) = world.rotation().retire({"DB_PASSWORD": 2}, 3600)
    assert (again["state"], again["steps"], len(world.audit)) == ("settled", [], 1)


@pytest.mark.parametrize("late", [0, 3])
@pytest.mark.parametrize(
    ("error", "next_run", "wait"),
    [
        pytest.param(Killed(), "run-1", 0, id="killed, resumed under its name"),
        pytest.param(Killed(), "run-2", 3601, id="killed, resumed when the lock is over"),
        pytest.param(DeployError("no"), "run-2", 0, id="failed, resumed at once"),
    ],
)
def test_a_rotation_cut_anywhere_resumes(error: BaseException, next_run: str, wait: int, late: int) -> None:
    for at in places(late):
        world = World(late)
        kill(world, at, world.play, error)
        begun = world.pending() is not None or world.main() == "old"
        if isinstance(error, DeployError) and world.hosts != ["old", "old"]:
            # What a playbook does when the roll-out fails.
            with contextlib.suppress(DeployError):
                world.rotation()._pending.unlock("run-1")
        world.clock.sleep(wait)
        try:
            world.play(next_run)
        except DeployError as problem:
            # The unlock itself was cut off, or a late read was noticed.
            assert "is rotating secrets" in str(problem) or (late and "Somebody else changed" in str(problem)), at
            world.clock.sleep(3601)
            world.play(next_run)
        world.assert_settled()
        # One more only where nothing was left to resume, and somebody else asks for one.
        assert len(world.values()) == (2 if begun or next_run == "run-1" else 3), at


def test_a_rotation_cut_anywhere_can_be_taken_back_which_may_be_cut_anywhere() -> None:
    outcomes = set()
    for at in places():
        for again in range(0, 70, 3):
            world = World()
            kill(world, at, world.play)
            new = world.main() if world.main() != "old" else (world.pending() or {}).get("value")
            begun, too_late = world.pending() is not None, not world.database.knows("old")
            world.bomb.at = world.bomb.count + again
            finished = marked = False
            try:
                world.play(revert=True)
                finished = True
            except DeployError as problem:
                assert TOO_LATE in str(problem), at
                assert too_late
            except Killed:
                marked = bool((world.pending() or {}).get("revert"))
            world.bomb.at = None
            if finished or marked:
                # It resumes without revert.
                if marked:
                    world.play()
                value = new if not begun and new and world.main() == new else "old"
                outcomes.add("kept" if value == new else "back")
                assert world.pending() is None
                if begun or world.main() != "old":
                    world.assert_settled(value)
            else:
                outcomes.add("onward")
                world.play()
                world.assert_settled()
            assert world.failures == [], (at, again)
    assert outcomes == {"kept", "back", "onward"}


def test_taking_back_a_promoted_rotation() -> None:
    world = World()
    world.rotation().advance(False, 3600)
    world.hosts = [world.main()] * 2
    (planned,) = world.rotation().plan(True)
    assert planned["steps"] == ["mark", "restore", "roll out", "discard"]
    (entry,) = world.rotation().advance(True, 3600)
    assert (entry["state"], entry["steps"]) == ("reverting", ["mark", "restore"])
    assert (entry["old_version"], entry["new_version"], world.main()) == (1, 3, "old")
    with pytest.raises(DeployError, match="It is not proven that all hosts have version 3"):
        world.rotation().retire({"DB_PASSWORD": 2}, 3600)
    world.hosts = ["old"] * 2
    (entry,) = world.rotation().retire({"DB_PASSWORD": 3}, 3600)
    assert (entry["state"], entry["steps"], world.audit[0]["result"]) == ("reverted", ["discard"], "reverted")
    world.assert_settled("old")
    (entry,) = world.rotation().advance(True, 3600)
    assert (entry["state"], entry["steps"], entry["new_version"]) == ("settled", [], 3)
    (entry,) = world.rotation().retire({"DB_PASSWORD": 3}, 3600)
    assert (entry["state"], entry["steps"]) == ("settled", [])


def test_a_change_by_hand_is_not_overwritten_and_stays_when_the_rotation_is_taken_back() -> None:
    world = begun_world()
    world.database.primary = "by hand"
    world.store.put(world.NAME, "by hand", "SecureString")
    with pytest.raises(DeployError, match=HAND):
        world.rotation().advance(False, 3600)
    assert world.main() == "by hand"
    (entry,) = world.rotation().advance(True, 3600)
    world.hosts = ["by hand"] * 2
    world.rotation().retire({"DB_PASSWORD": entry["new_version"]}, 3600)
    assert (world.main(), world.database.primary, world.database.secondary) == ("by hand", "by hand", None)
    assert world.pending() is None


def test_a_change_by_hand_at_the_moment_of_promotion_is_not_overwritten() -> None:
    world = World()
    rotation = world.rotation()
    replace = rotation._pending.replace

    def slower(*args: t.Any) -> None:
        world.store.put(world.NAME, "by hand", "SecureString")
        replace(*args)

    rotation._pending.replace = slower
    with pytest.raises(DeployError, match="Somebody else changed"):
        rotation.advance(False, 3600)
    assert world.main() == "by hand"


@pytest.mark.parametrize("proof", [{}, {"DB_PASSWORD": 1}, {"DB_PASSWORD": 3}, {"OTHER": 2}])
def test_nothing_is_retired_without_proof(proof: dict[str, int]) -> None:
    world = World()
    world.rotation().advance(False, 3600)
    with pytest.raises(DeployError, match=r"not proven that all hosts have version 2 of /popcon/DB_PASSWORD"):
        world.rotation().retire(proof, 3600)
    assert world.database.knows("old")
    assert world.pending()


def test_nothing_is_retired_before_it_is_promoted() -> None:
    world = begun_world()
    with pytest.raises(DeployError, match="not promoted yet"):
        world.rotation().retire({"DB_PASSWORD": 1}, 3600)
    assert world.pending()


def test_an_old_value_that_still_logs_in_is_an_error() -> None:
    world = World()
    world.rotation().advance(False, 3600)
    world.database.deaf = True
    with pytest.raises(DeployError, match="that was retired still logs in") as error:
        world.rotation().retire({"DB_PASSWORD": 2}, 3600)
    assert world.main() not in str(error.value)
    assert world.pending()
    assert world.audit == []
    world.database.deaf = False
    world.hosts = [world.main()] * 2
    # The lock was given back.
    world.rotation("run-2").retire({"DB_PASSWORD": 2}, 3600)
    world.assert_settled()


def test_a_value_that_is_lost_on_retirement_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.rotation().advance(False, 3600)
    monkeypatch.setattr(world.database, "retire", lambda _kept, _gone: world.database._set(None, None))
    with pytest.raises(DeployError, match="does not log in after the other one was retired"):
        world.rotation().retire({"DB_PASSWORD": 2}, 3600)
    assert world.pending()


def test_a_pending_value_that_does_not_log_in_is_not_promoted() -> None:
    world = World()
    world.database.deaf = True
    with pytest.raises(DeployError, match="does not log in, although it was applied"):
        world.rotation().advance(False, 3600)
    assert world.main() == "old"
    world.database.deaf = False
    world.play("run-2")
    world.assert_settled()


def test_the_lock_is_kept_for_the_roll_out_and_given_back_when_something_fails() -> None:
    world = World()
    world.rotation().advance(False, 3600)
    with pytest.raises(DeployError, match=r"alice \(laptop\) is rotating secrets"):
        world.rotation("run-2").advance(False, 3600)
    with pytest.raises(DeployError, match="not proven"):
        world.rotation().retire({}, 3600)
    (entry,) = world.rotation("run-2").advance(False, 3600)
    assert entry["state"] == "promoted"


def test_the_failure_counts_that_came_first() -> None:
    world = World()
    world.database.primary = "other"

    def deny(**_more: t.Any) -> None:
        raise refusal("AccessDeniedException")

    rotation = world.rotation()
    lock = rotation._pending.lock

    def locked(*args: t.Any) -> None:
        lock(*args)
        world.store.put_parameter = deny

    rotation._pending.lock = locked
    with pytest.raises(DeployError, match="does not log in, so it can't be rotated"):
        rotation.advance(False, 3600)


def test_all_problems_are_said_before_anything_is_changed() -> None:
    world = World()
    store, pending_values = (
        world.store,
        PendingValues(world.store, "/popcon-rotation", None, world.clock, world.clock.sleep),
    )
    databases = {key: Database(world.bomb, "old") for key in ("A", "B", "C")}
    databases["B"].primary = databases["C"].primary = "other"
    wanted = {}
    for key, database in databases.items():
        store.put(f"/popcon/{key}", "old", "SecureString")
        wanted[key] = Secret(Parameter(f"/popcon/{key}", "/popcon", 1, "old"), database, 32, request.ALPHABET)
    rotation = Rotation(store, pending_values, wanted, {}, Holder("alice", "laptop", "run-1"), world._note)
    with pytest.raises(DeployError, match=r"(?s)/popcon/B does not log in.*\n.*/popcon/C does not log in"):
        rotation.advance(False, 3600)
    assert not [name for name in store.versions if name.startswith("/popcon-rotation/") and not name.endswith("lock")]
    databases["B"].primary = databases["C"].primary = "old"
    assert [entry["state"] for entry in rotation.advance(False, 3600)] == ["promoted"] * 3
    assert len({store.value(f"/popcon/{key}") for key in databases}) == 3


def test_a_secret_that_nothing_checks() -> None:
    store, clock = Store({"/popcon/TOKEN": "old"}), Clock()
    pending_values = PendingValues(store, "/popcon-rotation", None, clock, clock.sleep)
    lines: list[dict[str, t.Any]] = []
    declared = {"TOKEN": {"strategy": "plain", "length": 24, "alphabet": "0123456789abcdef"}}
    parameters = {"TOKEN": Parameter("/popcon/TOKEN", "/popcon", 1, "old")}
    rotation = Rotation(
        store,
        pending_values,
        request.find_secrets(["TOKEN"], declared, parameters, {}, lambda _service: None),
        {},
        Holder("alice", "laptop", "run-1"),
        lambda **fields: lines.append(fields),
    )
    assert rotation.plan(False)[0]["steps"] == ["create", "promote", "roll out", "retire"]
    (entry,) = rotation.advance(False, 3600)
    assert (entry["state"], entry["steps"], entry["new_version"]) == ("promoted", ["create", "promote"], 2)
    assert len(store.value("/popcon/TOKEN") or "") == 24
    assert set(store.value("/popcon/TOKEN") or "") <= set("0123456789abcdef")
    (entry,) = rotation.retire({"TOKEN": 2}, 3600)
    assert (entry["state"], len(lines)) == ("retired", 1)
