"""What compose makes of files that are not in place yet, against what it makes of them once they are; with a real compose."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker import compose as _compose
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import Compose, ComposeError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.overlay import Overlay, staged_mounts
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release import staging

BASE = "services: {x: {image: 'redis:OLD', label_file: ./labels}}"
OLD = {
    "prod/docker-compose.yml": "services: {web: {extends: {file: ../common/base.yml, service: x}}}\ninclude: [gone.yml]",
    "prod/gone.yml": "services: {gone: {image: redis}}",
    "common/base.yml": BASE,
    "common/labels": "A=1",
    "moved/file": "",
    "turned": "a file",
    "prod/was_optional.env": "OLD=1",
}
NEW = {
    "prod/docker-compose.yml": """
include: [{path: more.yml, env_file: more.env}]
services:
  web:
    extends: {file: ../common/base.yml, service: x}
    env_file: [.env, new.env, local.env, {path: was_optional.env, required: false}]
    volumes: ["${PWD}/a.conf:/a.conf", "./data:/data", "../turned:/turned"]
    secrets: [s]
configs: {c: {content: "${TAG}"}}
secrets: {s: {file: ./s}}
""",
    "prod/more.yml": "services: {more: {image: 'redis:${MORE}', configs: [c]}}",
    "prod/more.env": "MORE=1",
    "prod/new.env": "NEW=1",
    "prod/a.conf": "new",
    "prod/s": "new",
    "common/base.yml": BASE.replace("OLD", "${TAG}"),
    "common/labels": "A=2",
    "moved": "now a file",
    "turned/into": "a folder",
}
UNTRACKED = {"prod/local.env": "LOCAL=1", "prod/data/large": "", "prod/.env": "TAG=1\n"}
SETTINGS = b"TAG=2\n"


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "core.excludesFile="]
    done = subprocess.run(
        ["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True, env=os.environ
    )
    return done.stdout.strip()


def write(folder, files):
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def committed(folder, files):
    for path in Path(folder).iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def scratch(tmp_path_factory):
    with staging.folder(str(tmp_path_factory.mktemp("scratch") / "staged")) as folder:
        yield folder


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A docker command that knows compose."""
    if os.geteuid() != 0 or not shutil.which("docker-compose"):
        pytest.skip("needs root and docker-compose")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text('#!/bin/sh\nshift\nexec docker-compose "$@"\n')
    (tmp_path / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


@pytest.fixture
def clone(tmp_path):
    """A clone at an old commit, with untracked files, and a newer commit."""
    folder = str(tmp_path / "clone")
    os.mkdir(folder)
    git(folder, "init", "-q")
    old = committed(folder, OLD)
    new = committed(folder, NEW)
    git(folder, "checkout", "-q", old)
    write(folder, UNTRACKED)
    return folder, old, new


def compose(folder, overlays=(), env_file=None, profiles=()):
    file = f"{folder}/prod/docker-compose.yml"
    return Compose("proj", [file], env_file or f"{folder}/prod/.env", profiles, overlays)


def own_model(folder):
    """What a user sees who goes to the folder."""
    command = 'cd "$1" && docker compose -p proj config --format json'
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    done = subprocess.run(
        ["sh", "-c", command, "sh", f"{folder}/prod"], check=True, capture_output=True, text=True, env=env
    )
    return json.loads(done.stdout)


def put_in_place(folder, commit):
    checkout.switch(folder, commit)
    Path(folder, "prod", ".env").write_bytes(SETTINGS)


@pytest.mark.parametrize("by", ["commit", "tree"])
def test_the_model_is_that_of_the_files_in_place(docker, clone, scratch, tmp_path, by):
    """Also of a tree that is given, as in check mode."""
    folder, old, new = clone
    commit = new if by == "commit" else None
    tree = staging.exported(folder, new, scratch)
    if not commit:
        tree = shutil.move(tree, tmp_path / "tree")
    env_file = f"{folder}/prod/.env"
    before = subprocess.check_output(["find", folder, "-ls"])
    overlays = staging.overlays(folder, str(tree), old, commit, env_file, SETTINGS, scratch)
    staged = compose(folder, overlays).model()
    assert subprocess.check_output(["find", folder, "-ls"]) == before
    put_in_place(folder, new)
    assert staged == compose(folder).model() == own_model(folder)
    web = staged["services"]["web"]
    assert web["image"] == "redis:2" and web["labels"] == {"A": "2"} and "gone" not in staged["services"]
    assert web["environment"] == {"TAG": "2", "NEW": "1", "LOCAL": "1"}
    assert {volume["source"] for volume in web["volumes"]} == {
        f"{folder}/prod/a.conf",
        f"{folder}/prod/data",
        f"{folder}/turned",
    }


def test_settings_alone_are_seen_too(docker, clone, scratch):
    folder, _old, new = clone
    put_in_place(folder, new)
    overlays = staging.overlays(folder, folder, new, new, f"{folder}/prod/.env", b"TAG=3\n", scratch)
    assert compose(folder, overlays).model()["services"]["web"]["image"] == "redis:3"
    assert compose(folder).model()["services"]["web"]["image"] == "redis:2"


def test_an_env_file_elsewhere(docker, clone, scratch, tmp_path):
    folder, old, new = clone
    tree = staging.exported(folder, new, scratch)
    env_file = f"{tmp_path}/app.env"
    overlays = staging.overlays(folder, tree, old, new, env_file, SETTINGS, scratch)
    assert compose(folder, overlays, env_file).model()["services"]["web"]["image"] == "redis:2"


def test_a_folder_that_is_not_there_yet(docker, clone, scratch, tmp_path):
    folder, _old, new = clone
    tree = shutil.move(staging.exported(folder, new, scratch), scratch + "/preview")
    write(tree, {"prod/local.env": ""})
    absent = f"{tmp_path}/srv/absent/app"
    overlays = staging.overlays(absent, tree, None, None, f"{absent}/prod/.env", SETTINGS, scratch)
    web = compose(absent, overlays).model()["services"]["web"]
    assert web["image"] == "redis:2" and web["volumes"][0]["source"] == f"{absent}/prod/a.conf"
    assert not os.path.exists(absent)


def test_a_job_mounts_what_is_changed_from_where_it_is_now(docker, clone, scratch):
    folder, old, new = clone
    tree = staging.exported(folder, new, scratch)
    overlays = staging.overlays(folder, tree, old, new, f"{folder}/prod/.env", SETTINGS, scratch)
    made = staged_mounts(compose(folder, overlays).model(), overlays)
    sources = [volume["source"] for volume in made["services"]["web"]["volumes"]]
    # Data stay where they are.
    assert sources == [f"{tree}/prod/a.conf", f"{tree}/turned"]
    assert made["secrets"] == {"s": {"file": f"{tree}/prod/s"}}
    assert Path(tree, "prod", ".env").read_bytes() == SETTINGS


def test_nothing_is_left_of_what_was_staged(docker, clone, tmp_path):
    folder, old, new = clone
    with staging.folder() as scratch:
        overlays = staging.overlays(
            folder, staging.exported(folder, new, scratch), old, new, f"{folder}/prod/.env", SETTINGS, scratch
        )
        assert os.path.isdir(overlays[0].hidden)
    assert not os.path.exists(scratch) and not os.path.exists(overlays[0].hidden)


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b"])
def test_a_folder_that_cannot_be_mounted_over_is_refused(docker, tmp_path, name):
    folder = str(tmp_path / name)
    os.mkdir(folder)
    with pytest.raises(DeployError, match="has a character that the mount command would not take"):
        compose(folder, [Overlay(folder, str(tmp_path))]).model()


@pytest.mark.parametrize(
    "reference",
    [
        "https://github.com/example/app.git",
        "oci://registry.example.com/app:1",
        "git@github.com:example/app.git",
    ],
)
def test_a_file_of_another_server_is_refused_by_name(docker, tmp_path, reference):
    write(tmp_path, {"prod/docker-compose.yml": f"include: ['{reference}']\nservices: {{a: {{image: redis}}}}"})
    with pytest.raises(DeployError) as caught:
        compose(tmp_path).model()
    assert f"include or extend {reference}, which is not part of the commit" in str(caught.value)


def test_a_file_that_takes_all_memory_is_refused(docker, tmp_path, monkeypatch):
    monkeypatch.setattr(_compose, "_READ_BYTES", 256 * 1024**2)
    lines = ["x-0: &x0 {a: b}"]
    lines += [f"x-{n}: &x{n} {{{', '.join(f'k{k}: *x{n - 1}' for k in range(6))}}}" for n in range(1, 12)]
    write(tmp_path, {"prod/docker-compose.yml": "\n".join([*lines, "services: {a: {image: redis}}"])})
    with pytest.raises(ComposeError) as caught:
        compose(tmp_path).model()
    assert "it needs more than 256 MiB of memory" in caught.value.output


def test_profiles_and_the_model_of_a_service_that_no_profile_starts(docker, tmp_path):
    files = "services: {a: {image: redis}, b: {image: redis, profiles: [p]}, c: {image: redis, profiles: [q]}}"
    write(tmp_path, {"prod/docker-compose.yml": files})
    assert compose(tmp_path).model()["services"].keys() == {"a"}
    assert compose(tmp_path, profiles=["p"]).model()["services"].keys() == {"a", "b"}
    assert compose(tmp_path).model(["c"])["services"].keys() == {"c"}
    with pytest.raises(DeployError, match="nosuch"):
        compose(tmp_path).model(["nosuch"])
