# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook build, with buildx and a registry of its own: what it builds, what it leaves alone, what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import ansible_collections
import pytest
import yaml

if not shutil.which("docker"):
    pytest.skip("no docker command", allow_module_level=True)

from ansible_collections.popcon.deploy.tests.integration.builder import Builder, docker, serve_builder

COLLECTION = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Builder]:
    with serve_builder(tmp_path_factory.mktemp("builder")) as builder:
        yield builder


class Project:
    """A git repository with one small image, an inventory, and the playbook."""

    def __init__(self, folder: Path, builder: Builder) -> None:
        self.builder = builder
        self.source = folder / "source"
        self.folder = folder
        self.image: dict[str, t.Any] = {"name": "front", "source": "source"}
        # Its name is in those of the images that the engine keeps, which are removed by it.
        self.repository = f"{builder.mark}/{folder.name}"
        self.source.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("Dockerfile", "FROM scratch\nARG NEXT_PUBLIC_API_URL\nLABEL url=$NEXT_PUBLIC_API_URL\nCOPY . /app\n")
        self.commit()

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.source, capture_output=True, text=True, check=True
        )  # fmt: skip
        return done.stdout.strip()

    def write(self, name: str, content: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def commit(self) -> str:
        """The new commit, as tags have it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Change", "--allow-empty")
        return self.git("rev-parse", "HEAD")[:12]

    def run(self, *arguments: str, **variables: t.Any) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Run the playbook; gives the totals, and the results of its tasks by name."""
        everything = {
            "image_build_images": [self.image],
            "image_build_registry": self.builder.registry,
            "image_build_repository": self.repository,
            "image_build_pull": False,
            **variables,
        }
        # As a user has it: variables of an inventory that needs no host, and so doesn't name this one.
        inventory = self.folder / "inventory"
        (inventory / "group_vars").mkdir(parents=True, exist_ok=True)
        (inventory / "hosts.yml").write_text("all: {hosts: {}}\n")
        (inventory / "group_vars/all.yml").write_text(yaml.safe_dump(everything))
        (self.folder / "ansible.cfg").touch()
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventory", *arguments, str(COLLECTION / "playbooks/build.yml")],
            cwd=self.folder,
            env={
                **self.builder.environment,
                "PWD": str(self.folder),
                "ANSIBLE_COLLECTIONS_PATH": ":".join(str(Path(path).parent) for path in ansible_collections.__path__),
                "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "ansible"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            },
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        _verbose, brace, rest = done.stdout.partition("{\n")
        assert brace, done.stdout + done.stderr
        answer = json.loads(brace + rest)
        self.shown = done.stdout + done.stderr
        tasks = {
            task["task"]["name"].rpartition(" : ")[2]: task["hosts"]["localhost"]
            for task in answer["plays"][0]["tasks"]
        }
        return answer["stats"]["localhost"], tasks

    def built(self, *arguments: str, **variables: t.Any) -> list[str]:
        """Run the playbook, which must work; gives RESULT of each image."""
        stats, tasks = self.run(*arguments, **variables)
        assert stats["failures"] == 0, [task for task in tasks.values() if task.get("failed")]
        self.table = tasks["What the registry has"]["msg"]
        images = tasks["Keep the result"]["ansible_facts"]["image_build_result"]["images"]
        assert bool(stats["changed"]) == any(image["action"] != "none" for image in images)
        return [image["action"] for image in images]

    def tags(self) -> list[str]:
        return self.builder.tags(self.repository)


@pytest.fixture
def project(tmp_path: Path, builder: Builder) -> Project:
    return Project(tmp_path, builder)


def test_a_commit_is_built_once(project: Project) -> None:
    commit = project.git("rev-parse", "HEAD")[:12]
    assert project.built("--check") == ["build"]
    assert "to be built" in project.table[1]
    assert project.tags() == []
    assert project.built() == ["build"]
    assert project.tags() == [f"front-{commit}", "front-latest"]
    own, latest = (project.builder.manifest(project.repository, tag) for tag in project.tags())
    assert own == latest
    name, tag, result, digest, *size = project.table[1].split()
    assert (name, tag, result, size) == ("front", f"front-{commit}", "built", ["0.0", "MB"])
    assert digest.startswith("sha256:")
    labels = project.builder.configuration(project.repository, "front-latest")["config"]["Labels"]
    assert labels["org.opencontainers.image.revision"].startswith(commit)
    # Neither needs an image here, nor buildx, nor the engine.
    docker("image", "rm", "--force", f"{project.builder.registry}/{project.repository}:front-{commit}")
    assert project.built() == ["none"]
    assert project.built("--check") == ["none"]


def test_another_commit_and_other_settings_are_other_images(project: Project) -> None:
    project.image["args"] = {"NEXT_PUBLIC_API_URL": "http://one:8080"}
    assert project.built() == ["build"]
    assert project.built() == ["none"]
    project.image["args"] = {"NEXT_PUBLIC_API_URL": "http://two:8080"}
    assert project.built() == ["build"]
    assert len(project.tags()) == 3
    labels = project.builder.configuration(project.repository, "front-latest")["config"]["Labels"]
    assert labels["url"] == "http://two:8080"
    project.write("page.txt", "new")
    commit = project.commit()
    assert project.built() == ["build"]
    assert any(tag.startswith(f"front-{commit}-") for tag in project.tags())


def test_the_latest_tag_goes_back_without_a_build(project: Project) -> None:
    first = project.commit()
    project.write("page.txt", "new")
    second = project.commit()
    # Its parent has no file that changed the image, so the tag is that of the commit before.
    first = project.git("log", "-1", "--format=%H", "HEAD~", "--", ".")[:12]
    assert project.built() == ["build"]
    project.image["ref"] = "HEAD~"
    assert project.built() == ["build"]
    project.image["ref"] = "main"
    assert project.built("--check") == ["tag"]
    assert project.built() == ["tag"]
    assert project.built() == ["none"]
    manifest = {tag: project.builder.manifest(project.repository, tag) for tag in project.tags()}
    assert manifest["front-latest"] == manifest[f"front-{second}"] != manifest[f"front-{first}"]
    # A registry with immutable tags would have refused a second time.
    assert project.builder.pushes(project.repository) == {f"front-{first}": 1, f"front-{second}": 1, "front-latest": 3}


def test_images_of_one_repository(project: Project) -> None:
    project.image["folder"] = "web"
    project.write("web/Dockerfile", "FROM scratch\nCOPY . /\n")
    project.write("api/other.Dockerfile", "FROM scratch AS one\nCOPY . /\nFROM scratch\nCOPY other.Dockerfile /\n")
    project.commit()
    api = {"name": "api", "source": "source", "folder": "api", "dockerfile": "other.Dockerfile", "target": "one"}
    both = {"image_build_images": [project.image, api], "image_build_latest": False}
    assert project.built(**both, image_build_only=["api"]) == ["build"]
    assert project.built(**both) == ["build", "none"]
    assert [tag.rpartition("-")[0].partition("-")[0] for tag in project.tags()] == ["api", "front"]
    project.write("api/more.txt", "new")
    project.commit()
    assert project.built(**both) == ["none", "build"]


def test_what_no_commit_holds_is_not_in_an_image(project: Project) -> None:
    project.write(".gitignore", "secret.env\n")
    project.commit()
    project.write("secret.env", "A=b\n")
    project.write("Dockerfile", 'FROM scratch\nCOPY . /app\nCMD ["/app"]\n')
    project.write("new.txt", "new")
    for arguments in (["--check"], []):
        stats, tasks = project.run(*arguments)
        assert stats["failures"] == 1
        message = tasks["See what has to be built"]["msg"]
        assert "has changes that are in no commit: Dockerfile, new.txt. Commit them" in message
    assert project.tags() == []
    # Of a branch that is named, only what it holds is of interest.
    project.image["ref"] = "main"
    assert project.built() == ["build"]
    project.image.pop("ref")
    project.commit()
    project.write("Dockerfile", "FROM scratch\nCOPY . /app\nCOPY secret.env /\n")
    project.commit()
    stats, tasks = project.run()
    assert stats["failures"] == 1
    assert "secret.env" in str(tasks["Build and push"])
    assert len(project.tags()) == 2


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"args": {"NPM_TOKEN": "x"}}, "the build argument NPM_TOKEN looks secret"),
        ({"dockerfile": "Containerfile"}, "has no Containerfile in this commit"),
        ({"folder": "../other"}, "give a path inside the source"),
        ({"name": "Front"}, "'Front' can't begin a tag"),
        ({"source": "elsewhere"}, "elsewhere"),
        ({"ref": "no-such-branch"}, "no-such-branch"),
    ],
)
def test_what_can_not_be_built_is_refused(project: Project, image: dict[str, t.Any], words: str) -> None:
    project.image.update(image)
    stats, tasks = project.run()
    assert stats["failures"] == 1
    assert words in str(next(task for task in tasks.values() if task.get("failed")))
    assert project.tags() == []
    assert "Log in to the registry" not in tasks


def test_an_unknown_name_is_refused(project: Project) -> None:
    stats, tasks = project.run(image_build_only=["back"])
    assert stats["failures"] == 1
    assert tasks["Know every image that is asked for"]["msg"] == (
        "image_build_only names back, but image_build_images has front."
    )


def test_a_secret_file_is_there_for_the_build_only(project: Project) -> None:
    secret = project.folder / "npmrc"
    secret.write_text("CANARY-token")
    project.write(
        "Dockerfile",
        "FROM popcon-lab/base\n"
        "RUN --mount=type=secret,id=npmrc grep -q 'CANAR[Y]-token' /run/secrets/npmrc && touch /built\n",
    )
    project.commit()
    project.image["secrets"] = [{"id": "npmrc", "src": str(secret)}]
    _stats, tasks = project.run("-vvv")
    assert tasks["What the registry has"]["msg"][1].split()[2] == "built"
    assert "CANARY" not in project.shown
