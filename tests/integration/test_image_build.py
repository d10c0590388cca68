"""The playbook build, with buildx and a registry of its own: what it builds, what it leaves alone, what it refuses."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.popcon.deploy.tests.integration.builder import Builder, Project, docker, serve_builder
from ansible_collections.popcon.deploy.tests.integration.emulators import CREDENTIALS, REGION
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    OWN,
    make_certificate,
    serve_aws,
    serve_registries,
)

COLLECTION = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Builder]:
    with serve_builder(tmp_path_factory.mktemp("builder")) as builder:
        yield builder


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


@pytest.mark.thorough
def test_another_commit_and_other_settings_are_other_images(project: Project) -> None:
    project.image["args"] = {"NEXT_PUBLIC_API_URL": "http://one:8080"}
    assert project.built() == ["build"]
    project.image["args"] = {"NEXT_PUBLIC_API_URL": "http://two:8080"}
    assert project.built() == ["build"]
    assert len(project.tags()) == 3
    labels = project.builder.configuration(project.repository, "front-latest")["config"]["Labels"]
    assert labels["url"] == "http://two:8080"
    project.write("page.txt", "new")
    commit = project.commit()
    assert project.built() == ["build"]
    assert any(tag.startswith(f"front-{commit}-") for tag in project.tags())


@pytest.mark.thorough
def test_the_latest_tag_goes_back_without_a_build(project: Project) -> None:
    first = project.git("rev-parse", "HEAD")[:12]
    project.write("page.txt", "new")
    second = project.commit()
    assert project.built() == ["build"]
    project.image["ref"] = "HEAD~"
    assert project.built() == ["build"]
    project.image["ref"] = "main"
    assert project.built("--check") == ["tag"]
    assert project.built() == ["tag"]
    manifest = {tag: project.builder.manifest(project.repository, tag) for tag in project.tags()}
    assert manifest["front-latest"] == manifest[f"front-{second}"] != manifest[f"front-{first}"]
    # A registry with immutable tags would have refused a second time.
    assert project.builder.pushes(project.repository) == {f"front-{first}": 1, f"front-{second}": 1, "front-latest": 3}


@pytest.mark.thorough
def test_images_of_one_repository(project: Project) -> None:
    project.image["folder"] = "web"
    project.write("web/Dockerfile", "FROM scratch\nCOPY . /\n")
    project.write("api/other.Dockerfile", "FROM scratch AS one\nCOPY . /\nFROM scratch\nCOPY other.Dockerfile /\n")
    project.commit()
    api = {"name": "api", "source": "source", "folder": "api", "dockerfile": "other.Dockerfile", "target": "one"}
    both = {"image_build_images": [project.image, api], "image_build_latest": False}
    assert project.built("-e", "image_build_only=[api]", **both) == ["build"]
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
    stats, tasks = project.run("--check")
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
        ({"source": "elsewhere"}, "elsewhere"),
        (
            {"source": "https://user:hunter2@git.example.com/x.git"},
            "A source in image_build_images has a user or token",
        ),
        ({"ref": "no-such-branch"}, "no-such-branch"),
    ],
)
def test_what_can_not_be_built_is_refused(project: Project, image: dict[str, t.Any], words: str) -> None:
    project.image.update(image)
    stats, tasks = project.run()
    assert stats["failures"] == 1
    failed = str(next(task for task in tasks.values() if task.get("failed")))
    assert words in failed
    assert "hunter2" not in failed
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


@pytest.mark.thorough
def test_what_ecr_has_is_asked_for_before_anybody_logs_in(project: Project, tmp_path: Path) -> None:
    """With stubs of ECR's API and its registry, which an engine can't push to: its name leads nowhere."""
    certificate = make_certificate(tmp_path)
    tag = f"front-{project.git('rev-parse', 'HEAD')[:12]}"
    # Without what other tests left in it.
    config = tmp_path / "docker/config.json"
    shutil.copytree(project.builder.config, config.parent)
    config.unlink()
    with serve_registries(certificate) as (registry, proxy), serve_aws() as aws:
        aws.be_known_to(registry)
        environment = {
            **CREDENTIALS, "AWS_ENDPOINT_URL": aws.url, "HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(certificate),
            "DOCKER_CONFIG": str(config.parent),
        }  # fmt: skip
        ecr = {"image_build_registry": "", "image_build_repository": "dev-app", "image_build_region": REGION}
        _stats, tasks = project.run(environment=environment, **ecr)
        assert "has no repository dev-app: make it" in tasks["See what has to be built"]["msg"]

        registry.bodies["dev-app/manifests/other"] = b"{}"
        assert project.built("--check", environment=environment, **ecr) == ["build"]
        assert not config.exists()

        registry.bodies[f"dev-app/manifests/{tag}"] = registry.bodies["dev-app/manifests/front-latest"] = b"{}"
        assert project.built(environment=environment, **ecr) == ["none"]
        assert not config.exists()

        registry.bodies.pop(f"dev-app/manifests/{tag}")
        stats, tasks = project.run(environment=environment, **ecr)
        assert stats["failures"] == 1
        assert OWN in tasks["Build and push"]["results"][0]["stderr"]
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        assert list(json.loads(config.read_text())["auths"]) == [OWN]
        assert not any(secret in project.shown for secret in registry.secrets)


def test_the_step_of_the_workflow(project: Project) -> None:
    """As on a runner: in the checkout, with an inventory of one file that the repository has."""
    workflow = yaml.safe_load((COLLECTION / ".github/workflows/build.yml").read_text())
    (step,) = (step for step in workflow["jobs"]["build"]["steps"] if "run" in step)
    project.image["source"] = "."
    project.write(".popcon/dev.yml", yaml.safe_dump({"all": {"vars": project.variables}}))
    commit = project.commit()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=project.source,
        env={**project.environment, "PWD": str(project.source), "INVENTORY": ".popcon/dev.yml"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.tags() == [f"front-{commit}", "front-latest"]
