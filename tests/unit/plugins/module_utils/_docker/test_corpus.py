"""Of every app of the corpus, what we make of the files is what `cd FOLDER && docker compose config` makes of them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import Compose, ComposeError
from ansible_collections.popcon.deploy.plugins.module_utils._git.checkout import Checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release import staging
from ansible_collections.popcon.deploy.tests.corpus import composes
from ansible_collections.popcon.deploy.tests.corpus.apps import APPS, FOLDER, App, git

PROJECT = "corpus"
Model = t.Optional[dict[str, t.Any]]


@pytest.fixture(scope="module", params=composes.VERSIONS)
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    """Each Compose in turn is the one that `docker compose` runs."""
    with pytest.MonkeyPatch.context() as patch:
        shown = composes.stand_in(tmp_path_factory.mktemp("compose"), request.param)
        patch.setenv("PATH", f"{shown}:{os.environ['PATH']}")
        yield request.param


def compose_alone(app: App, clone: Path) -> Model:
    """What a user sees who goes to the folder and runs `docker compose config`; None where compose refuses."""
    folder = clone / app.folder
    files = [f"--file={os.path.relpath(name, app.folder or '.')}" for name in app.files]
    options = [f"--project-name={PROJECT}", *files, *(f"--profile={name}" for name in app.profiles)]
    done = subprocess.run(
        ["docker", "compose", *options, "config", "--format", "json"],
        cwd=folder, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PWD": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return json.loads(done.stdout) if done.returncode == 0 else None


def ours(app: App, clone: Path, overlays: t.Sequence[staging.Overlay] = ()) -> Model:
    """What the collection sees, by absolute paths and from anywhere."""
    files = [str(clone / name) for name in app.files]
    try:
        return Compose(PROJECT, files, str(clone / app.folder / ".env"), app.profiles, overlays).model()
    except ComposeError:
        return None


@functools.cache
def may_mount() -> bool:
    """Whether an overlay can be laid over a folder here."""
    command = ["unshare", "--mount", "--propagation", "private", "--", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_every_folder_is_an_app() -> None:
    assert sorted(app.name for app in APPS) == sorted(path.name for path in FOLDER.iterdir())
    assert len(APPS) >= 30


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_the_model_is_that_of_compose(version: str, app: App, tmp_path: Path) -> None:
    """Where the next commit and other settings are not in place yet, and where they are."""
    clone, scratch = tmp_path / "app", tmp_path / "scratch"
    first, second = app.repository(clone)
    env_file = clone / app.folder / ".env"
    env_file.write_text(app.settings())
    # Nothing tracks it, so it stays.
    (clone / app.folder / "local.env").write_text("LOCAL=1\n")
    settings = app.settings() + "ADDED=1\n"
    scratch.mkdir(0o700)
    tree = staging.exported(str(clone), second, str(scratch))
    seen = Checkout(first)
    overlays = staging.overlays(str(clone), seen, tree, second, str(env_file), settings.encode(), str(scratch))
    staged = ours(app, clone, overlays) if may_mount() else None

    git(clone, "checkout", "--quiet", "--detach", second)
    env_file.write_text(settings)
    model = compose_alone(app, clone)
    assert model is not None or version != "newest"
    assert ours(app, clone) == model
    if not may_mount():
        pytest.skip("this user may not mount, so only files in place were looked at")
    assert staged == model
