"""Other teams' apps: what runs is what the commit says, whatever it is that a container is made of.

They are projects of their own beside the sample app, which need not run; nothing of them is left. Each was put into the lab as
docs/start.md says.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import config, seed

from . import inputs
from .apps import PROJECTS, Project, service, write
from .controller import ROTATE, Controller, Run
from .inputs import ALL, CHANGED, NEW, WITHOUT, Input
from .parameters import put, value

#: It writes below its project's folder, where nothing of git's is.
WRITER = {
    "writer": service(
        user="0:0", volumes=["./data:/data"], entrypoint=["sh", "-c", "while :; do date > /data/now; sleep 1; done"]
    )
}
BAD = {"bad": {"image": inputs.IMAGE, "entrypoint": ["sh", "-c", "echo it is bad; exit 3"]}}
# What costs memory or never ends where somebody opens it.
HOSTILE_DATA = "cd $0/data && truncate -s 3G big && ln -s /dev/zero zero && mkfifo pipe"


@contextmanager
def project(controller: Controller, name: str, folder: Path) -> Iterator[Project]:
    """A project that is gone afterwards."""
    made = Project(controller, name, folder)
    made.remove()
    try:
        yield made
    finally:
        made.remove()


class Story:
    """An app whose inputs come, change and go with its releases.

    :param states: what each input is like at first.
    """

    def __init__(self, app: Project, table: tuple[Input, ...], states: dict[str, int]) -> None:
        self.app = app
        self.table = table
        self.states = states
        self._commit(states)
        assert app.deploy().status == 0
        self.assert_seen()
        app.controller.on_host("sh", "-c", HOSTILE_DATA, app.root)

    def _commit(self, states: Mapping[str, int], **more: inputs.Json) -> None:
        inputs.write_app(self.app.folder, self.table, states, {**WRITER, **more})
        self.app.put()

    def assert_seen(self) -> None:
        """Each container has what the commit says."""
        seen = self.app.seen(self.table)
        expected = {one.name: one.sees[self.states[one.name]] for one in self.table}
        assert {name: seen[name] for name, text in expected.items() if text is not None} == {
            name: text for name, text in expected.items() if text is not None
        }

    def _others(self, states: Mapping[str, int]) -> dict[str, str]:
        """The containers that have to stay when the inputs come to these states."""
        must, may = inputs.affected(self.table, self.states, states)
        containers = self.app.containers()
        return {
            name: container
            for name, container in containers.items()
            if self.app.service_of(name) not in must | may and not name.startswith("x-input")
        }

    def release(self, states: dict[str, int], check: bool = True) -> None:
        """Commit other states and deploy them, after a dry run."""
        must, may = inputs.affected(self.table, self.states, states)
        before, others = self.app.containers(), self._others(states)
        self._commit(states)
        if check:
            run = self.app.deploy("--check", "--diff")
            known = {name for one in self.table for name in inputs.services_of(one)} | WRITER.keys()
            assert run.status == 0
            assert (self.app.planned(run) & known) - may == must
            assert self.app.containers() == before
        assert self.app.deploy().status == 0
        self.states = states
        self.assert_seen()
        assert others.items() <= self.app.containers().items()

    def assert_up_to_date(self) -> None:
        """Nothing is left to do, and status says so."""
        before = self.app.containers()
        run = self.app.deploy()
        assert (run.status, run.changed) == (0, 0)
        assert self.app.controller.status(*self.app.arguments).status == 0
        assert self.app.containers() == before

    def go_back(self, states: dict[str, int], *arguments: str) -> None:
        """Roll back by hand to a release that had these states, by default the one before."""
        others = self._others(states)
        assert self.app.controller.rollback(*self.app.arguments, *arguments).status == 0
        self.states = states
        self.assert_seen()
        assert others.items() <= self.app.containers().items()

    def fail(self, states: dict[str, int]) -> None:
        """Deploy a bad release that has these states: all is as it was before."""
        others = self._others(states)
        self._commit(states, **BAD)
        run = self.app.deploy()
        assert run.status != 0 and "Service bad" in run.words and "Rolled back" in run.words
        self.assert_seen()
        assert others.items() <= self.app.containers().items()
        assert not self.app.containers_of({"bad"})


def test_each_kind_of_input_in_short(controller, tmp_path):
    """Half of them are new in the second release, the others change in it."""
    table = tuple(one for one in ALL if one.typical)
    first = {one.name: number % 2 for number, one in enumerate(table)}
    second = {name: state + 1 for name, state in first.items()}
    with project(controller, "kinds", tmp_path) as app:
        story = Story(app, table, first)
        story.release(second)
        story.assert_up_to_date()
        story.fail({name: (state + 1) % 3 for name, state in second.items()})
        # By default, after a release that failed, it is the one that runs.
        story.go_back(first, "-e", "rollback_release=1")


def compose_version(controller: Controller) -> tuple[int, ...]:
    words = controller.on_host("docker", "compose", "version", "--short")
    return tuple(int(number) for number in re.findall(r"\d+", words)[:2])


@pytest.mark.thorough
def test_every_input_new_changed_and_removed(controller, tmp_path):
    """One half is always a state behind the other, so that a change of one is seen to leave the other alone."""
    version = compose_version(controller)
    table = tuple(one for one in ALL if one.since <= version)
    ahead, behind = table[::2], table[1::2]

    def states(first: int, second: int) -> dict[str, int]:
        return {**inputs.states_of(ahead, first), **inputs.states_of(behind, second)}

    with project(controller, "table", tmp_path) as app:
        story = Story(app, table, states(WITHOUT, WITHOUT))
        story.release(states(NEW, WITHOUT))
        story.release(states(CHANGED, NEW))
        story.assert_up_to_date()
        story.release(states(WITHOUT, CHANGED))
        story.go_back(states(CHANGED, NEW))
        story.fail(states(NEW, CHANGED))
        story.release(states(CHANGED, WITHOUT))
        story.assert_up_to_date()


@pytest.mark.thorough
def test_images_of_this_machine_are_found_under_the_names_that_the_compose_file_has(controller, tmp_path):
    image, nowhere = "ghcr.io/x-team/web:1", "x-team/nowhere:1"
    content = {"services": {"web": service(image=image), "other": service(image=nowhere, profiles=["never"])}}
    write(tmp_path, {"compose.yaml": content, ".env.example": "TOKEN=\n"})
    with project(controller, "own-images", tmp_path) as app:
        subprocess.run(["docker", "tag", "popcon-lab/app-redis", image], check=True)
        try:
            said = app.put()
        finally:
            subprocess.run(["docker", "image", "rm", image], check=True, stdout=subprocess.DEVNULL)
        assert (
            f"{image}: pushed from this machine" in said and f"{nowhere}: MISSING" in said and "Made up: TOKEN" in said
        )
        assert app.deploy().status == 0
        assert app.containers().keys() == {"own-images-web-1"}
        assert "TOKEN=" in controller.on_host("cat", f"{app.root}/.env")


def seen_file(app: Project, container: str, path: str) -> str:
    return app.controller.on_host("docker", "exec", container, "cat", path, check=False)


def test_a_compose_file_in_a_sub_folder_has_its_own_relative_paths(controller, tmp_path):
    mount = {"services": {"web": service(volumes=["./nginx/default.conf:/etc/default.conf:ro"], env_file=".env")}}
    files = {"docker-compose.yml": mount, "nginx/default.conf": "server {}\n", ".env.example": "MODE=of prod\n"}
    write(tmp_path, {f"prod/{path}": content for path, content in files.items()})
    with project(controller, "sub-prod", tmp_path) as app:
        app.put("--file", "prod/docker-compose.yml")
        assert app.deploy().status == 0
        assert seen_file(app, "sub-prod-web-1", "/etc/default.conf") == "server {}\n"
        assert controller.on_host("docker", "exec", "sub-prod-web-1", "printenv", "MODE") == "of prod\n"
        assert controller.on_host("stat", "-c", "%a", f"{app.root}/prod/.env", f"{app.root}/.git") == "600\n700\n"
        assert app.deploy().changed == 0


@pytest.mark.thorough
def test_several_projects_of_one_repository_leave_each_other_alone(controller, tmp_path):
    for name in ("one", "two"):
        content = {"services": {"web": service(environment={"MODE": "${MODE}"}, volumes=["./conf:/conf:ro"])}}
        write(
            tmp_path,
            {f"{name}/compose.yml": content, f"{name}/conf": f"{name}\n", f"{name}/.env.example": f"MODE={name}\n"},
        )
    with project(controller, "several-one", tmp_path) as one, project(controller, "several-two", tmp_path) as two:
        for name, app in (("one", one), ("two", two)):
            app.put("--file", f"{name}/compose.yml")
            assert app.deploy().status == 0
        before = one.containers(), two.containers()
        for name, app in (("one", one), ("two", two)):
            run = app.deploy()
            assert (run.status, run.changed) == (0, 0)
            assert seen_file(app, f"several-{name}-web-1", "/conf") == f"{name}\n"
        assert (one.containers(), two.containers()) == before


@pytest.mark.thorough
def test_profiles_are_asked_for_and_jobs_may_name_their_services(controller, tmp_path):
    services = {
        "web": service(),
        "migrate": {
            "profiles": ["tools"], "user": "0:0", "image": inputs.IMAGE, "entrypoint": ["sh", "-c"], "command": ["exit 1"],
            "volumes": ["./data:/data"],
        },
        "extra": service(profiles=["extra"]),
    }  # fmt: skip
    write(
        tmp_path, {"docker-compose.yml": {"services": services}, ".gitignore": "/data/\n", ".env.example": "MODE=a\n"}
    )
    job = {"compose_deploy_jobs_before": [{"service": "migrate", "command": ["echo ran >> /data/job"]}]}
    with project(controller, "profiles", tmp_path) as app:
        app.put()
        assert app.deploy("-e", json.dumps(job)).status == 0
        assert controller.on_host("cat", f"{app.root}/data/job") == "ran\n"
        assert app.containers().keys() == {"profiles-web-1"}
        asked = ("-e", json.dumps({"compose_deploy_profiles": ["extra"]}))
        assert app.deploy(*asked).status == 0
        assert app.containers().keys() == {"profiles-web-1", "profiles-extra-1"}
        run = app.deploy(*asked)
        assert (run.status, run.changed) == (0, 0)
        assert app.deploy().status == 0
        assert app.containers().keys() == {"profiles-web-1"}
        # That release had the profile.
        assert controller.rollback(*app.arguments).status == 0
        assert app.containers().keys() == {"profiles-web-1", "profiles-extra-1"}


@pytest.mark.thorough
def test_a_secret_that_is_a_file_in_a_container_is_retired_when_the_container_has_the_new_one(controller, tmp_path):
    services = {"app": service(secrets=["tok"]), "other": service()}
    content = {"services": services, "secrets": {"tok": {"environment": "API_TOKEN"}}}
    write(tmp_path, {"docker-compose.yml": content, ".env.example": "API_TOKEN=\n"})
    put("API_TOKEN", "the first token")
    with project(controller, "rotated", tmp_path) as app:
        arguments = app.push()
        try:
            assert controller.deploy(*arguments).status == 0
            assert seen_file(app, "rotated-app-1", "/run/secrets/tok") == "the first token"
            before = app.containers()
            wanted = {"rotate": ["API_TOKEN"], "secret_rotation_secrets": {"API_TOKEN": {"strategy": "plain"}}}
            run = controller.playbook(ROTATE, "-i", "inventories/lab", *arguments, "-e", json.dumps(wanted))
            assert run.status == 0 and "retired" in run.words
            new = value("API_TOKEN")
            assert new != "the first token" and seen_file(app, "rotated-app-1", "/run/secrets/tok") == new
            after = app.containers()
            assert {name for name in before if before[name] != after[name]} == {"rotated-app-1"}
        finally:
            seed.client("ssm").delete_parameter(Name=f"{config.PARAMETER_PATH}/API_TOKEN")


@pytest.mark.thorough
def test_a_secrets_file_of_the_hosts_own_is_an_input_too(controller, tmp_path):
    def write_token(text: str) -> None:
        controller.on_host("sh", "-c", 'mkdir -p /etc/x-any-app && printf %s "$0" > /etc/x-any-app/tok', text)

    services = {"app": service(secrets=["tok"]), "other": service()}
    content = {"services": services, "secrets": {"tok": {"file": "/etc/x-any-app/tok"}}}
    write(tmp_path, {"docker-compose.yml": content, ".env.example": "MODE=a\n"})
    with project(controller, "of-the-host", tmp_path) as app:
        app.put()
        try:
            write_token("one")
            assert app.deploy().status == 0
            before = app.containers()
            # A file of its own, as an editor or a configuration tool makes it.
            controller.on_host("rm", "/etc/x-any-app/tok")
            write_token("two")
            assert "recreate app" in app.deploy("--check", "--diff").words
            assert app.deploy().status == 0
            assert seen_file(app, "of-the-host-app-1", "/run/secrets/tok") == "two"
            assert app.containers()["of-the-host-other-1"] == before["of-the-host-other-1"]
            assert app.deploy().changed == 0
        finally:
            controller.on_host("rm", "-rf", "/etc/x-any-app")


@pytest.mark.thorough
def test_a_volume_with_data_in_it_is_dropped_only_when_that_is_allowed(controller, tmp_path):
    def content(volume: str) -> inputs.Json:
        return {"services": {"db": service(user="0:0", volumes=[f"{volume}:/srv/data"])}, "volumes": {volume: None}}

    write(tmp_path, {"docker-compose.yml": content("pgdata"), ".env.example": "MODE=a\n"})
    with project(controller, "renamed", tmp_path) as app:
        app.put()
        assert app.deploy().status == 0
        controller.on_host("docker", "exec", "renamed-db-1", "touch", "/srv/data/rows")
        before = app.containers()
        write(tmp_path, {"docker-compose.yml": content("pg-data")})
        app.put()
        for arguments in (["--check"], []):
            run = app.deploy(*arguments)
            assert run.status != 0 and "pgdata" in run.words and "pg-data" in run.words
            assert app.containers() == before
        assert app.deploy("-e", '{"compose_deploy_drop_volumes": ["renamed_pgdata"]}').status == 0
        assert app.containers() != before
        volumes = controller.on_host("docker", "volume", "ls", "-q")
        assert "renamed_pgdata" in volumes and "renamed_pg-data" in volumes


#: Nine levels of nine aliases each.
BOMB = "".join(f"x-{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 9) if level else 'x'}]\n" for level in range(10))
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
#: Files, and what the message names. Those of the first two are what users meet most.
REFUSED: dict[str, tuple[dict[str, str | inputs.Json], tuple[str, ...]]] = {
    "a settings file in git": (
        {
            ".env": "TAG=1.2.3\n",
            "docker-compose.yml": {"services": {"web": service(environment={"TAG": "${TAG:-none}"})}},
        },
        (".env", "git rm --cached"),
    ),
    "a network, a volume and a file that nobody made": (
        {
            "docker-compose.yml": {
                "services": {
                    "web": service(
                        networks=["proxy"],
                        volumes=[
                            "shared:/srv/shared",
                            {
                                "type": "bind",
                                "source": "/etc/x-nobody-has.conf",
                                "target": "/x",
                                "bind": {"create_host_path": False},
                            },
                        ],
                    )
                },
                "networks": {"proxy": {"external": True}},
                "volumes": {"shared": {"external": True}},
            }
        },
        ("proxy", "shared", "/etc/x-nobody-has.conf"),
    ),
    "an include from another server": (
        {"docker-compose.yml": {"include": ["https://git.example.com/team/app.git"], "services": {"web": service()}}},
        ("git.example.com",),
    ),
    "an include from a registry": (
        {"docker-compose.yml": {"include": ["oci://registry.example.com/app:1"], "services": {"web": service()}}},
        ("registry.example.com",),
    ),
    "aliases that multiply": (
        {"docker-compose.yml": f"{BOMB}services:\n  web:\n    image: {inputs.IMAGE}\n    labels:\n      x: *x9\n"},
        ("compose",),
    ),
    "a submodule": (
        {
            "docker-compose.yml": {"services": {"web": service(volumes=["./sub:/srv/sub:ro"])}},
            ".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = https://git.example.com/sub.git\n',
            "sub/file": "x\n",
        },
        ("sub", "submodule"),
    ),
    "a file in Git LFS": (
        {
            "docker-compose.yml": {"services": {"web": service(volumes=["./model.bin:/srv/model.bin:ro"])}},
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            "model.bin": POINTER,
        },
        ("model.bin", "LFS"),
    ),
    "an image to build": (
        {"docker-compose.yml": {"services": {"web": {"build": "."}}}, "Dockerfile": f"FROM {inputs.IMAGE}\n"},
        ("web", "build"),
    ),
    "a container's name that is taken": (
        {"docker-compose.yml": {"services": {"web": service(container_name="x-taken")}}},
        ("x-taken",),
    ),
}
ALWAYS = tuple(REFUSED)[:2]


@contextmanager
def taken_name(controller: Controller) -> Iterator[None]:
    """A container with this name, made by somebody else from whatever image there is."""
    image = controller.on_host("docker", "images", "-q").split()[0]
    label = "com.docker.compose.project=somebody"
    controller.on_host("docker", "create", "--name", "x-taken", "--label", label, image, "sleep", "1")
    try:
        yield
    finally:
        controller.on_host("docker", "rm", "-f", "x-taken")


def assert_refused(run: Run, words: tuple[str, ...]) -> None:
    assert run.status != 0
    assert [word for word in words if word not in run.words] == []


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in ALWAYS else pytest.mark.thorough) for case in REFUSED]
)
def test_what_cannot_work_is_named_before_anything_is_touched(controller, tmp_path, case):
    files, words = REFUSED[case]
    write(tmp_path, {".env.example": "MODE=a\n", **files})
    if (tmp_path / "sub").exists():
        for command in (
            ["init", "-q"],
            ["add", "-A"],
            ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "x"],
        ):
            subprocess.run(["git", *command], cwd=tmp_path / "sub", check=True)
    with project(controller, "refused", tmp_path) as app, taken_name(controller):
        arguments = app.push()
        begin = time.monotonic()
        assert_refused(controller.deploy("--check", *arguments), words)
        assert time.monotonic() - begin < 120
        if case == ALWAYS[0]:
            assert_refused(controller.deploy(*arguments), words)
        assert app.containers() == {}
        assert controller.on_host("sh", "-c", f"ls {PROJECTS}/refused/releases 2>/dev/null", check=False) == ""
        # Not left in the folder, nor in git's objects there.
        assert "docker-compose.yml" not in controller.on_host("sh", "-c", f"ls -A {app.root} 2>/dev/null", check=False)
