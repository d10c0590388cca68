"""A deploy or a rollback from lock to record, on the host: the critical section.

From the moment the files in the project's folder are switched, the host ends in the new release or in the last successful one.
Before it, nothing that runs is touched.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import open_secret_file
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import first_line, short_commit
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release import http_check, staging
from ansible_collections.popcon.deploy.plugins.module_utils._release.boot_unit import BootUnit
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Difference, Reason
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host
from ansible_collections.popcon.deploy.plugins.module_utils._release.plan import Plan
from ansible_collections.popcon.deploy.plugins.module_utils._release.planning import Planning
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record, Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import PROJECT_NAME, Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.stack import ENGINE_BACK_SECONDS, Stack
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import (
    Job,
    Project,
    Target,
    recorded_target,
)

Say = t.Callable[[str], None]

UNTOUCHED = "What ran before keeps running: nothing was changed."

_OVERRIDE = "override.json"
#: What is put right without a new release, as the last one already asks for it.
_DRIFT = {Reason.FILES, Reason.ENV_FILE, Reason.CONTAINER, Reason.DEFINITION, Reason.UNREADABLE, Reason.LOCKED}


class NothingChanged(DeployError):
    """The failure of a run that touched nothing; its text says so."""

    def __str__(self) -> str:
        return f"{super().__str__()} {UNTOUCHED}"


class Rollout:
    """One run on one project: `run` or `roll_back`, a dry run of each, and `recover` what a killed one left.

    Each returns the module's result. `failure` in it is what the operator must know of a run that did not work out.

    :param say: gets what happens, in words that may be shown.
    """

    def __init__(self, project: Project, say: Say) -> None:
        self._project = project
        self._say = say
        self._engine = Engine()
        self._records = Records(project.state_dir, project.name)
        self._planning = Planning(project, self._engine, self._records)
        self._boot_unit = BootUnit(project.name)
        #: What is not in place yet; holds values.
        self._staged = f"{self._records.folder}/staged"
        #: From the first change to files, settings or containers on.
        self._touched = False

    def dry_run(self, target: Target) -> Json:
        """What `run` would do now; changes nothing."""
        with self._until_touched(), staging.folder() as scratch:
            return self._dry_run(target, scratch)

    def run(self, target: Target) -> Json:
        """Bring the host to the target, or back to the last successful release.

        :raises NothingChanged: it can't be, and nothing was touched.
        """
        with self._until_touched(), self._locked():
            warnings = self._close_interrupted()
            # What somebody has staged elsewhere may be of another run by now.
            return self._carry_out(target.replace(tree=None), warnings)

    def dry_run_rollback(self, number: int | None, keep_settings: t.Collection[str]) -> Json:
        """What `roll_back` would do now; changes nothing."""
        with self._until_touched(), staging.folder() as scratch:
            target = self._planning.recorded(self._planning.chosen(number), keep_settings)
            return {**self._dry_run(target, scratch), "restored": target.restores}

    def roll_back(self, number: int | None, keep_settings: t.Collection[str]) -> Json:
        """Bring the host back to a release it had, by default the last successful one or, if that one runs, the one before.

        :param keep_settings: keys that keep the values they have now.
        :raises NothingChanged: it can't be put back, and nothing was touched.
        """
        with self._until_touched(), self._locked():
            warnings = self._close_interrupted()
            target = self._planning.recorded(self._planning.chosen(number), keep_settings)
            return {**self._carry_out(target, warnings), "restored": target.restores}

    def recover(self, how: str) -> Json:
        """Bring the host back to the last successful release after `run` was killed; `how` says by what.

        It may have been killed anywhere, also before it began or when all was done.
        """
        with self._locked():
            staging.discard(self._staged)
            failure = f"The process that did the release ended too early ({how})."
            mine = [record for record in self._records.all() if record.run == self._project.run]
            if not mine:
                return {"failure": f"{failure} {UNTOUCHED}", "services": self._rows()}
            newest = mine[-1]
            if newest.result is Result.STARTED:
                return self._undo(newest, time.monotonic(), failure)
            if newest.succeeded:
                return {"changed": True, "release": newest.number, "services": self._rows()}
            # It waited for the lock in the meantime, and found an interrupted release to converge from.
            return {"changed": True, "failure": f"{failure} Another run took over.", "services": self._rows()}

    @contextlib.contextmanager
    def _until_touched(self) -> t.Iterator[None]:
        """Turn what fails before anything is touched into NothingChanged; later failures stay what they are."""
        try:
            yield
        except DeployError as exc:
            if self._touched or isinstance(exc, NothingChanged):
                raise
            raise NothingChanged(str(exc)) from None

    def _dry_run(self, target: Target, scratch: str) -> Json:
        host = self._planning.look(target)
        target, warnings = self._planning.staged(target, host, scratch)
        stack = self._planning.stack(target, host, dry_run=True)
        warnings += stack.warnings() if target.is_deploy else []
        if host.holder is not None:
            who = host.holder.get("by") or "somebody"
            warnings.append(f"{who} holds the deploy lock of {self._project.name} at this moment.")
        return self._planning.result(
            target, host, stack, stack.plan(), self._planning.differences(target, host, stack), warnings
        )

    def _carry_out(self, target: Target, warnings: list[str]) -> Json:
        """Do what there is to do, and remove what was only for that. Only for the holder of the lock."""
        # The lock is this run's own.
        host = dataclasses.replace(self._planning.look(target), holder=None)
        with staging.folder(self._staged) as scratch:
            target, more = self._planning.staged(target, host, scratch)
            return self._run(target, host, [*warnings, *more])

    def _run(self, target: Target, host: Host, warnings: list[str]) -> Json:
        self._say("looking at what there is to do")
        stack = self._planning.stack(target, host)
        warnings += stack.warnings() if target.is_deploy else []
        plan, differences = stack.plan(), self._planning.differences(target, host, stack)
        result = self._planning.result(target, host, stack, plan, differences, warnings)
        if plan.is_empty() and all(difference.reason in _DRIFT for difference in differences):
            self._touched = True
            _dummy, failure = attempt(self._put_right, target, host, stack, differences)
            return {**result, "failure": failure} if failure else result
        record = self._records.begin(self._planning.record(target, stack), target.settings.content)
        begin = time.monotonic()
        pulled, failure = attempt(self._prepare, target, stack)
        if failure:
            self._end(record, Result.FAILED, begin, failure)
            raise NothingChanged(f"Release {record.number} was not begun. {failure}")
        self._touched = True
        _dummy, failure = attempt(self._bring_up, target, host, stack, plan)
        if failure:
            return {**self._undo(record, begin, failure), "plan": plan.lines(), "warnings": warnings}
        self._remember_definitions(record, stack)
        self._end(record, Result.SUCCEEDED, begin)
        _dummy, failure = attempt(self._run_jobs, stack, target.jobs_after)
        removed, _dummy = attempt(self._prune)
        result.update(pulled=pulled, pruned=removed or [], release=record.number, services=stack.services())
        if failure:
            result["failure"] = f"Release {record.number} runs and is ready. But: {failure}"
        return result

    def _put_right(self, target: Target, host: Host, stack: Stack, differences: list[Difference]) -> None:
        """Undo drift that no container needs to be recreated for."""
        reasons = {difference.reason for difference in differences}
        if Reason.FILES in reasons and target.commit:
            checkout.switch(self._project.folder, target.commit)
        self._install_env(target, host)
        stack.wait_until_ready(self._project.limit, stack.containers(), self._say)
        if Reason.DEFINITION in reasons and host.release:
            # Compose itself sees no difference between these containers and the release.
            self._remember_definitions(host.release, stack)

    def _remember_definitions(self, record: Record, stack: Stack) -> None:
        self._records.update(record.number, definitions=stack.definitions())

    def _forget(self, name: str) -> None:
        """Remove a file of the run's that holds values."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._records.folder}/{name}")

    def _prepare(self, target: Target, stack: Stack) -> list[str]:
        """What can be done before anything that runs is touched; returns the services whose images were pulled."""
        missing = stack.missing_images()
        if missing:
            self._say(f"pulling the images of {', '.join(missing)}")
            stack.pull(missing, self._project.pull_seconds)
        self._run_jobs(stack, target.jobs_before)
        return missing

    def _run_jobs(self, stack: Stack, jobs: t.Sequence[Job]) -> None:
        for job in jobs:
            self._say(f"running the job {' '.join(job.command)} of {job.service}")
            stack.run_job(job, f"{self._project.name}-{job.service}-job")

    def _bring_up(self, target: Target, host: Host, stack: Stack, plan: Plan) -> None:
        """Switch files and settings and make the containers follow, until all is ready."""
        self._put_in_place(target, host)
        stack.in_place()
        self._follow(target, stack, plan)

    def _put_in_place(self, target: Target, host: Host) -> None:
        folder = self._project.folder
        if target.commit and target.tree != folder:
            self._say(f"switching the files to commit {short_commit(target.commit)}")
            checkout.switch(folder, target.commit)
        self._install_env(target, host)

    def _follow(self, target: Target, stack: Stack, plan: Plan) -> None:
        """Do what is planned, and wait until all is ready."""
        before = stack.containers()
        for line in plan.lines():
            self._say(line)
        try:
            if not plan.is_empty():
                self._boot_unit.arm(stack.up_command(f"{self._records.folder}/{_OVERRIDE}"))
                stack.apply(plan, self._project.longest())
        finally:
            # Also what a run that was killed left.
            self._boot_unit.disarm()
            self._forget(_OVERRIDE)
        stack.wait_until_ready(self._project.limit, before, self._say)
        for check in target.http_checks:
            http_check.wait_for(check, self._project.wait_seconds, self._say)

    def _undo(self, record: Record, begin: float, failure: str) -> Json:
        """Record that a release failed, and go back to the last successful one."""
        self._end(record, Result.FAILED, begin, failure)
        last = self._records.last_succeeded()
        result: Json = {"changed": True, "release": record.number, "rolled_back_to": None}
        if last is None:
            said = "there is no successful release to go back to, so what it started is left as it is"
            failure = f"Release {record.number} failed, and {said}. {failure}"
            return {**result, "failure": failure, "services": self._rows()}
        self._say(f"release {record.number} failed: {first_line(failure)}")
        self._say(f"rolling back to release {last.number}")
        begin = time.monotonic()
        _dummy, second = attempt(self._restore, last)
        self._audit(last, "automatic rollback", Result.FAILED if second else Result.SUCCEEDED, begin, second)
        rows = self._rows()
        if second:
            running = ", ".join(f"{row['service']} {row['state']}" for row in rows) or "nothing, or the engine is down"
            failure = (
                f"THE ROLLBACK FAILED: this host needs manual intervention now. What runs: {running}.\n"
                f"The rollback to release {last.number} failed: {second}\n"
                f"It was tried because release {record.number} failed: {failure}"
            )
        else:
            result["rolled_back_to"] = last.number
            failure = (
                f"Release {record.number} failed. {failure}\nRolled back: release {last.number} runs and is ready."
            )
        return {**result, "failure": failure, "services": rows}

    def _restore(self, record: Record) -> None:
        self._engine.wait_until_back(ENGINE_BACK_SECONDS)
        target = recorded_target(record, self._records.settings_of(record.number))
        self._put_in_place(target, self._planning.look(target))
        stack = self._planning.stack(target, self._planning.look(target), record.pinned)
        stack.pull(stack.missing_images(), self._project.pull_seconds)
        self._follow(target, stack, stack.plan())
        self._remember_definitions(record, stack)

    def _rows(self) -> list[Json]:
        containers, _dummy = attempt(self._engine.containers, self._project.name)
        return [row_of(container) for container in containers or []]

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        project = self._project
        holder = {"run": project.run, "by": project.by, "started_from": project.started_from}
        return self._records.locked(holder, project.lock_wait_seconds, self._say)

    def _close_interrupted(self) -> list[str]:
        """Record of releases whose processes are gone that they were interrupted, and say so."""
        warnings = []
        for record in self._records.all():
            if record.result is Result.STARTED:
                why = "its processes were killed, or the host went down"
                self._records.finish(record.number, Result.INTERRUPTED, why)
                self._audit(record, record.action, Result.INTERRUPTED, None, None)
                warnings.append(
                    f"Release {record.number} by {record.by} ({record.started_from}) of {record.started} was cut short,"
                    " as when a host goes down. This run brings the host to a whole release again."
                )
        return warnings

    def _end(self, record: Record, result: Result, begin: float, failure: str | None = None) -> None:
        self._records.finish(record.number, result, failure)
        self._audit(record, record.action, result, begin, failure)

    def _audit(self, record: Record, action: str, result: Result, begin: float | None, failure: str | None) -> None:
        self._records.audit(
            action=action,
            release=record.number,
            restores=record.restores,
            commit=record.commit,
            run=self._project.run,
            by=self._project.by,
            started_from=self._project.started_from,
            result=result.value,
            seconds=None if begin is None else round(time.monotonic() - begin, 1),
            problem=first_line(failure),
        )

    def _install_env(self, target: Target, host: Host) -> None:
        """Have the target's settings in the project's env file; those that were made here are for the running user alone."""
        path = host.env_file
        if target.render is None and (
            target.settings is host.installed or not (target.settings.content or host.installed)
        ):
            return
        kept = {}
        if target.render is None and os.path.exists(path):
            info = os.stat(path)
            kept = {"mode": info.st_mode & 0o777, "uid": info.st_uid, "gid": info.st_gid}
        with open_secret_file(path, **kept) as file:
            if file.read() != target.settings.content or not file.is_private():
                file.write(target.settings.content)
            else:
                file.discard_leftover()

    def _prune(self) -> list[str]:
        """Forget old releases, and remove the images that only they named; returns those images.

        The commits of those that are kept are held in the clone, whatever becomes of their branch.
        """
        named = {
            image for record in self._records.prune(self._project.keep_releases) for image in record.pinned.values()
        }
        for name in os.listdir(self._project.state_dir):
            if PROJECT_NAME.fullmatch(name):
                kept = Records(self._project.state_dir, name).all()
                named -= {image for record in kept for image in record.pinned.values()}
        commits = {record.commit for record in self._records.all() if record.commit}
        if commits:
            checkout.keep(self._project.folder, commits)
        return sorted(image for image in named if self._engine.remove_image(image))
