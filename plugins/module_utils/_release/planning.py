"""What a run would do: the settings, the stack and the record of a target, and how these differ from the host. Changes nothing."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.redact import redactor
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import (
    open_secret_file,
    read_regular_file,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker import overlay
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import Compose
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._registry import stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._release import host as _host
from ansible_collections.popcon.deploy.plugins.module_utils._release import staging
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Difference, Reason
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host
from ansible_collections.popcon.deploy.plugins.module_utils._release.plan import Plan
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Record
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.stack import Stack, Wanted
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import (
    Project,
    Target,
    record_of,
    recorded_target,
    refuse_other_images,
)
from ansible_collections.popcon.deploy.plugins.module_utils._settings import render
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import NO_SETTINGS, Settings


class Planning:
    """The read-only half of a run on one project.

    :raises DeployError: from every method, when a deploy would be refused too.
    """

    def __init__(self, project: Project, engine: Engine, records: Records) -> None:
        self._project = project
        self._engine = engine
        self._records = records

    def look(self, target: Target) -> Host:
        """What the host has of the project now, and of the target's env file."""
        env_file = self._project.env_file_of(target.files)
        return _host.look(self._records, self._engine, self._project.folder, env_file)

    def chosen(self, number: int | None) -> Record:
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
                f"Release {record.number} did not succeed ({record.result.value}). Successful ones are: {there or 'none'}."
            )
        if record.commit and not checkout.has(self._project.folder, record.commit):
            raise DeployError(
                f"The files of release {record.number} (commit {record.commit}) are not in the clone at"
                f" {self._project.folder} any more. Deploy that commit instead, with gitops_checkout_ref."
            )
        return record

    def recorded(self, record: Record, keep_settings: t.Collection[str]) -> Target:
        """The target that a record describes, with the values that settings to be kept have now."""
        settings = self._records.settings_of(record.number)
        if keep_settings:
            last = self._records.last_succeeded() or record
            env_file = self._project.env_file_of(last.files)
            now = Settings.parse(read_regular_file(env_file) or b"", env_file).values
            settings = settings.keeping(
                {key: now[key] for key in keep_settings if key in now and key in settings.values}
            )
        return recorded_target(record, settings)

    def staged(self, target: Target, host: Host, scratch: str) -> tuple[Target, list[str]]:
        """The target with its settings, made now if they are to be made, and as compose can see it; and what to warn of.

        :param scratch: an empty folder, for as long as the target is not in place.
        """
        clone, seen = self._project.folder, host.checkout
        env_file = self._project.env_file_of(target.files)
        in_place = not target.commit or (seen.commit == target.commit and not seen.edits and not seen.interrupted)
        ours = target.commit if target.tree is None else None
        tree = target.tree or (clone if in_place else staging.exported(clone, target.commit or "", scratch))
        target, warnings = self._with_settings(target, host, tree)
        content = target.settings.content if self.settings_differ(target, host) else None
        if content is not None and tree == clone and ours and target.jobs_before:
            # A job that mounts the folder is to see the wanted settings in it.
            tree = staging.exported(clone, ours, scratch)
        if tree != clone or content is not None:
            overlays = staging.overlays(clone, tree, seen.commit, ours, env_file, content, scratch)
            target = target.replace(overlays=overlays)
        return target.replace(tree=tree), warnings

    def settings_differ(self, target: Target, host: Host) -> bool:
        """Whether the env file is to get other content."""
        if target.render is None and not (target.settings.content or host.installed):
            return False
        return host.installed is None or host.installed.content != target.settings.content

    def _with_settings(self, target: Target, host: Host, tree: str) -> tuple[Target, list[str]]:
        if target.render is not None:
            rendered = target.render(tree)
            return target.replace(settings=rendered.settings), render.unknown_warning(rendered.unknown)
        if target.is_deploy:
            return target.replace(settings=self._installed(host)), []
        return target, []

    def _installed(self, host: Host) -> Settings:
        """The settings in the project's env file, none without one.

        :raises DeployError: they can't be read.
        """
        if host.installed is None:
            content = read_regular_file(host.env_file)
            return NO_SETTINGS if content is None else Settings.parse(content, host.env_file)
        return host.installed

    def stack(
        self,
        target: Target,
        host: Host,
        images: t.Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> Stack:
        """The stack of a target that is in place or staged.

        :param images: by digest, by service, where they are decided already.
        """
        project, env_file = self._project, self._project.env_file_of(target.files)
        files = [os.path.join(project.folder, name) for name in target.files]
        for path in files:
            if not os.path.isfile(overlay.source(target.overlays, path)):
                raise DeployError(
                    f"There is no compose file {path}: correct files, or the repository or ref that was checked out."
                )
        last = host.release
        settings, recorded, installed = target.settings, self._recorded_settings(host), host.installed or NO_SETTINGS
        changes = settings.changes(installed)
        changed = settings.differing(recorded) if last else sorted(key for keys in changes.values() for key in keys)
        for_jobs = {*target.idle, *(job.service for job in (*target.jobs_before, *target.jobs_after))}
        wanted = Wanted(project.name, project.folder, target.tree or project.folder, env_file, changed, for_jobs)
        compose = Compose(project.name, files, env_file, target.profiles, target.overlays)
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
            stack.refuse_unknown(project.service_wait_seconds, "service_wait_seconds")
        return stack

    def _recorded_settings(self, host: Host) -> Settings:
        """The settings of the last successful release, none without one.

        :raises DeployError: they are not kept any more.
        """
        if host.release is None:
            return NO_SETTINGS
        return host.recorded or self._records.settings_of(host.release.number)

    def record(self, target: Target, stack: Stack) -> Record:
        """What a record says of a target, before it is begun."""
        images = {
            service: Image(reference, stack.images.get(service, reference))
            for service, reference in stack.references.items()
        }
        record = record_of(self._project, target, images).replace(idle=stack.idle())
        if target.commit:
            return record
        # Without a commit, only their content tells whether files were edited.
        names = [*target.files, *stack.mounted_files()]
        return record.replace(file_digests=_host.file_digests(self._project.folder, names))

    def differences(self, target: Target, host: Host, stack: Stack) -> list[Difference]:
        """What the target has otherwise than the host, apart from what the plan says of containers."""
        settings = target.settings.differing(self._recorded_settings(host))
        found = _host.differences(self.record(target, stack), host, settings)
        # The plan has what differs of containers, and a warning names who holds the lock.
        return [one for one in found if one.reason not in (Reason.CONTAINER, Reason.LOCKED)]

    def result(
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
        path = host.env_file
        if target.render is None:
            return [], []
        installed = host.installed or NO_SETTINGS
        changes = target.settings.changes(installed)
        lines = render.change_lines(changes)
        if not lines and installed.content != target.settings.content:
            lines.append("(form changed)")
        if os.path.exists(path):
            with open_secret_file(path) as file:
                lines += [] if file.is_private() else ["(mode or owner changed)"]
        return sorted(key for keys in changes.values() for key in keys), [f"{path}: {line}" for line in lines]
