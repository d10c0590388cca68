"""A deploy or a rollback from lock to record, on the host: the critical section.

From the moment the files in the project's folder are switched, the host ends in the new release or in the last good one.
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
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import first_line
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import Compose
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._registry import stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._release import http_check
from ansible_collections.popcon.deploy.plugins.module_utils._release.boot_unit import Resume
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import (
    differences,
    pinned_images,
    record_fields,
    recorded_target,
    refuse_other_images,
)
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import PROJECT_NAME, Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.stack import (
    ENGINE_BACK_SECONDS,
    Plan,
    Release,
    Wanted,
)
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import UNTOUCHED, Job, Project, Target
from ansible_collections.popcon.deploy.plugins.module_utils._settings import dotenv, render
from ansible_collections.popcon.deploy.plugins.module_utils._settings.dotenv import differing_keys
from ansible_collections.popcon.deploy.plugins.module_utils._settings.dotenv import parse_env as parse_contract

Say = t.Callable[[str], None]

_CANDIDATE = "settings"
_OVERRIDE = "override.json"


class Rollout:
    """One run on one project: `foretell` what `run` would do, `run`, and `recover` what a killed `run` left.

    Each returns the module's result. `failure` in it is what the operator must be told of a run that did not work out.

    :param say: is told what happens, in words that may be shown.
    """

    def __init__(self, project: Project, say: Say) -> None:
        self._project = project
        self._say = say
        self._engine = Engine()
        self._records = Records(project.state_dir, project.name)
        self._resume = Resume(project.name)

    def foretell(self, target: Target) -> Json:
        """What `run` would do now; changes nothing."""
        with tempfile.TemporaryDirectory() as folder:
            target, warnings = self._rendered(target, f"{folder}/{_CANDIDATE}")
            release = self._release(target, target.tree, foretold=True)
            warnings += release.warnings() if target.action == "deploy" else []
            holder = self._records.holder()
            if holder is not None:
                warnings.append(f"{holder.get('by', 'somebody')} is at {self._project.name} at this moment.")
            return self._result(target, release, release.plan(), self._differences(target, release), warnings)

    def run(self, target: Target) -> Json:
        """Bring the host to the target, or back to the last good release.

        :raises DeployError: it can't be, and nothing was touched.
        """
        with self._locked():
            warnings = self._close_interrupted()
            # Where files were staged, another run may put its own at any time, and so it may in the project's folder.
            folder = self._project.folder
            here = target.tree == folder and not target.jobs_before and checkout.head(folder) == target.commit
            with self._exported(None if here else target.commit) as tree:
                return self._carry_out(dataclasses.replace(target, tree=tree), warnings)

    def foretell_rollback(self, number: int | None, keep_settings: t.Collection[str]) -> Json:
        """What `roll_back` would do now; changes nothing."""
        record = self._chosen(number)
        with tempfile.TemporaryDirectory() as folder:
            tree = f"{folder}/files"
            target = self._recorded(record, keep_settings, folder)
            if target.commit:
                checkout.export(self._project.folder, target.commit, tree)
                target = dataclasses.replace(target, tree=tree)
            return {**self.foretell(target), "restored": target.restores}

    def roll_back(self, number: int | None, keep_settings: t.Collection[str]) -> Json:
        """Bring the host back to a release it had, by default the last good one or, if that one runs, the one before.

        :param keep_settings: keys that keep the values they have now.
        :raises DeployError: it can't be put back, and nothing was touched.
        """
        with self._locked():
            warnings = self._close_interrupted()
            record = self._chosen(number)
            with self._exported(record["commit"]) as tree:
                target = dataclasses.replace(self._recorded(record, keep_settings, self._records.folder), tree=tree)
                return {**self._carry_out(target, warnings), "restored": target.restores}

    def recover(self, how: str) -> Json:
        """Bring the host back to the last good release after `run` was killed, `how` says by what.

        It may have been killed anywhere, also before it began or when all was done.
        """
        with self._locked():
            self._forget(_CANDIDATE)
            failure = f"The process that did the release ended too early ({how})."
            mine = [record for record in self._records.all() if record["run"] == self._project.run]
            if mine and mine[-1]["result"] == "started":
                return self._undo(mine[-1]["number"], time.monotonic(), failure)
            if mine and mine[-1]["result"] == "good":
                return {"changed": True, "release": mine[-1]["number"], "services": self._rows()}
            if mine:
                # It waited for the lock in the meantime, and found an interrupted release to converge from.
                return {"changed": True, "failure": f"{failure} Another run took over.", "services": self._rows()}
            return {"failure": f"{failure} {UNTOUCHED}", "services": self._rows()}

    def _carry_out(self, target: Target, warnings: list[str]) -> Json:
        """Make the settings, do what there is to do, and forget what was only for that. Only for who holds the lock."""
        try:
            path = self._project.env_file
            # Services may name the file itself, and Compose wants it there: the first is written at once.
            target, said = self._rendered(
                target, f"{self._records.folder}/{_CANDIDATE}" if os.path.exists(path) else path
            )
            return self._run(target, [*warnings, *said])
        finally:
            self._forget(_CANDIDATE)

    def _rendered(self, target: Target, path: str) -> tuple[Target, list[str]]:
        """The target with the settings that it renders in the file `path`, and what to warn of."""
        if target.render is None:
            return target, []
        rendered = target.render(target.tree)
        write_secret_file(path, rendered.content)
        target = dataclasses.replace(target, env=path, parameters=rendered.sources)
        return target, render.unknown_warning(rendered.unknown)

    def _run(self, target: Target, warnings: list[str]) -> Json:
        self._say("looking at what there is to do")
        release = self._release(target, target.tree)
        warnings += release.warnings() if target.action == "deploy" else []
        plan, differences = release.plan(), self._differences(target, release)
        if plan.is_empty() and not differences:
            result = self._result(target, release, plan, [], warnings)
            self._install_env(target)
            release.wait_until_ready(self._project.limit, release.containers(), self._say)
            return result
        result = self._result(target, release, plan, differences, warnings)
        fields = {
            **record_fields(self._project, target, release.references, release.images),
            "config_hashes": release.config_hashes(),
        }
        number = self._records.begin(fields, self._env(target.env))
        begin = time.monotonic()
        pulled, failure = attempt(self._prepare, target, release)
        if failure:
            self._end(number, "failed", begin, failure)
            why = failure.replace(UNTOUCHED, "").rstrip()
            raise DeployError(f"Release {number} was not begun. {UNTOUCHED} {why}")
        _dummy, failure = attempt(self._bring_up, target, release, plan)
        if failure:
            return {**self._undo(number, begin, failure), "plan": plan.lines(), "warnings": warnings}
        self._end(number, "good", begin)
        _dummy, failure = attempt(self._run_jobs, target, release.images, target.jobs_after, self._project.folder)
        removed, _dummy = attempt(self._prune)
        result.update(pulled=pulled, pruned=removed or [], release=number, services=release.services())
        return {**result, "failure": f"Release {number} runs and is ready. But: {failure}"} if failure else result

    def _chosen(self, number: int | None) -> Json:
        """The record to go back to; refuses what can't be put back."""
        records = self._records.all()
        good = [record for record in records if record["result"] == "good"]
        if number is not None:
            record = self._records.get(number)
        elif good and good[-1] != records[-1]:
            record = good[-1]
        elif len(good) > 1:
            record = good[-2]
        else:
            raise DeployError(f"{self._project.name} has no good release but the last to go back to. {UNTOUCHED}")
        number, commit = record["number"], record["commit"]
        if record["result"] != "good":
            there = ", ".join(str(r["number"]) for r in good)
            raise DeployError(f"Release {number} was {record['result']}. Good ones are: {there or 'none'}. {UNTOUCHED}")
        if commit and not checkout.has(self._project.folder, commit):
            raise DeployError(
                f"The files of release {number} (commit {commit}) are not in the clone at {self._project.folder} any more."
                f" Deploy that commit instead, with gitops_checkout_ref. {UNTOUCHED}"
            )
        return record

    def _recorded(self, record: Json, keep_settings: t.Collection[str], folder: str) -> Target:
        """The target that a record describes; where settings are kept, those it gets are written to a file in `folder`."""
        target = recorded_target(self._records, record, self._project.folder)
        now = parse_contract(self._env(self._project.env_file), self._project.env_file)
        settings = parse_contract(self._env(target.env), target.env)
        kept = {key: now[key] for key in keep_settings if key in now and key in settings}
        if all(settings[key] == value for key, value in kept.items()):
            return target
        path = f"{folder}/{_CANDIDATE}"
        write_secret_file(path, dotenv.render({**settings, **kept}, "compose"))
        return dataclasses.replace(target, env=path)

    def _forget(self, name: str) -> None:
        """Remove a file of the run's that holds values."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._records.folder}/{name}")

    @contextlib.contextmanager
    def _exported(self, commit: str | None) -> t.Iterator[str]:
        """A folder with the files of a commit; without one, the project's own. Only for who holds the lock."""
        if not commit:
            yield self._project.folder
            return
        tree = f"{self._records.folder}/files"
        checkout.export(self._project.folder, commit, tree)
        try:
            yield tree
        finally:
            shutil.rmtree(tree, ignore_errors=True)

    def _prepare(self, target: Target, release: Release) -> list[str]:
        """What can be done before anything that runs is touched; returns the services whose images were pulled."""
        missing = release.missing_images()
        if missing:
            self._say(f"pulling the images of {', '.join(missing)}")
            release.pull(missing, self._project.pull_seconds)
        if target.jobs_before:
            # A job sees the wanted files and settings, which are not in the project's folder yet if it is a clone.
            if target.tree == self._project.folder:
                self._install_env(target)
            else:
                write_secret_file(f"{target.tree}/.env", self._env(target.env))
        self._run_jobs(target, release.images, target.jobs_before, target.tree)
        return missing

    def _run_jobs(self, target: Target, images: t.Mapping[str, str], jobs: t.Sequence[Job], folder: str) -> None:
        for job in jobs:
            self._say(f"running the job {' '.join(job.command)} of {job.service}")
            self._release(target, folder, images, folder).run_job(job, f"{self._project.name}-{job.service}-job")

    def _bring_up(self, target: Target, release: Release, plan: Plan) -> None:
        """Switch files and settings and make the containers follow, until all is ready."""
        self._put_in_place(target)
        if target.tree == self._project.folder:
            release.settings_written()
        else:
            # Files in the project's folder may count only now.
            release, plan = self._planned_in_place(target, release.images)
        self._follow(target, release, plan)

    def _put_in_place(self, target: Target) -> None:
        folder = self._project.folder
        if target.commit and (target.tree != folder or checkout.head(folder) != target.commit):
            self._say(f"switching the files to commit {target.commit[:7]}")
            checkout.switch(folder, target.commit)
        self._install_env(target)

    def _planned_in_place(self, target: Target, images: t.Mapping[str, str]) -> tuple[Release, Plan]:
        """The release of a target whose files and settings are in place, with its images on the host, and what it does."""
        target = dataclasses.replace(target, env=self._project.env_file)
        release = self._release(target, self._project.folder, images)
        release.pull(release.missing_images(), self._project.pull_seconds)
        return release, release.plan()

    def _follow(self, target: Target, release: Release, plan: Plan) -> None:
        """Do what is planned, and wait until all is ready."""
        before = release.containers()
        for line in plan.lines():
            self._say(line)
        try:
            if not plan.is_empty():
                self._resume.arm(release.up_command(f"{self._records.folder}/{_OVERRIDE}"))
                release.apply(plan, self._project.longest())
        finally:
            # Also what a run that was killed left.
            self._resume.disarm()
            self._forget(_OVERRIDE)
        release.wait_until_ready(self._project.limit, before, self._say)
        for check in target.http_checks:
            http_check.wait_for(check, self._project.wait_seconds, self._say)

    def _undo(self, number: int, begin: float, failure: str) -> Json:
        """Record that a release failed, and go back to the last good one."""
        self._end(number, "failed", begin, failure)
        good = self._records.last_good()
        result: Json = {"changed": True, "release": number, "rolled_back_to": None}
        if good is None:
            said = "there is no good release to go back to, so what it started is left as it is"
            return {**result, "failure": f"Release {number} failed, and {said}. {failure}", "services": self._rows()}
        self._say(f"release {number} failed: {first_line(failure)}")
        self._say(f"rolling back to release {good['number']}")
        begin = time.monotonic()
        _dummy, second = attempt(self._restore, good)
        self._audit(good, "automatic rollback", "failed" if second else "good", begin, second)
        rows = self._rows()
        if second:
            running = ", ".join(f"{row['service']} {row['state']}" for row in rows) or "nothing, or the engine is down"
            failure = (
                f"THE ROLLBACK FAILED: this host needs somebody now. What runs: {running}.\n"
                f"The rollback to release {good['number']} failed: {second}\n"
                f"It was tried because release {number} failed: {failure}"
            )
        else:
            result["rolled_back_to"] = good["number"]
            failure = f"Release {number} failed. {failure}\nRolled back: release {good['number']} runs and is ready."
        return {**result, "failure": failure, "services": rows}

    def _restore(self, good: Json) -> None:
        self._engine.wait_until_back(ENGINE_BACK_SECONDS)
        target = recorded_target(self._records, good, self._project.folder)
        self._put_in_place(target)
        self._follow(target, *self._planned_in_place(target, pinned_images(target.images or {})))

    def _release(
        self,
        target: Target,
        tree: str,
        images: t.Mapping[str, str] | None = None,
        folder: str | None = None,
        foretold: bool = False,
    ) -> Release:
        """The release of a target whose files are in `tree`, for containers that see them in `folder`."""
        project, folder = self._project, folder or self._project.folder
        files = [os.path.join(tree, name) for name in target.files]
        for path in files:
            if not os.path.isfile(path):
                raise DeployError(
                    f"There is no compose file {path}: correct files, or the repository or ref that was checked out."
                )
        good = self._records.last_good()
        old = self._records.env_of(good["number"]) if good else b""
        new, there = self._env(target.env), self._env(project.env_file)
        settings, earlier = parse_contract(new, target.env), parse_contract(old, "the last release")
        changes = render.key_changes(there, new)
        changed = (
            differing_keys(earlier, settings) if good else sorted(key for keys in changes.values() for key in keys)
        )
        wanted = Wanted(project.name, folder, tree, project.env_file, changed, new != there)
        # Compose wants a file, and in check mode the first one isn't written yet.
        compose = Compose(project.name, folder, files, target.env if os.path.isfile(target.env) else os.devnull)
        # In check mode nobody logged in, so what a real run would store is only held for the question.
        auths = [stored_logins.stored, *([stored_logins.minted] if foretold else [])]
        if images is None and target.images is not None:
            images = pinned_images(target.images)
        if images is None and target.keep_images and good:
            images = pinned_images(good["images"])
        secrets = {*settings.values(), *earlier.values()}
        scrub = redactor(secrets)
        release = Release(wanted, compose, self._engine, auths, scrub, project.log_lines, images, target.digests)
        if target.keep_images and good:
            refuse_other_images(good, release.references)
        if target.action == "deploy":
            release.refuse_unknown([job.service for job in (*target.jobs_before, *target.jobs_after)], "A job")
            release.refuse_unknown(project.service_wait_seconds, "service_wait_seconds")
        return release

    def _differences(self, target: Target, release: Release) -> list[str]:
        """What the target has otherwise than the last good release, apart from what containers show."""
        records = self._records.all()
        if not records or records[-1]["result"] != "good":
            return [
                "no release is recorded yet" if not records else f"the last one, {records[-1]['number']}, was not good"
            ]
        good = records[-1]
        earlier = parse_contract(self._records.env_of(good["number"]), "the last release")
        settings = differing_keys(earlier, parse_contract(self._env(target.env), target.env))
        return differences(good, record_fields(self._project, target, release.references, release.images), settings)

    def _result(
        self, target: Target, release: Release, plan: Plan, differences: list[str], warnings: list[str]
    ) -> Json:
        """The module's result as far as it is known before the settings are written."""
        good = self._records.last_good()
        lines = plan.lines()
        settings, edits = self._env_changes(target)
        told = [*lines, *(f"({text})" for text in differences), *edits]
        return {
            "changed": bool(told),
            "plan": lines,
            "differences": differences,
            "settings": settings,
            "diff": {"prepared": "".join(f"{line}\n" for line in told)},
            "release": good["number"] if good else None,
            "pulled": [],
            "pruned": [],
            "services": release.services(),
            "warnings": warnings,
        }

    def _env_changes(self, target: Target) -> tuple[list[str], list[str]]:
        """The keys that will be otherwise in the project's env file, and what will be with it, a line each."""
        path = self._project.env_file
        if target.render is None:
            return [], []
        changes = render.key_changes(self._env(path), self._env(target.env))
        lines = render.change_lines(changes)
        if os.path.exists(path):
            with open_secret_file(path) as file:
                lines += [] if file.is_private() else ["(mode or owner changed)"]
        return sorted(key for keys in changes.values() for key in keys), [f"{path}: {line}" for line in lines]

    def _rows(self) -> list[Json]:
        rows, _dummy = attempt(lambda: [row_of(container) for container in self._engine.containers(self._project.name)])
        return rows or []

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        holder = {"run": self._project.run, "by": self._project.by, "origin": self._project.origin}
        return self._records.locked(holder, self._project.lock_wait_seconds, self._say)

    def _close_interrupted(self) -> list[str]:
        """Say of releases whose processes are gone that they were interrupted."""
        warnings = []
        for record in self._records.all():
            if record["result"] == "started":
                self._records.finish(
                    record["number"], "interrupted", "its processes were killed, or the host went down"
                )
                self._audit(record, record["action"], "interrupted", None, None)
                warnings.append(
                    f"Release {record['number']} by {record['by']} ({record['origin']}) of {record['started']} was cut short,"
                    " as when a host goes down. This run brings the host to a whole release again."
                )
        return warnings

    def _end(self, number: int, result: str, begin: float, failure: str | None = None) -> None:
        self._records.finish(number, result, failure)
        record = self._records.get(number)
        self._audit(record, record["action"], result, begin, failure)

    def _audit(self, record: Json, action: str, result: str, begin: float | None, failure: str | None) -> None:
        self._records.audit(
            action=action,
            release=record["number"],
            restores=record["restores"],
            commit=record["commit"],
            run=self._project.run,
            by=self._project.by,
            origin=self._project.origin,
            result=result,
            seconds=None if begin is None else round(time.monotonic() - begin, 1),
            problem=first_line(failure),
        )

    def _env(self, path: str) -> bytes:
        return read_regular_file(path) or b""

    def _install_env(self, target: Target) -> None:
        """Have the target's settings in the project's env file; those that were made here are for the running user alone."""
        path = self._project.env_file
        if target.env == path:
            return
        kept = {}
        if target.render is None and os.path.exists(path):
            info = os.stat(path)
            kept = {"mode": info.st_mode & 0o777, "uid": info.st_uid, "gid": info.st_gid}
        content = self._env(target.env)
        with open_secret_file(path, **kept) as file:
            if file.read() != content or not file.is_private():
                file.write(content)
            else:
                file.discard_leftover()

    def _prune(self) -> list[str]:
        """Forget old releases, and remove the images that only they named; returns those images.

        The commits of those that are kept are held in the clone, whatever becomes of their branch.
        """
        named = {
            image["pinned"]
            for record in self._records.prune(self._project.keep_releases)
            for image in record["images"].values()
        }
        for name in os.listdir(self._project.state_dir):
            if not PROJECT_NAME.fullmatch(name):
                continue
            kept = Records(self._project.state_dir, name).all()
            named -= {image["pinned"] for record in kept for image in record["images"].values()}
        commits = {record["commit"] for record in self._records.all()} - {None}
        if commits:
            checkout.keep(self._project.folder, commits)
        return sorted(image for image in named if self._engine.remove_image(image))
