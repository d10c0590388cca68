"""What an image is built from: its commit, its tag, and what is refused. The repositories are real."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._registry import build_tag

COMMIT = "3f2a9c1b7d4e" + "0" * 28


def image(**options):
    return {"name": "front", "source": "src", "ref": "HEAD", **build_tag.DEFAULTS, **options}


def git(folder, *arguments):
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, Dockerfile="FROM scratch", web__Dockerfile="FROM scratch")
    return folder


@pytest.fixture
def clone(tmp_path, source):
    """Clone it as it is now."""

    def clone():
        git(tmp_path, "clone", "--quiet", f"file://{source}", "clone")
        return str(tmp_path / "clone")

    return clone


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "Front"}, "'Front' can't begin a tag"),
        ({"name": "f" * 65}, "can't begin a tag"),
        ({"name": "-f"}, "can't begin a tag"),
        ({"folder": "../other"}, "folder is '../other'; give a path inside"),
        ({"dockerfile": "/etc/passwd"}, "dockerfile is '/etc/passwd'; give a path inside"),
        ({"args": {"NPM_TOKEN": "CANARY"}}, "argument NPM_TOKEN looks secret"),
        ({"args": {"DB_PASSWORD": "CANARY"}}, "argument DB_PASSWORD looks secret"),
        ({"args": {"api_key": "CANARY"}}, "argument api_key looks secret"),
    ],
)
def test_images_that_are_refused(options, words):
    with pytest.raises(DeployError, match=re.escape(words)) as caught:
        build_tag.check([image(**options)])
    assert "CANARY" not in str(caught.value)


def test_images_that_are_not_refused():
    public = {
        "NEXT_PUBLIC_MAPS_API_KEY": "x",
        "VITE_TOKEN": "x",
        "TOKENIZER": "x",
        "CSRF_TOKEN_NAME": "x",
        "NODE_ENV": "x",
    }
    build_tag.check([image(args=public, folder="a/b", dockerfile="docker/web.Dockerfile"), image(name="back.end_2")])
    with pytest.raises(DeployError, match="Two images are called front"):
        build_tag.check([image(), image()])


def test_null_is_the_default():
    empty = image(**dict.fromkeys(build_tag.DEFAULTS))
    assert build_tag.complete(empty) == image()


def test_a_tag_tells_the_settings_that_are_not_in_the_commit():
    assert (
        build_tag.tag(image(), COMMIT)
        == build_tag.tag(image(secrets=[{"id": "a", "src": "b"}]), COMMIT)
        == "front-3f2a9c1b7d4e"
    )
    others = [
        {"args": {"A": "1"}}, {"args": {"A": "2"}}, {"args": {"A": "1", "B": "2"}}, {"target": "test"}, {"folder": "web"},
        {"dockerfile": "web.Dockerfile"}, {"platform": "linux/arm64"},
    ]  # fmt: skip
    tags = [build_tag.tag(image(**options), COMMIT) for options in others]
    assert len(set(tags)) == len(others)
    assert all(re.fullmatch(r"front-3f2a9c1b7d4e-[0-9a-f]{8}", tag) for tag in tags)
    assert build_tag.tag(image(args={"B": "2", "A": "1"}), COMMIT) == tags[2]


def test_the_last_commit_that_changed_the_folder(source, clone):
    web = git(source, "rev-parse", "HEAD")
    changed = commit(source, Dockerfile="FROM scratch\n")
    commit(source)
    checkout = clone()
    assert build_tag.last_commit(image(), checkout) == changed
    assert build_tag.last_commit(image(folder="web"), checkout) == web
    with pytest.raises(DeployError, match=r"front: src has no web/Containerfile in this commit"):
        build_tag.last_commit(image(folder="web", dockerfile="Containerfile"), checkout)


def test_changes_that_no_commit_holds(source, clone):
    checkout = clone()
    build_tag.refuse_changes(image(), checkout)
    for number in range(7):
        (source / f"new{number}.txt").write_text("x")
    with pytest.raises(DeployError) as caught:
        build_tag.refuse_changes(image(), checkout)
    named = ", ".join(f"new{number}.txt" for number in range(5))
    assert f"front: {source} has changes that are in no commit: {named} and 2 more. Commit them" in str(caught.value)
    build_tag.refuse_changes(image(folder="web"), checkout)
    build_tag.refuse_changes(image(ref="main"), checkout)
    git(checkout, "remote", "set-url", "origin", "https://git.example.com/front.git")
    build_tag.refuse_changes(image(), checkout)


def test_a_folder_that_is_no_repository(tmp_path):
    (tmp_path / "Dockerfile").touch()
    with pytest.raises(DeployError, match=r"git log in .* failed: fatal: not a git repository"):
        build_tag.last_commit(image(), str(tmp_path))
