"""The compose project of a release: from compose files and an env file to containers that are ready.

Nothing that runs is touched before every image is known by digest and stored on the host.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import write_secret_file
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker import compose as _compose
from ansible_collections.popcon.deploy.plugins.module_utils._docker import overlay as _overlay
from ansible_collections.popcon.deploy.plugins.module_utils._docker import readiness
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import replicas
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import (
    hash_of,
    image_of,
    name_of,
    number_of,
    row_of,
    service_of,
)
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._docker.image import pinned, shortened
from ansible_collections.popcon.deploy.plugins.module_utils._docker.inputs import (
    Inputs,
    label,
    override_for,
    without_copies,
)
from ansible_collections.popcon.deploy.plugins.module_utils._docker.lint import table as lint
from ansible_collections.popcon.deploy.plugins.module_utils._release import expected as _expected
from ansible_collections.popcon.deploy.plugins.module_utils._release.plan import Cause, Plan, Why
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import Job

SAMPLE_SECONDS = 0.5
VERIFY_TRIES = 3
# How long the engine may be away, as when it is restarted.
ENGINE_BACK_SECONDS = 120.0
# What an image of which no earlier one is known is taken to need.
UNKNOWN_IMAGE_BYTES = 1024**3


class Wanted(t.NamedTuple):
    """What a release is made of.

    `tree` holds the wanted files of `project_dir`: the same folder, or another one before they are put in place.
    `changed_keys` are the settings that were added, removed or changed. `for_jobs` are services that only jobs use, so they are
    not started.
    """

    project: str
    project_dir: str
    tree: str
    env_file: str
    changed_keys: t.Sequence[str] = ()
    for_jobs: t.Collection[str] = ()


class Stack:
    """One release of one project, step by step: `plan`, `pull`, `run_job`, `apply`, `wait_until_ready`.

    :param inputs: where secrets, configs and mounted files come from.
    :param auths: ways to get the `X-Registry-Auth` header for a registry's name, or None; the next is tried where the
        registry refuses what the one before gave.
    :param redact: takes the secrets out of a text.
    :param log_lines: how many of its last lines are shown of a container that fails.
    :param images: image references by digest, by service name, where they are known and the registry need not be asked.
    :param digests: image references by digest, by reference, that the registry need not be asked for.
    :param recorded: what the last successful release expected of the services, for the plan to name what changed.
    :param edited: absolute paths of files that were changed by hand, which the release replaces by the commit's.
    :raises DeployError: from every step, in words for the operator.
    """

    def __init__(
        self,
        wanted: Wanted,
        compose: _compose.Compose,
        engine: Engine,
        inputs: Inputs,
        auths: t.Sequence[t.Callable[[str], str | None]],
        redact: t.Callable[[str], str],
        log_lines: int,
        images: t.Mapping[str, str] | None = None,
        digests: t.Mapping[str, str] | None = None,
        recorded: t.Mapping[str, _expected.Expected] | None = None,
        edited: t.Collection[str] = (),
    ) -> None:
        self._wanted = wanted
        self._compose = compose
        self._engine = engine
        self._inputs = inputs
        self._recorded = recorded or {}
        self._edited = edited
        self._auths = auths
        self._redact = redact
        self._log_lines = log_lines
        self._model = self._in_words(compose.model)
        self._jobs = self._services_for_jobs()
        self._initial = _compose.initial_environment(self._model)
        self.references = self._references()
        self.images = (
            self._pinned_images(digests or {})
            if images is None
            else {name: images[name] for name in self.references if name in images}
        )
        self.expected = self._in_words(lambda: _expected.expected(self._model, inputs))
        labels = {name: label(inputs.key, one.inputs) for name, one in self.expected.items()}
        self._override = override_for({"services": self._services()}, self.images, labels)
        if self._initial:
            self._keep_initial_environment()

    def in_place(self) -> None:
        """From now on, the wanted files and settings are where they belong."""
        self._compose.in_place()

    def idle(self) -> list[str]:
        """The services that are to have no container: only jobs use them, or they have no replicas."""
        return [name for name, service in self._services().items() if name in self._jobs or not replicas(service)]

    def _services(self) -> Json:
        """Those that are to run, and those that only jobs use."""
        return {**self._model["services"], **self._jobs}

    def _services_for_jobs(self) -> Json:
        """The services that only jobs use, which compose leaves out as nobody asks for their profiles."""
        services = self._model["services"]
        others = sorted(set(self._wanted.for_jobs) - services.keys())
        if not others:
            return {}
        try:
            more = self._in_words(lambda: self._compose.model(others))["services"]
        except _compose.NoSuchService as exc:
            raise DeployError(f"A job names {exc}, which the compose files don't have.") from None
        for name in others:
            needed = sorted(_compose.dependencies({"services": more}, name) - services.keys())
            if needed:
                raise DeployError(
                    f"The job's service {name} depends on {', '.join(needed)}, which no profile that is asked for starts:"
                    " ask for its profile with compose_deploy_profiles."
                )
        return {name: more[name] for name in others}

    def containers(self) -> list[Json]:
        """The project's containers as they are now."""
        return self._engine.containers(self._wanted.project)

    def plan(self) -> Plan:
        """What `apply` would do now; changes nothing."""
        containers = self.containers()
        services = self._model["services"]
        here = {service_of(container) for container in containers} & set(services)
        diverged = self._diverged(containers) if here else set()
        # Compose 5 says nothing of these, and earlier ones that they are created. One that did its work is started by `up` too.
        stopped = {service_of(c) for c in containers if readiness.is_stopped(c)}
        short, surplus = self._scaled(containers)
        using = self._services_using(self._wanted.changed_keys)
        causes: dict[str, list[Cause]] = {}
        for container in containers:
            name, old = service_of(container), image_of(container)
            if name in here and old != self.images.get(name, old):
                change = f"image {shortened(old)} -> {shortened(self.images[name])}"
                causes[name] = [Cause(Why.IMAGE, change)]
        for name in here:
            if name in diverged and name in using:
                causes.setdefault(name, []).append(Cause(Why.SETTINGS, f"settings {' '.join(using[name])}"))
            elif name in diverged:
                causes.setdefault(name, []).append(Cause(Why.DEFINITION, self._what_changed(name) or "its definition"))
        for container in containers:
            name = service_of(container)
            if name in here and name not in causes:
                found = _expected.differences(self.expected[name], container, self._inputs.key)
                found += [
                    f"{mount.what} was edited" for mount in self.expected[name].mounts if mount.source in self._edited
                ]
                if found and _expected.GONE not in found:
                    causes[name] = [Cause(Why.DRIFT, ", ".join(found))]
        create = [name for name in services if name in short]
        for name in _compose.in_dependency_order(self._model, here):
            # A new container of what it shares is a new definition to compose.
            if any(cause.why is not Why.DEFINITION for cause in causes.get(name, ())):
                continue
            for dependency in sorted(_compose.shares(services[name]) & {*causes, *create})[:1]:
                causes[name] = [Cause(Why.RESTART, f"lives in the container of {dependency}")]
            for dependency, condition in (services[name].get("depends_on") or {}).items():
                if name not in causes and dependency in causes and condition.get("restart"):
                    causes[name] = [Cause(Why.RESTART, f"restarts with {dependency}")]
        for name in self._initial.keys() & causes.keys():
            # Made anew for another reason, it may as well have what is set now.
            self._override["services"][name].pop("environment", None)
        return Plan(
            create=create,
            recreate={name: causes[name] for name in _compose.in_dependency_order(self._model, causes)},
            start=[name for name in services if name in stopped and name not in causes],
            remove=[name_of(c) for c in containers if service_of(c) not in services or c in surplus],
        )

    def _what_changed(self, name: str) -> str:
        """What of a service changed since the last successful release, by name; empty where that is not known."""
        last = self._recorded.get(name)
        return ", ".join(self.expected[name].changes(last)) if last else ""

    def _scaled(self, containers: list[Json]) -> tuple[set[str], list[Json]]:
        """The services that have fewer containers than they should, and the containers beyond that: a hash tells of neither."""
        short, surplus = set(), []
        for name, service in self._model["services"].items():
            own = sorted((c for c in containers if service_of(c) == name), key=number_of)
            wanted = replicas(service)
            if len(own) < wanted:
                short.add(name)
            surplus += own[wanted:]
        return short, surplus

    def missing_images(self) -> list[str]:
        """The services whose images are not on the host."""
        return [name for name, image in self.images.items() if self._engine.image_id(image) is None]

    def pull(self, services: t.Sequence[str], seconds: int) -> None:
        """Bring the images of these services to the host in so many seconds, if there is room for them.

        What an image will take is not known before it is there: its predecessor's size stands for it.
        """
        if not services:
            return
        running = {service_of(container): container["Image"] for container in self.containers()}
        sizes = (self._engine.image_size(running[name]) if name in running else None for name in services)
        needed = sum(UNKNOWN_IMAGE_BYTES if size is None else size for size in sizes)
        folder = self._engine.data_folder()
        free = shutil.disk_usage(folder).free if os.path.isdir(folder) else needed
        if free < needed:
            raise DeployError(
                f"{folder} has {_gigabytes(free)} free, and the images of {', '.join(services)} may take"
                f" {_gigabytes(needed)}: make room there, for example with docker image prune."
            )
        self._in_words(lambda: self._compose.pull(self._override, services, seconds))

    def run_job(self, job: Job, name: str) -> None:
        """Run a job to its end, in a container of this name; what its service depends on is started if it doesn't run."""
        running = {service_of(container) for container in self.containers() if container["State"].get("Running")}
        needed = sorted(_compose.dependencies({"services": self._services()}, job.service) - running)
        override = self._staged()
        if needed:
            self._in_words(lambda: self._compose.start_missing(override, needed, job.seconds))
        try:
            self._compose.run_job(override, name, job.service, job.command, job.seconds)
        except _compose.ComposeError as exc:
            lines = self._redact(exc.output).strip().splitlines()[-self._log_lines :]
            raise DeployError(
                f"The job {' '.join(job.command)} of service {job.service} failed.\nIts last lines:\n"
                + ("\n".join(lines) or "(none)")
            ) from None

    def _staged(self) -> Json:
        """The override, by which containers also mount what is wanted where that is not in place yet."""
        staged = _overlay.staged_mounts({**self._model, "services": self._services()}, self._compose.overlays)
        services = {**self._override["services"]}
        for name, entry in staged.pop("services", {}).items():
            services[name] = {**services.get(name, {}), **entry}
        return {**self._override, **staged, "services": services}

    def refuse_unknown(self, services: t.Iterable[str], where: str) -> None:
        """Refuse services that the compose files don't have; `where` says which option names them."""
        unknown = sorted(set(services) - self._services().keys())
        if unknown:
            raise DeployError(f"{where} names {', '.join(unknown)}, which the compose files don't have.")

    @property
    def model(self) -> Json:
        """The files as compose understands them; holds every value."""
        return self._model

    def warnings(self) -> list[str]:
        """What a compose file should not have, or lacks, as sentences."""
        return lint.warnings(self._model)

    def up_command(self, override_file: str) -> list[str]:
        """A command that makes the containers what this release asks for, also when this process is gone.

        :param override_file: is written for it, for the running user alone.
        """
        write_secret_file(override_file, json.dumps(self._override).encode())
        return self._compose.up_command(override_file)

    def apply(self, plan: Plan, wait_seconds: int) -> None:
        """Make the containers what the files ask for.

        What must be recreated goes first, one service at a time after its dependencies: in one go, Compose 2.26 would recreate
        every service that depends on a recreated one as well. If that was all there is to do, Compose needn't look at all again.
        """
        try:
            for name, causes in plan.recreate.items():
                # Compose itself sees no difference then.
                force = causes[0].why in (Why.RESTART, Why.DRIFT)
                self._compose.up(self._override, wait_seconds, name, force=force)
            if plan.create or plan.start or plan.remove:
                self._compose.up(self._override, wait_seconds)
            self._remove(plan.remove, wait_seconds)
        except _compose.ComposeError as exc:
            if not exc.engine_was_lost():
                raise self._failed_container() or self._said(exc) from None
            self._engine.wait_until_back(ENGINE_BACK_SECONDS)
            self._up_again(plan, wait_seconds)

    def _remove(self, names: t.Sequence[str], wait_seconds: int) -> None:
        """Remove those of the containers that compose left, as it does where their service is still in the files."""
        left = {name_of(container) for container in self.containers()} & set(names) if names else set()
        if left:
            self._compose.remove(sorted(left), wait_seconds)

    def _up_again(self, plan: Plan, wait_seconds: int) -> None:
        # Everything by compose's own word: part of the plan is done, and what was in the making may be in any state.
        try:
            self._compose.up(self._override, wait_seconds)
            self._remove(plan.remove, wait_seconds)
        except _compose.ComposeError as exc:
            raise self._failed_container() or self._said(exc) from None

    def wait_until_ready(
        self, limit: t.Callable[[str], int], since: t.Sequence[Json], say: t.Callable[[str], None] = lambda _text: None
    ) -> None:
        """Return when every service is ready, and fail as soon as one can't be any more or its time is over.

        :param limit: the seconds that a service may take.
        :param since: the containers before `apply`: one that is still there unchanged has shown that it lasts, and where it is
            unhealthy, as it needs what was down, it may become well again.
        :param say: is told whenever what is waited for changes.
        """
        lasting = {container["Id"] for container in since if container["State"].get("Running")}
        restarts = {container["Id"]: container["RestartCount"] for container in since}
        watch = readiness.Watch()
        begin = time.monotonic()
        said = ""
        while True:
            waiting = {}
            self._engine.wait_until_back(ENGINE_BACK_SECONDS)
            for container in self.containers():
                lasts = container["Id"] in lasting
                lasted = None if lasts else watch.lasted(container)
                verdict = readiness.judge(container, lasted, restarts.get(container["Id"], 0))
                if lasts and verdict.reason == readiness.UNHEALTHY:
                    # Its next check comes when it comes.
                    verdict = verdict._replace(state=readiness.WAITING)
                if verdict.state == readiness.FAILED:
                    raise self._not_ready(container, verdict.reason)
                if verdict.state == readiness.WAITING:
                    waiting[container["Id"]] = (container, verdict.reason)
            if not waiting:
                return
            for container, reason in waiting.values():
                seconds = limit(service_of(container))
                if time.monotonic() > begin + seconds:
                    raise self._not_ready(container, f"was not ready within {seconds} s: {reason}")
            telling = ", ".join(f"{service_of(container)} {reason}" for container, reason in waiting.values())
            if telling != said:
                say(f"waiting for {telling}")
                said = telling
            time.sleep(SAMPLE_SECONDS)

    def verify(self) -> None:
        """See that every container is what the release says, by what it has itself.

        :raises DeployError: one is not.
        """
        wanted = self.expected_with_images()
        for _dummy in range(VERIFY_TRIES):
            found, containers = [], self.containers()
            for name, one in wanted.items():
                own = [container for container in containers if service_of(container) == name]
                said = _expected.miscounted(one, len(own))
                for container in own:
                    said += _expected.differences(one, container, self._inputs.key)
                found += [f"{name} {text}" for text in said]
            if not found:
                return
            # One may have been started again at that moment.
            time.sleep(SAMPLE_SECONDS)
        raise DeployError(f"What runs is not what the release says: {'; '.join(found)}.")

    def expected_with_images(self) -> dict[str, _expected.Expected]:
        """What is expected of the services, with the ids of their images, which are on the host."""
        return {
            name: dataclasses.replace(one, image=self._engine.image_id(self.images[name]) or "")
            for name, one in self.expected.items()
        }

    def services(self) -> list[Json]:
        """What runs, a row a container as `row_of` makes it, sorted as compose lists services."""
        order = list(self._model["services"])
        rows = [row_of(container) for container in self.containers()]
        return sorted(
            rows,
            key=lambda r: (order.index(r["service"]) if r["service"] in order else len(order), r["container"]),
        )

    def definitions(self) -> dict[str, str]:
        """Compose's hash of each service's containers, as they are now; by service."""
        return {service_of(container): hash_of(container) for container in self.containers()}

    def mounted_files(self) -> list[str]:
        """The files of the project's folder that are mounted into services, by their names in it; sorted."""
        return self._inputs.files(self._model)

    def _keep_initial_environment(self) -> None:
        """Leave containers what they have of variables that matter at their first start only, so that they needn't be recreated."""
        for container in self.containers():
            name = service_of(container)
            if name not in self._initial:
                continue
            given = dict(entry.partition("=")[::2] for entry in container["Config"].get("Env") or [])
            kept = {variable: given[variable] for variable in self._initial[name] if variable in given}
            # Compose fills in variables in an override too.
            entry = {variable: value.replace("$", "$$") for variable, value in kept.items()}
            self._override["services"].setdefault(name, {})["environment"] = entry

    def _references(self) -> dict[str, str]:
        """Image references as the files have them, by service name."""
        services = self._services()
        for name, service in services.items():
            if not service.get("image"):
                raise DeployError(f"Service {name} has no image: build it in CI, push it, and name it with image:.")
        return {name: service["image"] for name, service in services.items()}

    def _pinned_images(self, known: t.Mapping[str, str]) -> dict[str, str]:
        """Image references by digest, by service name."""
        found, problems = pinned(self._engine, {*self.references.values()} - known.keys(), self._auths)
        for problem in problems.values():
            raise DeployError(problem)
        found = {**found, **known}
        return {name: found[reference] for name, reference in self.references.items()}

    def _diverged(self, containers: list[Json]) -> set[str]:
        """The services whose definition differs from their container's, as compose sees it.

        Compose is asked with every service at the image it runs: newer ones may not be on the host yet, and would be a difference
        that is known already. A service that is new gets any image, as nothing is asked about it.
        """
        running = {service_of(container): image_of(container) for container in containers}
        images = {name: running.get(name, image_of(containers[0])) for name in self._model["services"]}
        wanted = self._override["services"]
        override = {"services": {name: {**wanted.get(name, {}), "image": image} for name, image in images.items()}}
        recreated = self._in_words(lambda: self._compose.recreated({**override, **without_copies(self._model)}))
        flagged = {service_of(container) for container in containers if name_of(container) in recreated}
        # Compose 2.26 also recreates what depends on something it recreates.
        doubtful = {name for name in flagged if _compose.dependencies(self._model, name) & flagged}
        if doubtful:
            hashes = self._in_words(lambda: self._compose.hashes(override))
            stored = {service_of(c): c["Config"]["Labels"].get("com.docker.compose.config-hash") for c in containers}
            flagged = {name for name in flagged if name not in doubtful or hashes.get(name) != stored[name]}
        return flagged

    def _services_using(self, keys: t.Sequence[str]) -> dict[str, list[str]]:
        if not keys:
            return {}
        try:
            raw = _compose.without_environment(self._compose.raw_model(), self._initial)
        except _compose.ComposeError:
            # Files that take a variable for part of their names can't be read without it. Only the plan's words depend on it.
            return {}
        return _compose.services_using(raw, keys, self._wanted.env_file)

    def _in_words(self, step: t.Callable[[], t.Any]) -> t.Any:
        try:
            return step()
        except _compose.ComposeError as exc:
            raise self._said(exc) from None

    def _said(self, error: _compose.ComposeError) -> DeployError:
        lines = [line.strip() for line in self._redact(error.output).splitlines() if line.strip()]
        return DeployError(f"docker compose {error.command} failed: {' | '.join(lines[-5:])}.")

    def _failed_container(self) -> DeployError | None:
        """What to say of a container that kept compose from going on, such as a dependency that is unhealthy."""
        for container in self.containers():
            verdict = readiness.judge(container)
            if verdict.state == readiness.FAILED:
                return self._not_ready(container, verdict.reason)
        return None

    def _not_ready(self, container: Json, reason: str) -> DeployError:
        logs = self._redact(self._engine.logs(container["Id"], self._log_lines)).strip()
        name = name_of(container)
        return DeployError(
            f"Service {service_of(container)} (container {name}) {reason}.\nIts last lines:\n{logs or '(none)'}"
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
