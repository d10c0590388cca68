"""Whatever changes of an app: after each deploy, its containers are what the commit and the settings say, and no more were replaced."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.tests.corpus import composes
from ansible_collections.popcon.deploy.tests.corpus.apps import git
from ansible_collections.popcon.deploy.tests.corpus.deployed import Deployed, docker
from ansible_collections.popcon.deploy.tests.corpus.random_app import RandomApp

#: What older versions of Compose don't know yet.
_NOT_YET = {
    "2.20": {"label_file", "env_file", "config_content", "config_of_a_setting"},
    "2.26": {"label_file"},
    "newest": set[str](),
}
_THOROUGH = [pytest.param(seed, 25, version, marks=pytest.mark.thorough) for seed, version in enumerate(_NOT_YET, 2)]


@pytest.mark.parametrize(("seed", "steps", "version"), [(1, 5, "newest"), *_THOROUGH])
def test_containers_are_what_the_commit_says(
    seed: int, steps: int, version: str, redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The image is there, so no login is needed.
    monkeypatch.setenv("DOCKER_CONFIG", str(composes.as_plugin(tmp_path, version)))
    clone = tmp_path / "app"
    clone.mkdir()
    git(clone, "init", "--quiet", "--initial-branch=main")
    app = RandomApp(clone, redis, seed, without=_NOT_YET[version])
    project = Deployed(f"popcon-corpus-random-{seed}", clone, tmp_path / "state", redis, ["docker-compose.yml"])
    edited = random.Random(seed)
    try:
        app.edit(12)
        _deploy(project, app.commit(), tmp_path)
        for _step in range(steps):
            _write_data(project)
            inputs, replicas, before = app.inputs(), app.replicas(), project.ids()
            edits = app.edit(edited.randint(1, 4))
            told = _deploy(project, app.commit(), tmp_path)
            after, now = project.ids(), app.inputs()
            both = inputs.keys() & now.keys()
            other = {name for name in both if inputs[name] != now[name]}
            assert {name for name in both if not before[name] & after[name]} == other, edits
            kept = {name: min(replicas[name], app.replicas()[name]) for name in both - other}
            assert {name: len(before[name] & after[name]) for name in kept} == kept, edits
            assert told == other, edits
    finally:
        project.remove()


def _deploy(project: Deployed, commit: str, scratch: Path) -> set[str]:
    """Deploy a commit, and again; gives the services that were to be recreated."""
    plan = project.dry_run(commit, scratch)["plan"]
    project.deploy(commit)
    assert project.disagreements() == []
    ids = project.ids()
    again = project.deploy(commit)
    assert (again["changed"], project.ids()) == (False, ids), again["plan"]
    return {line.split()[1].rstrip(":") for line in plan if line.startswith("recreate ")}


def _write_data(project: Deployed) -> None:
    """Have containers write where they have data, which counts for nothing."""
    for container in project.containers():
        docker("exec", container["Id"], "sh", "-c", "[ ! -d /srv/data ] || date +%N > /srv/data/file")
