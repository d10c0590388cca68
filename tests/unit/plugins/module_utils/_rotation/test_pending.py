# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

pytest.importorskip("botocore", reason="no boto3")

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.pending import Holder, PendingValues
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
def pending_values(store: Store, clock: Clock) -> PendingValues:
    return PendingValues(store, "/popcon-rotation/", "alias/app", clock, clock.sleep)


def test_a_pending_value_from_birth_to_end(pending_values: PendingValues, store: Store) -> None:
    assert pending_values.look(parameter(9, "?"), "DB_PASSWORD") == (parameter(), None)
    pending_values.create("DB_PASSWORD", "new", 1, ALICE)
    assert store.versions[OTHER][0]["Type"] == "SecureString"
    assert json.loads(store.value(OTHER)) == {
        "value": "new",
        "base": 1,
        "revert": False,
        "by": "alice",
        "run": "run-1",
        "since": "2027-01-15T08:00:00Z",
    }
    _dummy, pending = pending_values.look(parameter(), "DB_PASSWORD")
    assert (pending.value, pending.base, pending.revert, pending.by) == ("new", 1, False, "alice")
    pending_values.mark("DB_PASSWORD", pending)
    _dummy, marked = pending_values.look(parameter(), "DB_PASSWORD")
    assert (marked.value, marked.revert) == ("new", True)
    for _dummy in range(2):
        pending_values.drop("DB_PASSWORD")
        assert pending_values.look(parameter(), "DB_PASSWORD")[1] is None


def test_the_pending_value_that_is_there_stays(pending_values: PendingValues, store: Store) -> None:
    pending_values.create("DB_PASSWORD", "first", 1, ALICE)
    pending_values.create("DB_PASSWORD", "second", 1, BOB)
    assert pending_values.look(parameter(), "DB_PASSWORD")[1].value == "first"
    assert len(store.versions[OTHER]) == 1


def test_a_value_is_not_in_repr(pending_values: PendingValues) -> None:
    pending_values.create("DB_PASSWORD", "hunter2", 1, ALICE)
    assert "hunter2" not in repr(pending_values.look(parameter(1, "hunter2"), "DB_PASSWORD")[1])


def test_a_parameter_is_replaced_as_long_as_nobody_else_did(pending_values: PendingValues, store: Store) -> None:
    pending_values.replace(parameter(), "new")
    assert [found["Value"] for found in store.versions[NAME]] == ["old", "new"]
    with pytest.raises(DeployError, match="Somebody else changed /popcon/DB_PASSWORD at this moment"):
        pending_values.replace(parameter(), "newer")
    assert store.value(NAME) == "new"


def test_a_plain_parameter_stays_one_and_gets_no_key(pending_values: PendingValues, store: Store) -> None:
    pending_values.replace(parameter(), "new")
    assert store.keys == {NAME: "alias/app"}
    store.put("/popcon/TOKEN", "x", "String")
    pending_values.replace(Parameter("/popcon/TOKEN", "/popcon", 1, "x"), "y")
    assert (store.versions["/popcon/TOKEN"][-1]["Type"], store.keys["/popcon/TOKEN"]) == ("String", None)


def test_a_write_returns_when_a_read_shows_it(pending_values: PendingValues, store: Store) -> None:
    store.late = 7
    pending_values.create("DB_PASSWORD", "new", 1, ALICE)
    assert pending_values.look(parameter(), "DB_PASSWORD")[1].value == "new"
    pending_values.replace(parameter(), "new")
    assert pending_values.look(parameter(), "DB_PASSWORD")[0].version == 2


def test_a_pending_value_that_is_not_seen_yet_stays(pending_values: PendingValues, store: Store) -> None:
    store.late = 3
    store.put(OTHER, json.dumps({"value": "a", "base": 1, "revert": False, "by": "b", "run": "c", "since": "d"}))
    assert pending_values.look(parameter(), "DB_PASSWORD")[1] is None
    pending_values.create("DB_PASSWORD", "second", 1, BOB)
    assert pending_values.look(parameter(), "DB_PASSWORD")[1].value == "a"


def test_a_write_that_is_never_seen_is_an_error(pending_values: PendingValues, store: Store) -> None:
    store.late = 1000
    with pytest.raises(DeployError, match=f"{NAME} was written, but is not read as version 2 after 60 s"):
        pending_values.replace(parameter(), "new")


def test_a_write_that_meets_another_is_repeated(pending_values: PendingValues, store: Store) -> None:
    store.busy = 4
    pending_values.replace(parameter(), "new")
    store.busy = 5
    with pytest.raises(DeployError, match=f"Cannot write {NAME} in ap-northeast-2: AWS answered TooManyUpdates."):
        pending_values.replace(parameter(2, "new"), "newer")


def test_what_is_denied_names_the_right_that_is_missing(pending_values: PendingValues, store: Store) -> None:
    def deny(*_args: object, **_more: object) -> None:
        raise refusal("AccessDeniedException")

    for method, right, act in [
        ("delete_parameter", "ssm:DeleteParameter", lambda: pending_values.drop("DB_PASSWORD")),
        ("put_parameter", "ssm:PutParameter", lambda: pending_values.create("DB_PASSWORD", "new", 1, ALICE)),
        ("get_parameters", "ssm:GetParameters", lambda: pending_values.look(parameter(), "DB_PASSWORD")),
    ]:
        setattr(store, method, deny)
        with pytest.raises(DeployError, match=right) as error:
            act()
        assert "hunter2" not in str(error.value)


def test_a_parameter_that_is_gone_is_an_error(pending_values: PendingValues, store: Store) -> None:
    del store.versions[NAME]
    with pytest.raises(DeployError, match=f"The parameter {NAME} is gone"):
        pending_values.look(parameter(), "DB_PASSWORD")


@pytest.mark.parametrize("text", ["hunter2", "[]", '{"value": "hunter2"}', '{"hunter2": 1}'])
def test_something_else_in_a_pending_values_or_the_locks_place(
    pending_values: PendingValues, store: Store, text: str
) -> None:
    store.put(OTHER, text, "SecureString")
    store.put(LOCK, text)
    for what, act in [
        (f"{OTHER} is no pending value", lambda: pending_values.look(parameter(), "DB_PASSWORD")),
        (f"{LOCK} is no lock", lambda: pending_values.lock(ALICE, 60)),
    ]:
        with pytest.raises(DeployError, match=what) as error:
            act()
        assert "hunter2" not in str(error.value)


def test_the_lock_keeps_others_out_until_it_is_given_back(
    pending_values: PendingValues, store: Store, clock: Clock
) -> None:
    pending_values.unlock("run-1")
    assert LOCK not in store.versions
    pending_values.lock(ALICE, 60)
    assert json.loads(store.value(LOCK)) == {
        "by": "alice",
        "started_from": "laptop",
        "run": "run-1",
        "expires": "2027-01-15T08:01:00Z",
    }
    with pytest.raises(
        DeployError,
        match=r"alice \(laptop\) is rotating secrets, until 2027-01-15T08:01:00Z .*secret_rotation_run=run-1$",
    ):
        pending_values.lock(BOB, 60)
    pending_values.unlock("run-2")
    clock.sleep(59)
    with pytest.raises(DeployError):
        pending_values.lock(BOB, 60)
    pending_values.unlock("run-1")
    pending_values.lock(BOB, 60)
    with pytest.raises(DeployError, match=r"bob \(https://ci/7\)"):
        pending_values.lock(ALICE, 60)


def test_the_run_that_has_the_lock_gets_it_for_longer(pending_values: PendingValues, clock: Clock) -> None:
    pending_values.lock(ALICE, 60)
    clock.sleep(50)
    pending_values.lock(ALICE, 60)
    clock.sleep(50)
    with pytest.raises(DeployError, match="alice"):
        pending_values.lock(BOB, 60)


def test_a_lock_that_is_over_is_taken(pending_values: PendingValues, store: Store, clock: Clock) -> None:
    pending_values.lock(ALICE, 60)
    clock.sleep(60)
    pending_values.lock(BOB, 60)
    pending_values.unlock("run-1")
    assert (json.loads(store.value(LOCK))["run"], store.versions[LOCK][-1]["Version"]) == ("run-2", 2)


@pytest.mark.parametrize("given_back", [True, False])
def test_of_two_that_take_a_free_lock_at_once_one_gets_it(
    pending_values: PendingValues, store: Store, clock: Clock, given_back: bool
) -> None:
    pending_values.lock(ALICE, 60)
    pending_values.unlock("run-1") if given_back else clock.sleep(61)
    carol = Holder("carol", "desk", "run-3")

    def faster(name: str) -> None:
        store.before_put = lambda _name: None
        pending_values.lock(carol, 60)

    store.before_put = faster
    with pytest.raises(DeployError, match=r"carol \(desk\)"):
        pending_values.lock(BOB, 60)
    assert json.loads(store.value(LOCK))["run"] == "run-3"
    with pytest.raises(DeployError, match=r"carol \(desk\)"):
        pending_values.lock(BOB, 60)


def test_of_two_that_make_the_lock_at_once_one_gets_it(pending_values: PendingValues, store: Store) -> None:
    def faster(name: str) -> None:
        store.before_put = lambda _name: None
        pending_values.lock(ALICE, 60)

    store.before_put = faster
    with pytest.raises(DeployError, match=r"alice \(laptop\)"):
        pending_values.lock(BOB, 60)


def test_a_write_of_the_lock_that_botocore_repeated_counts(
    pending_values: PendingValues, store: Store, clock: Clock
) -> None:
    pending_values.lock(BOB, 60)
    clock.sleep(61)
    plain = store.put_parameter

    def twice(**more: object) -> dict:
        plain(**more)
        return plain(**more)

    store.put_parameter = twice
    pending_values.lock(ALICE, 60)
    assert json.loads(store.value(LOCK))["run"] == "run-1"
