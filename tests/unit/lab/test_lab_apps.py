"""An app of a user's own is put into the lab as it is, and nothing is written where it lies."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess

import pytest

pytest.importorskip("boto3")

from lab import apps, config, gitops, images, seed, state
from lab.console import LabError

IDENTITY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
IDENTITY.update({f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")})


def git(folder, *arguments):
    return subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **IDENTITY}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A repository that stands for that of the lab's git server."""
    server = tmp_path / "server.git"
    git(tmp_path, "init", "--quiet", "--bare", str(server))
    monkeypatch.setattr(gitops, "GIT_LOCAL_URL", str(server))
    monkeypatch.setattr(state, "load_secrets", lambda: {"git_token": "x"})
    return server


@pytest.fixture
def folder(tmp_path):
    """An app that is in no repository."""
    folder = tmp_path / "My Shop"
    (folder / "conf").mkdir(parents=True)
    (folder / "docker-compose.yml").write_text("services: {}\n")
    (folder / "conf" / ".hidden").write_text("x\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "current").symlink_to("conf")
    (folder / ".gitignore").write_text("/.env\n")
    (folder / ".env").write_text("SECRET=1\n")
    return folder


def listing(server, branch="shop"):
    lines = git(server, "ls-tree", "-r", branch).splitlines()
    return {path: mode for mode, _kind, _id, path in (line.split(maxsplit=3) for line in lines)}


TREE = {
    ".gitignore": "100644",
    "conf/.hidden": "100644",
    "current": "120000",
    "docker-compose.yml": "100644",
    "run.sh": "100755",
}


def test_a_folder_without_a_repository(server, folder):
    before = sorted(folder.rglob("*"))
    first = gitops.push_folder(folder, "shop")
    assert git(server, "rev-parse", "shop").strip() == first
    assert listing(server) == TREE
    assert sorted(folder.rglob("*")) == before
    assert gitops.push_folder(folder, "shop") == first
    (folder / "docker-compose.yml").write_text("services:\n")
    second = gitops.push_folder(folder, "shop")
    assert git(server, "rev-parse", "shop^").strip() == first and second != first


@pytest.mark.parametrize("below", ["", "apps/shop"])
def test_a_folder_in_a_repository_gives_what_a_commit_of_it_would(server, folder, tmp_path, below):
    top = folder
    if below:
        top = tmp_path / "monorepo"
        (top / "apps").mkdir(parents=True)
        (top / "else").write_text("x\n")
        folder = folder.rename(top / below)
    git(top, "init", "--quiet")
    git(top, "add", "--all")
    # In the index, though it is ignored.
    git(top, "add", "--force", str(folder / ".env"))
    git(top, "commit", "--quiet", "--message", "x")
    (folder / "new").write_text("x\n")
    (top / ".git" / "info" / "exclude").write_text("private\n")
    (folder / "private").write_text("x\n")
    before = git(top, "count-objects"), git(top, "status", "--porcelain")
    gitops.push_folder(folder, "shop")
    assert listing(server) == {**TREE, ".env": "100644", "new": "100644"}
    assert (git(top, "count-objects"), git(top, "status", "--porcelain")) == before


@pytest.mark.parametrize(
    ("reference", "pushed"),
    [
        ("redis:8", "library/redis:8"),
        ("redis", "library/redis:latest"),
        ("docker.io/library/redis:8", "library/redis:8"),
        ("docker.io/redis:8", "library/redis:8"),
        ("team/api:1", "docker.io/team/api:1"),
        (f"{config.REGISTRY}/shop/api:1", "shop/api:1"),
        ("ghcr.io/team/api:1", "ghcr.io/team/api:1"),
        ("quay.io/team/api", "quay.io/team/api:latest"),
        ("redis:8@sha256:" + "a" * 64, "library/redis@sha256:" + "a" * 64),
        ("registry.example.com/api:1", None),
        ("localhost:5000/api", None),
    ],
)
def test_where_an_image_lies_in_the_labs_registry(reference, pushed):
    assert images.pushed_name(reference) == pushed


def test_an_apps_name_is_its_folders(folder):
    app = apps.app_of(str(folder), None, [])
    assert (app.branch, app.name, app.files, app.contract) == ("my-shop", "my-shop", ("docker-compose.yml",), "")
    (folder / ".env.example").touch()
    assert app.contract == ".env.example"
    assert apps.app_of(str(folder), "Team/Shop", []).name == "team-shop"
    (folder / "prod").mkdir()
    (folder / "prod" / "compose.yml").touch()
    below = apps.app_of(str(folder), None, ["prod/compose.yml"])
    assert (below.files, below.contract) == (("prod/compose.yml",), "")


def test_what_is_no_app_is_named(folder):
    for arguments, words in {
        ("nowhere", None, ()): "nowhere is not a folder",
        (str(folder), "main", ()): "is the lab's own app",
        (str(folder), "a..b", ()): "can't be the name of a branch",
        (str(folder), None, ("x.yml",)): "has no file x.yml",
        (str(folder / "conf"), None, ()): "has no compose.yaml or",
    }.items():
        with pytest.raises(LabError, match=words):
            apps.app_of(*arguments)


def test_an_app_is_put_there_whole(server, folder, tmp_path, monkeypatch, capsys):
    parameters = {}
    monkeypatch.setattr(state, "exists", lambda: True)
    monkeypatch.setattr(apps, "_VARIABLES", tmp_path / "apps")
    monkeypatch.setattr(seed, "parameters_below", lambda path: dict(parameters))
    monkeypatch.setattr(seed, "set_parameter", lambda name, value, path: parameters.update({name: value}))
    monkeypatch.setattr(images, "push_local", lambda reference: "looked at")
    services = {
        "web": {"image": "team/web:${TAG}"},
        "job": {"image": "redis:8", "profiles": ["tools"]},
        "own": {"build": "."},
    }
    (folder / "docker-compose.yml").write_text(json.dumps({"services": services}))
    (folder / ".env.example").write_text('# Settings\nTAG=1\nTOKEN=\nEMPTY=""\nURL=x\n')
    apps.put(apps.app_of(str(folder), "shop", []))
    out = capsys.readouterr().out
    assert "team/web:1: looked at" in out and "redis:8: looked at" in out
    assert parameters.keys() == {"TOKEN", "EMPTY"} and "Made up: TOKEN, EMPTY" in out
    assert "python -m lab set --app shop TOKEN=VALUE" in out
    variables = json.loads((tmp_path / "apps" / "shop.yml").read_text())
    assert variables["gitops_checkout_ref"] == variables["compose_deploy_project"] == "shop"
    assert variables["compose_deploy_parameter_paths"] == ["/apps/shop"]
    made_up = dict(parameters)
    apps.put(apps.app_of(str(folder), "shop", []))
    assert parameters == made_up and "Made up" not in capsys.readouterr().out
