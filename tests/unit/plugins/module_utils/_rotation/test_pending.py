# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

pytest.importorskip("botocore", reason="no boto3")

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.pending import Candidates, Holder
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Parameter
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.parameter_store import Clock, Store, refusal

NAME = "/popcon/DB_PASSWORD"
OTHER = "/popcon-rotation/DB_PASSWORD"
LOCK = "/popcon-rotation/lock"
ALICE = Holder("alice", "laptop", "run-1")
BOB = Holder("bob", "https://ci/7", "run-2")


def parameter(version: int = 1, value: str = "old") -> Parameter:
    return Parameter(NAME, "/popcon", version, value)


@pytest.fixture
def store() -> Store:
    return Store({NAME: "old"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def candidates(store: Store, clock: Clock) -> Candidates:
    return Candidates(store, "/popcon-rotation/", "alias/app", clock, clock.sleep)


def test_a_candidate_from_birth_to_end(candidates: Candidates, store: Store) -> None:
    assert candidates.look(parameter(9, "?"), "DB_PASSWORD") == (parameter(), None)
    candidates.create("DB_PASSWORD", "new", 1, ALICE)
    assert store.versions[OTHER][0]["Type"] == "SecureString"
    assert json.loads(store.value(OTHER)) == {
        "value": "new",
        "base": 1,
        "revert": False,
        "by": "alice",
        "run": "run-1",
        "since": "2027-01-15T08:00:00Z",
    }
    _dummy, candidate = candidates.look(parameter(), "DB_PASSWORD")
    assert (candidate.value, candidate.base, candidate.revert, candidate.by) == ("new", 1, False, "alice")
    candidates.mark("DB_PASSWORD", candidate)
    _dummy, marked = candidates.look(parameter(), "DB_PASSWORD")
    assert (marked.value, marked.revert) == ("new", True)
    for _dummy in range(2):
        candidates.drop("DB_PASSWORD")
        assert candidates.look(parameter(), "DB_PASSWORD")[1] is None


def test_the_candidate_that_is_there_stays(candidates: Candidates, store: Store) -> None:
    candidates.create("DB_PASSWORD", "first", 1, ALICE)
    candidates.create("DB_PASSWORD", "second", 1, BOB)
    assert candidates.look(parameter(), "DB_PASSWORD")[1].value == "first"
    assert len(store.versions[OTHER]) == 1


def test_a_value_is_not_in_repr(candidates: Candidates) -> None:
    candidates.create("DB_PASSWORD", "hunter2", 1, ALICE)
    assert "hunter2" not in repr(candidates.look(parameter(1, "hunter2"), "DB_PASSWORD")[1])


def test_a_parameter_is_replaced_as_long_as_nobody_else_did(candidates: Candidates, store: Store) -> None:
    candidates.replace(parameter(), "new")
    assert [found["Value"] for found in store.versions[NAME]] == ["old", "new"]
    with pytest.raises(DeployError, match="Somebody else changed /popcon/DB_PASSWORD at this moment"):
        candidates.replace(parameter(), "newer")
    assert store.value(NAME) == "new"


def test_a_plain_parameter_stays_one_and_gets_no_key(candidates: Candidates, store: Store) -> None:
    candidates.replace(parameter(), "new")
    assert store.keys == {NAME: "alias/app"}
    store.put("/popcon/TOKEN", "x", "String")
    candidates.replace(Parameter("/popcon/TOKEN", "/popcon", 1, "x"), "y")
    assert (store.versions["/popcon/TOKEN"][-1]["Type"], store.keys["/popcon/TOKEN"]) == ("String", None)


def test_a_write_returns_when_a_read_shows_it(candidates: Candidates, store: Store) -> None:
    store.late = 7
    candidates.create("DB_PASSWORD", "new", 1, ALICE)
    assert candidates.look(parameter(), "DB_PASSWORD")[1].value == "new"
    candidates.replace(parameter(), "new")
    assert candidates.look(parameter(), "DB_PASSWORD")[0].version == 2


def test_a_candidate_that_is_not_seen_yet_stays(candidates: Candidates, store: Store) -> None:
    store.late = 3
    store.put(OTHER, json.dumps({"value": "a", "base": 1, "revert": False, "by": "b", "run": "c", "since": "d"}))
    assert candidates.look(parameter(), "DB_PASSWORD")[1] is None
    candidates.create("DB_PASSWORD", "second", 1, BOB)
    assert candidates.look(parameter(), "DB_PASSWORD")[1].value == "a"


def test_a_write_that_is_never_seen_is_an_error(candidates: Candidates, store: Store) -> None:
    store.late = 1000
    with pytest.raises(DeployError, match=f"{NAME} was written, but is not read as version 2 after 60 s"):
        candidates.replace(parameter(), "new")


def test_a_write_that_meets_another_is_repeated(candidates: Candidates, store: Store) -> None:
    store.busy = 4
    candidates.replace(parameter(), "new")
    store.busy = 5
    with pytest.raises(DeployError, match=f"Cannot write {NAME} in ap-northeast-2: AWS answered TooManyUpdates."):
        candidates.replace(parameter(2, "new"), "newer")


def test_what_is_denied_names_the_right_that_is_missing(candidates: Candidates, store: Store) -> None:
    def deny(*_args: object, **_more: object) -> None:
        raise refusal("AccessDeniedException")

    for method, right, act in [
        ("delete_parameter", "ssm:DeleteParameter", lambda: candidates.drop("DB_PASSWORD")),
        ("put_parameter", "ssm:PutParameter", lambda: candidates.create("DB_PASSWORD", "new", 1, ALICE)),
        ("get_parameters", "ssm:GetParameters", lambda: candidates.look(parameter(), "DB_PASSWORD")),
    ]:
        setattr(store, method, deny)
        with pytest.raises(DeployError, match=right) as error:
            act()
        assert "hunter2" not in str(error.value)


def test_a_parameter_that_is_gone_is_an_error(candidates: Candidates, store: Store) -> None:
    del store.versions[NAME]
    with pytest.raises(DeployError, match=f"The parameter {NAME} is gone"):
        candidates.look(parameter(), "DB_PASSWORD")


@pytest.mark.parametrize("text", ["hunter2", "[]", '{"value": "hunter2"}', '{"hunter2": 1}'])
def test_something_else_in_a_candidates_or_the_locks_place(candidates: Candidates, store: Store, text: str) -> None:
    store.put(OTHER, text, "SecureString")
    store.put(LOCK, text)
    for what, act in [
        (f"{OTHER} is no candidate", lambda: candidates.look(parameter(), "DB_PASSWORD")),
        (f"{LOCK} is no lock", lambda: candidates.lock(ALICE, 60)),
    ]:
        with pytest.raises(DeployError, match=what) as error:
            act()
        assert "hunter2" not in str(error.value)


def test_the_lock_keeps_others_out_until_it_is_given_back(candidates: Candidates, store: Store, clock: Clock) -> None:
    candidates.unlock("run-1")
    assert LOCK not in store.versions
    candidates.lock(ALICE, 60)
    assert json.loads(store.value(LOCK)) == {
        "by": "alice",
        "origin": "laptop",
        "run": "run-1",
        "expires": "2027-01-15T08:01:00Z",
    }
    with pytest.raises(
        DeployError,
        match=r"alice \(laptop\) is rotating secrets, until 2027-01-15T08:01:00Z .*secret_rotation_run=run-1$",
    ):
        candidates.lock(BOB, 60)
    candidates.unlock("run-2")
    clock.sleep(59)
    with pytest.raises(DeployError):
        candidates.lock(BOB, 60)
    candidates.unlock("run-1")
    candidates.lock(BOB, 60)
    with pytest.raises(DeployError, match=r"bob \(https://ci/7\)"):
        candidates.lock(ALICE, 60)


def test_the_run_that_has_the_lock_gets_it_for_longer(candidates: Candidates, clock: Clock) -> None:
    candidates.lock(ALICE, 60)
    clock.sleep(50)
    candidates.lock(ALICE, 60)
    clock.sleep(50)
    with pytest.raises(DeployError, match="alice"):
        candidates.lock(BOB, 60)


def test_a_lock_that_is_over_is_taken(candidates: Candidates, store: Store, clock: Clock) -> None:
    candidates.lock(ALICE, 60)
    clock.sleep(60)
    candidates.lock(BOB, 60)
    candidates.unlock("run-1")
    assert (json.loads(store.value(LOCK))["run"], store.versions[LOCK][-1]["Version"]) == ("run-2", 2)


@pytest.mark.parametrize("given_back", [True, False])
def test_of_two_that_take_a_free_lock_at_once_one_gets_it(
    candidates: Candidates, store: Store, clock: Clock, given_back: bool
) -> None:
    candidates.lock(ALICE, 60)
    candidates.unlock("run-1") if given_back else clock.sleep(61)
    carol = Holder("carol", "desk", "run-3")

    def faster(name: str) -> None:
        store.before_put = lambda _name: None
        candidates.lock(carol, 60)

    store.before_put = faster
    with pytest.raises(DeployError, match=r"carol \(desk\)"):
        candidates.lock(BOB, 60)
    assert json.loads(store.value(LOCK))["run"] == "run-3"
    with pytest.raises(DeployError, match=r"carol \(desk\)"):
        candidates.lock(BOB, 60)


def test_of_two_that_make_the_lock_at_once_one_gets_it(candidates: Candidates, store: Store) -> None:
    def faster(name: str) -> None:
        store.before_put = lambda _name: None
        candidates.lock(ALICE, 60)

    store.before_put = faster
    with pytest.raises(DeployError, match=r"alice \(laptop\)"):
        candidates.lock(BOB, 60)


def test_a_write_of_the_lock_that_botocore_repeated_counts(candidates: Candidates, store: Store, clock: Clock) -> None:
    candidates.lock(BOB, 60)
    clock.sleep(61)
    plain = store.put_parameter

    def twice(**more: object) -> dict:
        plain(**more)
        return plain(**more)

    store.put_parameter = twice
    candidates.lock(ALICE, 60)
    assert json.loads(store.value(LOCK))["run"] == "run-1"
