"""What a registry of ECR is asked, and what follows from its answers. Its API and the registry are stubs, over real TLS."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import subprocess

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.popcon.deploy.plugins.filter.table import table
from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.modules import image_build_info
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    OWN,
    REGION,
    make_certificate,
    reach_registries,
    serve_aws,
)

MANIFEST = json.dumps({"config": {"size": 1000}, "layers": [{"size": 2_000_000}, {"size": 3_000_000}]}).encode()
INDEX = json.dumps({"manifests": [{"size": 500}]}).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setattr(https, "PAUSES_SECONDS", ())
    with reach_registries(make_certificate(tmp_path), monkeypatch) as stub:
        stub.bodies["dev-app/manifests/other"] = MANIFEST
        yield stub


@pytest.fixture
def aws(registry):
    with serve_aws() as stub:
        registry.secrets.add("CANARY-token")
        stub.token = lambda: "CANARY-token"
        yield stub


@pytest.fixture
def commit(tmp_path):
    """The commit of the one image's clone."""
    clone = tmp_path / "checkouts/front"
    clone.mkdir(parents=True)
    (clone / "Dockerfile").write_text("FROM scratch\n")
    for arguments in (
        ["init", "--quiet"],
        ["remote", "add", "origin", "https://git.example.com/front.git"],
        ["add", "--all"],
        ["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "--quiet", "--message=x"],
    ):
        subprocess.run(["git", *arguments], cwd=clone, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def run(aws, commit, tmp_path, monkeypatch, capsys):
    """Run the module; gives its result, in which no token may be."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(**options):
        arguments = {
            "images": [{"name": "front", "source": "src"}],
            "checkouts": str(tmp_path / "checkouts"),
            "repository": "dev-app",
            "region": REGION,
            "endpoint_url": aws.url,
            "access_key": "AKIDEXAMPLE",
            "secret_key": "CANARY",
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            image_build_info.main()
        out = capsys.readouterr().out
        assert "CANARY" not in out.replace('"secret_key": "CANARY"', "")
        return json.loads(out)

    return run


def test_an_image_that_is_not_there(run, commit):
    result = run()
    assert (result["registry"], result["login"], result["changed"]) == (OWN, True, False)
    (image,) = result["images"]
    tag = f"front-{commit[:12]}"
    assert image == {
        **image, "action": "build", "commit": commit, "tag": tag, "reference": f"{OWN}/dev-app:{tag}",
        "references": [f"{OWN}/dev-app:{tag}", f"{OWN}/dev-app:front-latest"],
    }  # fmt: skip
    assert "digest" not in image


@pytest.mark.parametrize(
    ("latest", "wanted", "action"),
    [(MANIFEST, True, "none"), (INDEX, True, "tag"), (None, True, "tag"), (INDEX, False, "none")],
)
def test_an_image_that_is_there(registry, run, commit, latest, wanted, action):
    registry.bodies[f"dev-app/manifests/front-{commit[:12]}"] = MANIFEST
    if latest:
        registry.bodies["dev-app/manifests/front-latest"] = latest
    (image,) = run(latest=wanted)["images"]
    assert (image["action"], image["digest"], image["size"]) == (action, DIGEST, 5_001_000)
    assert len(image["references"]) == 1 + wanted


def test_the_examples(run, commit, tmp_path):
    """As they are in the documentation, but for the folder of the clones."""
    (tmp_path / "checkouts/front").rename(tmp_path / "checkouts/frontend")
    look, say = yaml.safe_load(image_build_info.EXAMPLES)
    options = look["popcon.deploy.image_build_info"]
    result = run(**{**options, "checkouts": str(tmp_path / "checkouts")})
    assert [image["action"] for image in result["images"]] == ["build"]
    assert say["ansible.builtin.debug"]["msg"] == "{{ plan.images | popcon.deploy.table('build_plan') }}"
    _headings, row = table(result["images"], "build_plan")
    assert row.split()[:2] == ["frontend", result["images"][0]["tag"]]


def test_an_image_for_several_platforms_has_no_one_size(registry, run, commit):
    registry.bodies[f"dev-app/manifests/front-{commit[:12]}"] = INDEX
    (image,) = run(latest=False)["images"]
    assert (image["action"], image["size"]) == ("none", None)


def test_a_repository_that_is_not_there(run):
    assert run(repository="prod-app")["msg"].startswith(f"{OWN} has no repository prod-app: make it")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, f"{OWN} refuses access to dev-app: use credentials that may read it (ecr:BatchGetImage"),
        (400, f"{OWN} refuses access to dev-app"),
        (500, "it answered HTTP 500"),
        (307, "it answered HTTP 307"),
    ],
)
def test_a_registry_that_gives_no_answer(registry, run, status, words):
    registry.status = status
    registry.headers["Location"] = "https://elsewhere.example.com/"
    assert words in run()["msg"]
    assert len(registry.asked) == 1


def test_a_registry_is_asked_again_when_it_stumbles(registry, run, monkeypatch):
    monkeypatch.setattr(https, "PAUSES_SECONDS", (0, 0))
    registry.statuses = [500, 429]
    assert run(latest=False)["images"][0]["action"] == "build"
    assert len(registry.asked) == 3


def test_aws_gives_no_token(aws, run):
    aws.error = 400, "AccessDeniedException"
    message = run(registry=OWN)["msg"]
    assert "ecr:GetAuthorizationToken" in message


def test_a_registry_that_is_not_of_ecr_gets_no_token_of_it(aws, run, monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.popcon.deploy.plugins.module_utils._registry.stored_logins.login", lambda *_arguments: None
    )
    asked = []

    def get(url, headers):
        asked.append((url, headers.get("Authorization")))
        return https.Answer(404, "", True, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')

    monkeypatch.setattr(https, "get", get)
    for name, scheme in (("127.0.0.1:5000", "http"), ("localhost:5000", "http"), ("registry.example.com", "https")):
        result = run(registry=name)
        assert (result["login"], result["images"][0]["action"]) == (False, "build")
        assert asked.pop()[0].startswith(f"{scheme}://{name}/v2/dev-app/manifests/front-")
    assert aws.actions == []
    assert all(authorization is None for _url, authorization in asked)
