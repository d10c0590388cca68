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
import shutil
import tempfile
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.redact import redactor
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import (
    open_secret_file,
    read_regular_file,
    write_secret_file,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import first_line, short_commit
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import Compose
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._registry import stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._release import host as _host
from ansible_collections.popcon.deploy.plugins.module_utils._release import http_check
from ansible_collections.popcon.deploy.plugins.module_utils._release.boot_unit import BootUnit
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Difference, Reason
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Record, Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import PROJECT_NAME, Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.stack import (
    ENGINE_BACK_SECONDS,
    Plan,
    Stack,
    Wanted,
)
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import (
    Job,
    Project,
    Target,
    record_of,
    recorded_target,
    refuse_other_images,
)
from ansible_collections.popcon.deploy.plugins.module_utils._settings import render
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import NO_SETTINGS, Settings

Say = t.Callable[[str], None]

UNTOUCHED = "What ran before keeps running: nothing was changed."

_SETTINGS = "settings"
_OVERRIDE = "override.json"
#: What is put right without a new release, as the last one already asks for it.
_DRIFT = {Reason.FILES, Reason.ENV_FILE, Reason.CONTAINER, Reason.DEFINITION, Reason.UNREADABLE, Reason.LOCKED}


class NothingChanged(DeployError):
    """The failure of a run that touched nothing; its text says so."""

    def __str__(self) -> str:
        return f"{super().__str__()} {UNTOUCHED}"


@contextlib.contextmanager
def _before_anything_is_touched() -> t.Iterator[None]:
    try:
        yield
    except NothingChanged:
        raise
    except DeployError as exc:
        raise NothingChanged(str(exc)) from None


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
        self._boot_unit = BootUnit(project.name)

    def dry_run(self, target: Target) -> Json:
        """What `run` would do now; changes nothing."""
        with _before_anything_is_touched(), tempfile.TemporaryDirectory() as scratch:
            return self._dry_run(target, scratch)

    def run(self, target: Target) -> Json:
        """Bring the host to the target, or back to the last successful release.

        :raises NothingChanged: it can't be, and nothing was touched.
        """
        with _before_anything_is_touched(), self._locked():
            warnings = self._close_interrupted()
            # Where files were staged, another run may put its own at any time, and so it may in the project's folder.
            folder = self._project.folder
            here = target.tree == folder and not target.jobs_before and checkout.head(folder) == target.commit
            with self._exported(None if here else target.commit) as tree:
                return self._carry_out(target.replace(tree=tree), warnings)

    def dry_run_rollback(self, number: int | None, keep_settings: t.Collection[str]) -> Json:
        """What `roll_back` would do now; changes nothing."""
        with _before_anything_is_touched(), tempfile.TemporaryDirectory() as scratch:
            target = self._recorded(self._chosen(number), keep_settings)
            if target.commit:
                tree = f"{scratch}/files"
                checkout.export(self._project.folder, target.commit, tree)
                target = target.replace(tree=tree)
            return {**self._dry_run(target, scratch), "restored": target.restores}

    def roll_back(self, number: int | None, keep_settings: t.Collection[str]) -> Json:
        """Bring the host back to a release it had, by default the last successful one or, if that one runs, the one before.

        :param keep_settings: keys that keep the values they have now.
        :raises NothingChanged: it can't be put back, and nothing was touched.
        """
        with _before_anything_is_touched(), self._locked():
            warnings = self._close_interrupted()
            target = self._recorded(self._chosen(number), keep_settings)
            with self._exported(target.commit) as tree:
                return {**self._carry_out(target.replace(tree=tree), warnings), "restored": target.restores}

    def recover(self, how: str) -> Json:
        """Bring the host back to the last successful release after `run` was killed; `how` says by what.

        It may have been killed anywhere, also before it began or when all was done.
        """
        with self._locked():
            self._forget(_SETTINGS)
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

    def _dry_run(self, target: Target, scratch: str) -> Json:
        host = self._look()
        target, warnings = self._with_settings(target, host)
        self._write_settings(target, host, scratch)
        stack = self._stack(target, host, target.tree, scratch=scratch, dry_run=True)
        warnings += stack.warnings() if target.is_deploy else []
        if host.holder is not None:
            who = host.holder.get("by") or "somebody"
            warnings.append(f"{who} holds the deploy lock of {self._project.name} at this moment.")
        return self._result(target, host, stack, stack.plan(), self._differences(target, host, stack), warnings)

    def _carry_out(self, target: Target, warnings: list[str]) -> Json:
        """Do what there is to do, and remove what was only for that. Only for the holder of the lock."""
        # The lock is this run's own.
        host = dataclasses.replace(self._look(), holder=None)
        try:
            target, more = self._with_settings(target, host)
            self._write_settings(target, host, self._records.folder)
            return self._run(target, host, [*warnings, *more])
        finally:
            self._forget(_SETTINGS)

    def _look(self) -> Host:
        return _host.look(self._records, self._engine, self._project.folder, self._project.env_file)

    def _with_settings(self, target: Target, host: Host) -> tuple[Target, list[str]]:
        """The target with its settings, made now if they are to be made, and what to warn of."""
        if target.render is not None:
            rendered = target.render(target.tree)
            return target.replace(settings=rendered.settings), render.unknown_warning(rendered.unknown)
        if target.is_deploy:
            return target.replace(settings=self._installed(host)), []
        return target, []

    def _installed(self, host: Host) -> Settings:
        """The settings in the project's env file, none without one.

        :raises DeployError: they can't be read.
        """
        if host.installed is None:
            content = read_regular_file(self._project.env_file)
            return NO_SETTINGS if content is None else Settings.parse(content, self._project.env_file)
        return host.installed

    def _write_settings(self, target: Target, host: Host, scratch: str) -> None:
        """Have the wanted settings in a file for compose, where the project's own does not have them yet."""
        if self._are_installed(target, host):
            return
        if host.installed is None and scratch == self._records.folder and not os.path.lexists(self._project.env_file):
            # Services may name the env file itself, and Compose wants it there: the first one is written at once.
            self._install_env(target, host)
        write_secret_file(f"{scratch}/{_SETTINGS}", target.settings.content)

    def _are_installed(self, target: Target, host: Host) -> bool:
        return host.installed is not None and host.installed.content == target.settings.content

    def _run(self, target: Target, host: Host, warnings: list[str]) -> Json:
        self._say("looking at what there is to do")
        stack = self._stack(target, host, target.tree)
        warnings += stack.warnings() if target.is_deploy else []
        plan, differences = stack.plan(), self._differences(target, host, stack)
        result = self._result(target, host, stack, plan, differences, warnings)
        if plan.is_empty() and all(difference.reason in _DRIFT for difference in differences):
            _dummy, failure = attempt(self._put_right, target, host, stack, differences)
            return {**result, "failure": failure} if failure else result
        record = self._records.begin(self._record(target, stack), target.settings.content)
        begin = time.monotonic()
        pulled, failure = attempt(self._prepare, target, host, stack)
        if failure:
            self._end(record, Result.FAILED, begin, failure)
            raise NothingChanged(f"Release {record.number} was not begun. {failure}")
        _dummy, failure = attempt(self._bring_up, target, host, stack, plan)
        if failure:
            return {**self._undo(record, begin, failure), "plan": plan.lines(), "warnings": warnings}
        self._remember_definitions(record, stack)
        self._end(record, Result.SUCCEEDED, begin)
        _dummy, failure = attempt(self._run_jobs, target, host, stack.images, target.jobs_after, self._project.folder)
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

    def _chosen(self, number: int | None) -> Record:
        """The record to go back to; refuses what can't be put back."""
        records = self._records.all()
        succeeded = [record for record in records if record.succeeded]
        if number is not None:
            record = self._records.get(number)
        elif succeeded and succeeded[-1] != records[-1]:
            record = succeeded[-1]
        elif len(succeeded) > 1:
            record = succeeded[-2]
        else:
            raise DeployError(f"{self._project.name} has no successful release but the last to go back to.")
        if not record.succeeded:
            there = ", ".join(str(one.number) for one in succeeded)
            raise DeployError(
                f"Release {record.number} is {record.result.value}. Successful ones are: {there or 'none'}."
            )
        if record.commit and not checkout.has(self._project.folder, record.commit):
            raise DeployError(
                f"The files of release {record.number} (commit {record.commit}) are not in the clone at"
                f" {self._project.folder} any more. Deploy that commit instead, with gitops_checkout_ref."
            )
        return record

    def _recorded(self, record: Record, keep_settings: t.Collection[str]) -> Target:
        """The target that a record describes, with the values that settings to be kept have now."""
        settings = self._records.settings_of(record.number)
        if keep_settings:
            content = read_regular_file(self._project.env_file) or b""
            now = Settings.parse(content, self._project.env_file).values
            settings = settings.keeping(
                {key: now[key] for key in keep_settings if key in now and key in settings.values}
            )
        return recorded_target(record, settings, self._project.folder)

    def _forget(self, name: str) -> None:
        """Remove a file of the run's that holds values."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._records.folder}/{name}")

    @contextlib.contextmanager
    def _exported(self, commit: str | None) -> t.Iterator[str]:
        """A folder with the files of a commit; without one, the project's own. Only for the holder of the lock."""
        if not commit:
            yield self._project.folder
            return
        tree = f"{self._records.folder}/files"
        checkout.export(self._project.folder, commit, tree)
        try:
            yield tree
        finally:
            shutil.rmtree(tree, ignore_errors=True)

    def _prepare(self, target: Target, host: Host, stack: Stack) -> list[str]:
        """What can be done before anything that runs is touched; returns the services whose images were pulled."""
        missing = stack.missing_images()
        if missing:
            self._say(f"pulling the images of {', '.join(missing)}")
            stack.pull(missing, self._project.pull_seconds)
        if target.jobs_before:
            # A job sees the wanted files and settings, which are not in the project's folder yet if it is a clone.
            if target.tree == self._project.folder:
                self._install_env(target, host)
            else:
                write_secret_file(f"{target.tree}/.env", target.settings.content)
        self._run_jobs(target, host, stack.images, target.jobs_before, target.tree)
        return missing

    def _run_jobs(
        self, target: Target, host: Host, images: t.Mapping[str, str], jobs: t.Sequence[Job], folder: str
    ) -> None:
        for job in jobs:
            self._say(f"running the job {' '.join(job.command)} of {job.service}")
            stack = self._stack(target, host, folder, images, folder)
            stack.run_job(job, f"{self._project.name}-{job.service}-job")

    def _bring_up(self, target: Target, host: Host, stack: Stack, plan: Plan) -> None:
        """Switch files and settings and make the containers follow, until all is ready."""
        self._put_in_place(target, host)
        if target.tree == self._project.folder:
            stack.settings_written()
        else:
            # Files in the project's folder may count only now.
            stack, plan = self._planned_in_place(target, stack.images)
        self._follow(target, stack, plan)

    def _put_in_place(self, target: Target, host: Host) -> None:
        folder = self._project.folder
        if target.commit and (target.tree != folder or checkout.head(folder) != target.commit):
            self._say(f"switching the files to commit {short_commit(target.commit)}")
            checkout.switch(folder, target.commit)
        self._install_env(target, host)

    def _planned_in_place(self, target: Target, images: t.Mapping[str, str]) -> tuple[Stack, Plan]:
        """The stack of a target whose files and settings are in place, with its images on the host, and what it does."""
        stack = self._stack(target, self._look(), self._project.folder, images)
        stack.pull(stack.missing_images(), self._project.pull_seconds)
        return stack, stack.plan()

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
        target = recorded_target(record, self._records.settings_of(record.number), self._project.folder)
        self._put_in_place(target, self._look())
        stack, plan = self._planned_in_place(target, record.pinned)
        self._follow(target, stack, plan)
        self._remember_definitions(record, stack)

    def _stack(
        self,
        target: Target,
        host: Host,
        tree: str,
        images: t.Mapping[str, str] | None = None,
        folder: str | None = None,
        scratch: str | None = None,
        dry_run: bool = False,
    ) -> Stack:
        """The stack of a target whose files are in `tree`, for containers that see them in `folder`."""
        project, folder = self._project, folder or self._project.folder
        files = [os.path.join(tree, name) for name in target.files]
        for path in files:
            if not os.path.isfile(path):
                raise DeployError(
                    f"There is no compose file {path}: correct files, or the repository or ref that was checked out."
                )
        last = host.release
        settings, recorded, installed = target.settings, self._recorded_settings(host), host.installed or NO_SETTINGS
        changes = settings.changes(installed)
        changed = settings.differing(recorded) if last else sorted(key for keys in changes.values() for key in keys)
        pending = settings.content != installed.content
        wanted = Wanted(project.name, folder, tree, project.env_file, changed, pending)
        env_file = f"{scratch or self._records.folder}/{_SETTINGS}" if pending else project.env_file
        # Compose wants a file, and a project without settings may have none.
        compose = Compose(project.name, folder, files, env_file if os.path.isfile(env_file) else os.devnull)
        # In check mode nobody logged in, so what a real run would store is only held for the question.
        auths = [stored_logins.stored, *([stored_logins.minted] if dry_run else [])]
        images = images or target.images
        if images is None and target.keep_images and last:
            images = last.pinned
        redact = redactor({*settings.values.values(), *recorded.values.values()})
        stack = Stack(wanted, compose, self._engine, auths, redact, project.log_lines, images, target.digests)
        if target.keep_images and last:
            refuse_other_images(last, stack.references)
        if target.is_deploy:
            stack.refuse_unknown([job.service for job in (*target.jobs_before, *target.jobs_after)], "A job")
            stack.refuse_unknown(project.service_wait_seconds, "service_wait_seconds")
        return stack

    def _recorded_settings(self, host: Host) -> Settings:
        """The settings of the last successful release, none without one.

        :raises DeployError: they are not kept any more.
        """
        if host.release is None:
            return NO_SETTINGS
        return host.recorded or self._records.settings_of(host.release.number)

    def _record(self, target: Target, stack: Stack) -> Record:
        """What a record says of a target, before it is begun."""
        images = {
            service: Image(reference, stack.images.get(service, reference))
            for service, reference in stack.references.items()
        }
        record = record_of(self._project, target, images)
        if target.commit:
            return record
        # Without a commit, only their content tells whether files were edited.
        names = [*target.files, *stack.mounted_files()]
        return record.replace(file_digests=_host.file_digests(self._project.folder, names))

    def _differences(self, target: Target, host: Host, stack: Stack) -> list[Difference]:
        """What the target has otherwise than the host, apart from what the plan says of containers."""
        settings = target.settings.differing(self._recorded_settings(host))
        found = _host.differences(self._record(target, stack), host, settings)
        # The plan has what differs of containers, and a warning names who holds the lock.
        return [one for one in found if one.reason not in (Reason.CONTAINER, Reason.LOCKED)]

    def _result(
        self,
        target: Target,
        host: Host,
        stack: Stack,
        plan: Plan,
        differences: list[Difference],
        warnings: list[str],
    ) -> Json:
        """The module's result as far as it is known before anything is changed."""
        lines = plan.lines()
        settings, edits = self._env_changes(target, host)
        shown = [one.text for one in differences if one.reason is not Reason.ENV_FILE]
        told = [*lines, *(f"({text})" for text in shown), *edits]
        return {
            "changed": bool(told),
            "plan": lines,
            "differences": shown,
            "settings": settings,
            "diff": {"prepared": "".join(f"{line}\n" for line in told)},
            "release": host.release.number if host.release else None,
            "pulled": [],
            "pruned": [],
            "services": stack.services(),
            "warnings": warnings,
        }

    def _env_changes(self, target: Target, host: Host) -> tuple[list[str], list[str]]:
        """The keys that will be otherwise in the project's env file, and what will be with it, a line each."""
        path = self._project.env_file
        if target.render is None:
            return [], []
        changes = target.settings.changes(host.installed or NO_SETTINGS)
        lines = render.change_lines(changes)
        if os.path.exists(path):
            with open_secret_file(path) as file:
                lines += [] if file.is_private() else ["(mode or owner changed)"]
        return sorted(key for keys in changes.values() for key in keys), [f"{path}: {line}" for line in lines]

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
        path = self._project.env_file
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
