# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat
import sys
import time
import traceback

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.popcon.deploy.plugins.module_utils._common import aws as _aws
from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.module_utils._registry import login
from ansible_collections.popcon.deploy.plugins.module_utils._registry.docker_config import Credentials
from ansible_collections.popcon.deploy.plugins.modules import ecr_login
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    HOUR,
    OTHER,
    OWN,
    PUBLIC,
    REGION,
    aws_token,
    basic,
    make_certificate,
    make_helper,
    reach_registries,
    serve_aws,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(certificate, monkeypatch):
    """All registries; they accept the tokens that RV(aws) made."""
    monkeypatch.setattr(https, "PAUSES_SECONDS", ())
    with reach_registries(certificate, monkeypatch) as stub:
        yield stub


@pytest.fixture
def aws(registry, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with serve_aws() as stub:
        stub.be_known_to(registry)
        yield stub


@pytest.fixture
def config(tmp_path):
    return tmp_path / ".docker" / "config.json"


@pytest.fixture
def run(aws, config, capsys):
    """Run the module in this process; gives its result, in which no secret may be."""

    def run(check=False, **options):
        arguments = {
            "region": REGION,
            "access_key": "AKIAEXAMPLE",
            "secret_key": "secret-key-canary",
            "endpoint_url": aws.url,
            "aws_config": {"retries": {"max_attempts": 1, "mode": "standard"}},
            "config_path": str(config),
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **options,
        }
        given = {key: value for key, value in arguments.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            ecr_login.main()
        text = capsys.readouterr().out
        for secret in {"secret-key-canary", "CANARY", *run.secrets()}:
            assert secret not in text.replace("secret_key", "")
            assert basic(secret) not in text
        return json.loads(text)

    run.secrets = set
    return run


@pytest.fixture(autouse=True)
def known_secrets(run, registry):
    run.secrets = lambda: registry.secrets


def auths(config):
    return json.loads(config.read_text()).get("auths", {})


def write(config, content):
    config.parent.mkdir(mode=0o700, exist_ok=True)
    config.write_text(json.dumps(content))
    config.chmod(0o600)


def names(result):
    return [row["name"] for row in result["registries"]]


def test_check_do_check_do(run, aws, config):
    planned = run(check=True)
    assert planned["changed"]
    assert planned["expires_at"] is None
    assert aws.actions == ["GetCallerIdentity"]
    assert not config.parent.exists()

    done = run()
    assert done["changed"]
    assert names(done) == [OWN]
    ends = time.mktime(time.strptime(done["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert ends == pytest.approx(time.time() + 12 * HOUR, abs=5)
    assert done["diff"] == {"before": {OWN: "none"}, "after": {OWN: "token"}}
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700

    before = config.read_bytes(), config.stat()
    aws.actions.clear()
    for again in (run(check=True), run()):
        assert not again["changed"]
        assert again["expires_at"] == done["expires_at"]
        assert again["diff"]["before"] == again["diff"]["after"]
    assert (config.read_bytes(), config.stat()) == before
    assert aws.actions == ["GetCallerIdentity"] * 2, "no token is requested without need"
    assert os.listdir(config.parent) == ["config.json"], "AWS's own tokens need no note"


def test_registries_of_every_kind_with_one_token_each_region(run, aws, config):
    wanted = [OWN, "210987654321", OTHER, PUBLIC]
    result = run(registries=wanted)
    assert names(result) == [OWN, "210987654321.dkr.ecr.ap-northeast-2.amazonaws.com", OTHER, PUBLIC]
    assert len(aws.actions) == 3
    assert list(auths(config)) == names(result)
    assert not run(registries=wanted)["changed"]


def test_only_what_needs_it_is_renewed(run, aws, registry, config):
    run(registries=[OWN, OTHER])
    kept = auths(config)[OWN]
    registry.secrets.discard(_secret(config, OTHER))
    result = run(registries=[OWN, OTHER])
    assert [row["changed"] for row in result["registries"]] == [False, True]
    assert result["diff"]["before"] == {OWN: "token", OTHER: "token the registry refuses"}
    assert auths(config)[OWN] == kept


def _secret(config, name):
    return Credentials.from_basic(auths(config)[name]["auth"]).secret


@pytest.mark.parametrize(
    ("hours", "min_remaining", "changed"),
    [(5.9, 0.5, True), (6.1, 0.5, False), (0.1, 0, False), (-1, 0, True), (11.9, 0.999, True), (1, 0.05, False)],
)
def test_a_token_is_renewed_by_the_share_of_its_life_left(run, registry, config, hours, min_remaining, changed):
    secret = aws_token("stored", hours * HOUR)
    registry.secrets.add(secret)
    write(config, {"auths": {OWN: {"auth": basic(secret)}}})
    result = run(registries=[OWN], min_remaining=min_remaining)
    assert result["changed"] is changed
    if changed:
        assert result["diff"]["before"] == {OWN: "token near or past its end"}
        assert len(registry.asked) == 1, "a token to be replaced anyway is not shown around"


@pytest.mark.parametrize("min_remaining", [-0.1, 1, 1.5])
def test_a_share_is_a_share(run, min_remaining):
    assert "min_remaining" in run(min_remaining=min_remaining)["msg"]


def test_a_revoked_or_foreign_token_is_replaced(run, config):
    write(config, {"auths": {OWN: {"auth": basic(aws_token("of another account"))}}})
    assert run(registries=[OWN])["diff"]["before"] == {OWN: "token the registry refuses"}
    assert not run(registries=[OWN])["changed"]


@pytest.mark.parametrize("expires_at", [1420070400, None])
def test_a_token_that_does_not_tell_its_end_stays_too(run, aws, registry, config, expires_at):
    """Also where the API says 2015, as moto does."""
    aws.expires_at = expires_at
    count = iter(range(9))

    def opaque():
        registry.secrets.add(secret := f"opaque-token-{next(count)}")
        return secret

    aws.token = opaque
    first = run(registries=[OWN])
    note = config.parent / "ecr-login.json"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert "opaque" not in note.read_text()
    second = run(registries=[OWN])
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["expires_at"] is not None
    assert second["expires_at"] == first["expires_at"]
    note.write_text("{}")
    assert run(registries=[OWN])["diff"]["before"] == {OWN: "token whose end is not known"}


def test_everything_else_in_the_file_stays(run, config):
    others = {
        "auths": {"https://index.docker.io/v1/": {"auth": basic("hub")}},
        "psFormat": "x",
        "credHelpers": {"gcr.io": "g"},
    }
    write(config, others)
    run(registries=[OWN])
    stored = json.loads(config.read_text())
    assert stored["auths"].pop(OWN)
    assert stored == others


def test_a_lax_mode_is_mended(run, config):
    run(registries=[OWN])
    config.chmod(0o644)
    assert run(registries=[OWN], check=True)["changed"]
    assert run(registries=[OWN])["changed"]
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert not run(registries=[OWN])["changed"]


def test_a_broken_file_is_an_error_and_stays(run, aws, config):
    write(config, {})
    config.write_text('{"auths": CANARY')
    result = run(registries=[OWN])
    assert f"{config} is not valid JSON" in result["msg"]
    assert config.read_text() == '{"auths": CANARY'
    assert aws.actions == []


def test_a_new_token_that_is_refused_is_not_stored(run, registry, config):
    registry.status = 403
    result = run(registries=[OWN])
    assert f"{OWN} refuses a token just made in {REGION}" in result["msg"]
    assert not config.exists()


def test_a_registry_that_can_not_be_asked_is_an_error(run, aws, registry, config):
    run(registries=[OWN])
    registry.status = 503
    before, asked = config.read_bytes(), list(aws.actions)
    assert f"Cannot ask {OWN}" in run(registries=[OWN])["msg"]
    assert (config.read_bytes(), aws.actions) == (before, asked)


# Credential stores


@pytest.fixture
def kept(tmp_path, monkeypatch):
    kept = make_helper(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return kept


@pytest.mark.parametrize("setting", [{"credsStore": "stub"}, {"credHelpers": {OWN: "stub"}}])
def test_a_token_goes_to_the_store_docker_asks(run, registry, config, kept, setting):
    write(config, {**setting, "auths": {OWN: {"auth": basic("left in clear")}}})
    assert run(registries=[OWN])["changed"]
    assert json.loads(config.read_text()) == {**setting, "auths": {OWN: {}}}
    assert json.loads((kept / OWN).read_text())["Secret"] in registry.secrets
    assert not run(registries=[OWN])["changed"]
    calls = [line.split(" home=")[0] for line in (kept / "calls").read_text().splitlines()]
    assert calls == ["1 get", "1 store", "1 get"]


def test_check_mode_stores_nothing(run, config, kept):
    write(config, {"credsStore": "stub"})
    assert run(registries=[OWN], check=True)["changed"]
    assert os.listdir(kept) == ["calls"]


def test_a_store_that_fails(run, config, kept, monkeypatch):
    write(config, {"credsStore": "stub"})
    monkeypatch.setenv("HELPER_FAILS", "1")
    assert "docker-credential-stub get failed with exit status 7" in run(registries=[OWN])["msg"]


def test_a_token_behind_a_general_ecr_helper_would_be_of_no_use(run, aws, config):
    write(config, {"credsStore": "ecr-login"})
    assert "Docker never looks for a stored token" in run(registries=[OWN])["msg"]
    assert aws.actions == []


def test_a_token_takes_the_place_of_the_ecr_helper(run, config):
    write(config, {"credHelpers": {OWN: "ecr-login"}})
    assert run(registries=[OWN])["diff"] == {"before": {OWN: "credential helper"}, "after": {OWN: "token"}}
    assert list(json.loads(config.read_text())) == ["auths"]
    assert not run(registries=[OWN])["changed"]


# AWS that refuses


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "ecr:GetAuthorizationToken"),
        ("ExpiredTokenException", "expired"),
        ("ThrottlingException", "throttles"),
        ("UnrecognizedClientException", "not known"),
    ],
)
def test_aws_that_refuses(run, aws, config, code, words):
    aws.error = (400, code)
    result = run(registries=[OWN])
    assert result["failed"]
    assert words in result["msg"]
    assert not config.exists()


def test_sts_that_refuses(run, aws):
    aws.error = (403, "ExpiredToken")
    assert "Cannot ask for the own account" in run()["msg"]


def test_no_credentials(run):
    assert "no AWS credentials" in run(registries=[OWN], access_key=None, secret_key=None)["msg"]


def test_an_endpoint_that_does_not_answer(run):
    assert "does not answer" in run(registries=[OWN], endpoint_url="http://127.0.0.1:9")["msg"]


def test_no_region(run):
    assert "No region" in run(region=None)["msg"]


def test_a_missing_boto3_names_the_package(run, monkeypatch):
    monkeypatch.setattr(_aws, "HAS_BOTO3", False)
    for options in ({}, {"registries": [OWN]}, {"registries": ["123456789012"]}):
        assert "python3-boto3" in run(**options)["msg"]


@pytest.mark.parametrize(("name", "words"), [("docker.io", "no registry of ECR"), ("12345678901", "12 digits")])
def test_a_name_that_is_not_of_ecr(run, aws, name, words):
    assert words in run(registries=[name])["msg"]
    assert aws.actions == []


@pytest.mark.parametrize("path", ["relative/config.json", "config.json"])
def test_a_path_that_is_not_absolute(run, path):
    assert "must be absolute" in run(registries=[OWN], config_path=path)["msg"]


def test_an_unexpected_exception_shows_its_class_only(run, monkeypatch):
    def crash(*_args):
        raise RuntimeError("CANARY")

    monkeypatch.setattr(login.ecr, "accepts", crash)
    result = run(registries=[OWN])
    assert "Unforeseen RuntimeError in" in result["msg"]
    assert "Traceback" not in result.get("exception", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_ordinary_user(run, certificate, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    for folder in (home.parent, home.parent.parent, certificate.parent):
        folder.chmod(0o755)
    os.chown(home, 65534, 65534)
    path = home / ".docker" / "config.json"
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            assert run(registries=[OWN], config_path=str(path))["changed"]
            assert not run(registries=[OWN], config_path=str(path))["changed"]
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert (path.stat().st_uid, path.parent.stat().st_uid) == (65534, 65534)


# Documentation


def test_every_returned_key_is_documented(run):
    result = run()
    documented = yaml.safe_load(ecr_login.RETURN)
    assert result.keys() - {"changed", "diff", "invocation", "warnings"} == documented.keys()
    assert result["registries"][0].keys() == documented["registries"]["contains"].keys()


@pytest.mark.parametrize("task", yaml.safe_load(ecr_login.EXAMPLES), ids=lambda task: task["name"])
def test_every_example_runs(run, task):
    assert task["name"]
    assert "failed" not in run(**task["popcon.deploy.ecr_login"])
