"""A rotation of secrets in steps, each decided from what is seen, so a killed rotation resumes when it is run again.

The parameter always holds a value that logs in, and a second pending value is never made while there is one: it is stored first,
applied second, put into the parameter third, and the old value retired last, once all hosts are proven to have the new one.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import dataclasses
import enum
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import now
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.pending import Holder, PendingValue, PendingValues
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.request import Secret
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Parameter, pin


class Step(enum.Enum):
    """A step, in the words that results and messages have for it."""

    CREATE = "create"
    APPLY = "apply"
    PROMOTE = "promote"
    MARK = "mark"
    RESTORE = "restore"
    ROLL_OUT = "roll out"
    RETIRE = "retire"
    DISCARD = "discard"
    NOTHING = "nothing"


FORWARD = (Step.CREATE, Step.APPLY, Step.PROMOTE, Step.ROLL_OUT, Step.RETIRE)
BACKWARD = (Step.MARK, Step.RESTORE, Step.ROLL_OUT, Step.DISCARD)
# What ends a rotation, and waits for the roll-out.
LAST = (Step.RETIRE, Step.DISCARD)
# What makes a new version of the parameter.
WRITING = {Step.PROMOTE, Step.RESTORE}
# History lines to search for rotations that a run ended before it was killed.
HISTORY_LINES = 1000


@dataclasses.dataclass(frozen=True)
class Seen:
    """What there is of a secret: its parameter, the pending value, what the parameter had before that, and what logs in."""

    parameter: Parameter
    pending: PendingValue | None
    old: str | None = dataclasses.field(repr=False)
    current_works: bool
    pending_works: bool
    old_works: bool

    @property
    def promoted(self) -> bool:
        """Whether the parameter has the pending value."""
        return self.pending is not None and self.pending.value == self.parameter.value


def next_step(seen: Seen, revert: bool) -> Step:
    """What is to be done next about a secret.

    RETIRE and DISCARD are due once all hosts have what the parameter has.

    :param revert: whether the rotation is to be taken back. One that was begun to be taken back is so anyway.
    :raises DeployError: nothing may be done; the text says why, and what a person can do.
    """
    name, version, pending = seen.parameter.name, seen.parameter.version, seen.pending
    if pending is None:
        if revert:
            return Step.NOTHING
        if not seen.current_works:
            raise DeployError(
                f"Version {version} of {name} does not log in, so it can't be rotated. Put a value there that does."
            )
        return Step.CREATE
    kept_works = seen.old_works if seen.promoted else seen.current_works
    if pending.revert and kept_works:
        return Step.RESTORE if seen.promoted else Step.DISCARD
    if revert and kept_works:
        return Step.MARK
    if not seen.promoted and version != pending.base:
        raise DeployError(
            f"{name} has version {version}, but the rotation under way is to replace version {pending.base}: somebody changed "
            "it by hand. If what it has now logs in, take the rotation back (revert), which leaves that there. Otherwise put a "
            "value there that does log in, then the same."
        )
    if revert and seen.pending_works:
        raise DeployError(
            f"The rotation of {name} can't be taken back: only the new value logs in. Run it without revert."
        )
    if seen.promoted:
        if seen.current_works:
            return Step.RETIRE
        raise DeployError(
            f"Version {version} of {name}, which a rotation put there, does not log in. "
            f"{'Take the rotation back (revert).' if seen.old_works else 'Nor does the one before: a person is needed.'}"
        )
    if seen.pending_works:
        return Step.PROMOTE
    if seen.current_works:
        return Step.APPLY
    raise DeployError(
        f"Neither version {version} of {name} nor the pending value for it logs in. A person is needed: see whether the service runs "
        "and knows the user, and give the user the password that the parameter has."
    )


def planned(step: Step, seen: Seen, tells: bool) -> list[Step]:
    """The step and all that will follow it."""
    if step is Step.NOTHING:
        return []
    order = FORWARD if step in FORWARD else BACKWARD
    skipped = set() if seen.promoted else {Step.RESTORE}
    if not tells:
        skipped.add(Step.APPLY)
    return [left for left in order[order.index(Step.ROLL_OUT if step in LAST else step) :] if left not in skipped]


def state_of(seen: Seen, tells: bool) -> str:
    """How far a rotation is: `settled` if there is none, `created`, `applied`, `promoted` or `reverting`."""
    if seen.pending is None:
        return "settled"
    if seen.pending.revert:
        return "reverting"
    if seen.promoted:
        return "promoted"
    return "applied" if tells and seen.pending_works else "created"


def ended_by(run: str, history: t.Callable[[int], list[Json]], seconds: int) -> set[str]:
    """The keys whose rotation a run of this name has ended in the last so many seconds.

    :param history: gives the newest lines of the history, so many at most.
    """
    since = now(ago=seconds)
    lines = [line for line in history(HISTORY_LINES) if line["time"] >= since]
    return {line["key"] for line in lines if line["action"] == "rotation" and line["run"] == run}


class Rotation:
    """The rotation of some secrets: `plan`, `advance`, and after the roll-out `retire`.

    Each returns an entry a secret: `key`, `name` of the parameter, `old_version`, `new_version` (what hosts must have before
    `retire`; in a plan None if it is still to be made), `state` and `steps` (to come in a plan, else done).

    :param client: a boto3 SSM client, for what `pin` reads.
    :param settings: what the strategies have; kept up to date.
    :param audit: is given a line for the history.
    :param ended: keys whose rotation this very run has ended before it was killed; no other one is begun for them.
    :raises DeployError: from every method: a step can't be done, or may not.
    """

    def __init__(
        self,
        client: t.Any,
        pending_values: PendingValues,
        wanted: t.Mapping[str, Secret],
        settings: dict[str, str],
        holder: Holder,
        audit: t.Callable[..., None],
        ended: t.Collection[str] = (),
    ) -> None:
        self._client = client
        self._pending = pending_values
        self._secrets = wanted
        self._settings = settings
        self._holder = holder
        self._audit = audit
        self._ended = ended

    def plan(self, revert: bool) -> list[Json]:
        """What `advance` and `retire` would do; changes nothing."""
        entries, problems = [], []
        for key, secret in self._secrets.items():
            seen = self._look(key)
            step, problem = attempt(self._next_step, key, seen, revert)
            if step is None:
                problems.append(problem or "")
                continue
            steps = planned(step, seen, secret.strategy.tells)
            entry = _entry(key, seen, state_of(seen, secret.strategy.tells), steps)
            entries.append({**entry, "new_version": None} if WRITING & set(steps) else entry)
        if problems:
            raise DeployError("\n".join(problems))
        return entries

    def advance(self, revert: bool, lock_seconds: int) -> list[Json]:
        """Bring each secret to where the next thing to do is the roll-out; the lock is kept for that, unless this fails."""
        with self._locked(lock_seconds):
            # All problems, before anything is changed.
            self.plan(revert)
            return [self._advance(key, revert) for key in self._secrets]

    def retire(self, proof: t.Mapping[str, int], lock_seconds: int) -> list[Json]:
        """End the rotations: of each secret, only what its parameter has is valid after it.

        :param proof: from a key to the version of its parameter that all hosts are proven to have.
        """
        with self._locked(lock_seconds):
            seen = {key: self._look(key) for key in self._secrets}
            problems = [_unready(key, seen[key], proof.get(key)) for key in seen]
            if any(problems):
                raise DeployError("\n".join(filter(None, problems)))
            entries = [self._retire(key, seen[key]) for key in seen]
        self._pending.unlock(self._holder.run)
        return entries

    @contextlib.contextmanager
    def _locked(self, seconds: int) -> t.Iterator[None]:
        self._pending.lock(self._holder, seconds)
        try:
            yield
        except Exception:
            with contextlib.suppress(DeployError):
                self._pending.unlock(self._holder.run)
            raise

    def _look(self, key: str) -> Seen:
        secret = self._secrets[key]
        parameter, pending = self._pending.look(secret.parameter, key)
        self._settings[key] = parameter.value
        works = secret.strategy.logs_in
        current_works = works(parameter.value)
        if pending is None:
            return Seen(parameter, None, None, current_works, False, False)
        if pending.value != parameter.value:
            return Seen(parameter, pending, None, current_works, works(pending.value), False)
        (before,) = pin(self._client, [parameter], {parameter.name: pending.base})
        return Seen(parameter, pending, before.value, current_works, current_works, works(before.value))

    def _next_step(self, key: str, seen: Seen, revert: bool) -> Step:
        return Step.NOTHING if seen.pending is None and key in self._ended else next_step(seen, revert)

    def _advance(self, key: str, revert: bool) -> Json:
        done: list[Step] = []
        while True:
            seen = self._look(key)
            step = self._next_step(key, seen, revert)
            if step in LAST or step is Step.NOTHING:
                return _entry(key, seen, state_of(seen, self._secrets[key].strategy.tells), done)
            if step in done:
                raise DeployError(
                    f"The new value of {seen.parameter.name} does not log in, although it was applied. Nothing uses it yet. Check the "
                    "options of the secret, and that the service takes it; then run again, or take the rotation back (revert)."
                )
            self._do(step, key, seen)
            done.append(step)

    def _do(self, step: Step, key: str, seen: Seen) -> None:
        secret, parameter, pending = self._secrets[key], seen.parameter, seen.pending
        if pending is None:
            self._pending.create(key, secret.generate(), parameter.version, self._holder)
        elif step is Step.APPLY:
            secret.strategy.apply(parameter.value, pending.value)
        elif step is Step.MARK:
            self._pending.mark(key, pending)
        else:
            self._pending.replace(parameter, t.cast(str, seen.old) if step is Step.RESTORE else pending.value)

    def _retire(self, key: str, seen: Seen) -> Json:
        secret, pending = self._secrets[key], seen.pending
        if pending is None:
            return _entry(key, seen, "settled", [])
        step, gone = (Step.RETIRE, seen.old) if seen.promoted else (Step.DISCARD, pending.value)
        name, kept = seen.parameter.name, seen.parameter.value
        secret.strategy.retire(kept, t.cast(str, gone))
        if secret.strategy.tells:
            if secret.strategy.logs_in(t.cast(str, gone)):
                raise DeployError(
                    f"The value of {name} that was retired still logs in. Run again; nothing is lost meanwhile."
                )
            # After it: a service that has just gone down refuses both.
            if not secret.strategy.logs_in(kept):
                raise DeployError(
                    f"The value of {name} does not log in after the other one was retired. Run again when the service runs."
                )
        entry = _entry(key, seen, "retired" if seen.promoted else "reverted", [step])
        # Before the end of it rather than after: a line twice is better than none.
        self._audit(
            action="rotation",
            key=key,
            parameter=name,
            old_version=entry["old_version"],
            new_version=entry["new_version"],
            result=entry["state"],
            since=pending.since,
            **dataclasses.asdict(self._holder),
        )
        self._pending.drop(key)
        return entry


def _unready(key: str, seen: Seen, proven: int | None) -> str | None:
    """Why a secret can't be retired, or None, also where there is nothing to retire."""
    if seen.pending is None:
        return None
    step, problem = attempt(next_step, seen, False)
    if problem:
        return problem
    if step not in LAST:
        return f"{seen.parameter.name} is not promoted yet: advance it first."
    if proven != seen.parameter.version:
        return (
            f"It is not proven that all hosts have version {seen.parameter.version} of {seen.parameter.name} ({key}), so nothing is "
            "retired. Roll it out to every host first."
        )
    return None


def _entry(key: str, seen: Seen, state: str, steps: t.Iterable[Step]) -> Json:
    version = seen.parameter.version
    return {
        "key": key,
        "name": seen.parameter.name,
        "old_version": seen.pending.base if seen.pending else version,
        "new_version": version,
        "state": state,
        "steps": [step.value for step in steps],
    }
