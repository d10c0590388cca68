"""What a host may do and can reach, and in which words it is told if not."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import email.utils
import os
import pwd
import time
from pathlib import Path

import boto3
import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._preflight import access
from ansible_collections.popcon.deploy.plugins.module_utils._registry import ecr, login
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Remote, client, git
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    OTHER,
    OWN,
    REGION,
    make_certificate,
    reach_registries,
    serve_aws,
)
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from botocore.stub import ANY, Stubber

ARN = "arn:aws:sts::123456789012:assumed-role/popcon/i-0123456789abcdef0"


def aws(service, **more):
    return boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y", **more)


def test_findings_tell_one_cause_once():
    findings = access.Findings()

    def fail():
        raise DeployError("It rains.")

    assert findings.tried(fail) is None
    findings.problem("It rains.")
    findings.problem(None)
    assert findings.tried(int, "7") == 7
    assert findings.problems == ["It rains."]
    findings.tried(int, "canary")
    assert "ValueError" in findings.problems[1] and "canary" not in findings.problems[1]


def answered(seconds_ago):
    """The metadata of an answer by a clock that is so much behind."""
    return {"HTTPHeaders": {"date": email.utils.formatdate(time.time() - seconds_ago, usegmt=True)}}


def identified(prepare):
    """Who a host is to an STS that `prepare` has set up; and the configuration it was asked with."""
    sts = aws("sts")
    configs = []
    with Stubber(sts) as stub:
        prepare(sts, stub)
        found = access.identify(lambda service, config: configs.append(config) or {"sts": sts}[service])
    (config,) = configs
    assert config.retries["total_max_attempts"] == 3
    assert config.connect_timeout == 5
    return found


def test_identity_and_clock():
    who = {"Arn": ARN, "Account": "123456789012", "UserId": "x", "ResponseMetadata": answered(120)}
    found = identified(lambda _sts, stub: stub.add_response("get_caller_identity", who, {}))
    assert found[:2] == (ARN, "123456789012")
    assert 119 <= found.ahead <= 130
    assert found[3:] == (None, False)


def test_a_refusal_tells_the_clock_too():
    def prepare(_sts, stub):
        stub.add_client_error("get_caller_identity", "SignatureDoesNotMatch", "canary", response_meta=answered(-900))

    found = identified(prepare)
    assert -901 <= found.ahead <= -890
    assert "the signature is wrong" in found.problem and "canary" not in found.problem
    assert (found.arn, found.unreachable) == (None, False)


@pytest.mark.parametrize(
    ("error", "words", "unreachable"),
    [
        (NoCredentialsError(), "attach an instance profile", False),
        (EndpointConnectionError(endpoint_url="https://canary"), "does not answer", True),
        (ConnectTimeoutError(endpoint_url="https://canary"), "does not answer", True),
    ],
)
def test_without_an_answer(monkeypatch, error, words, unreachable):
    def fail(*_args, **_kwargs):
        raise error

    found = identified(lambda sts, _stub: monkeypatch.setattr(sts, "get_caller_identity", fail))
    assert words in found.problem and "canary" not in found.problem
    assert found._replace(problem=None) == access.Identity(unreachable=unreachable)


def page(stub, path, names, token=None, then=None):
    """One page of parameters below a path."""
    below = [{"Name": name, "Version": version, "Value": "hunter2"} for name, version in names.items()]
    asked = {"Path": path, "Recursive": True, "WithDecryption": True, "MaxResults": 10}
    stub.add_response(
        "get_parameters_by_path",
        {"Parameters": below, **({"NextToken": then} if then else {})},
        {**asked, **({"NextToken": token} if token else {})},
    )


def versions(prepare, paths):
    """What `parameter_versions` gives, and the problems it found."""
    ssm, findings = aws("ssm"), access.Findings()
    with Stubber(ssm) as stub:
        prepare(stub)
        found = access.parameter_versions(findings, ssm, paths)
        stub.assert_no_pending_responses()
    assert "hunter2" not in repr((found, findings))
    return found, findings.problems


def test_parameters_by_names_and_versions():
    def prepare(stub):
        page(stub, "/common", {"/common/A": 1, "/common/B": 2}, then="2")
        page(stub, "/common", {"/common/db/host": 3}, token="2")
        page(stub, "/prod", {"/prod/A": 9})

    # /prod/A makes the key that /common/A does, and comes later. A path that is given twice is one.
    found = {"/prod/A": 9, "/common/B": 2, "/common/db/host": 3}
    assert versions(prepare, ["/common", "/prod", "/common/"]) == (found, [])


def test_every_path_that_cant_be_read_is_told():
    def prepare(stub):
        stub.add_client_error("get_parameters_by_path", "AccessDeniedException", "canary", expected_params=ANY_PATH)
        page(stub, "/there", {"/there/A": 1})
        page(stub, "/empty", {})

    found, problems = versions(prepare, ["/denied", "/there", "/empty", "relative"])
    assert found is None
    assert len(problems) == 3
    assert "/denied" in problems[0] and "needs ssm:GetParametersByPath" in problems[0]
    assert "No parameters under /empty" in problems[1]
    assert "'relative' is not a parameter path" in problems[2]


ANY_PATH = {"Path": ANY, "Recursive": True, "WithDecryption": True, "MaxResults": 10}


def test_names_that_make_no_keys():
    found, problems = versions(lambda stub: page(stub, "/p", {"/p/9": 1}), ["/p"])
    assert found is None
    assert "/p/9 makes '9', which is no valid key" in problems[0]


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path / "served")


def test_the_commit_of_a_ref(remote, tmp_path):
    commit = remote.commit({"a": "1"})
    branch = remote.commit({"a": "2"}, branch="feature")
    ours = client(tmp_path / "home", remote.url)
    assert access.commit_of(ours, "main", None) == commit
    assert access.commit_of(ours, "feature", str(tmp_path / "absent")) == branch
    assert access.commit_of(ours, "f" * 40, None) == "f" * 40
    assert access.commit_of(ours, commit[:9], None) is None
    with pytest.raises(DeployError, match="Did you mean main"):
        access.commit_of(ours, "mian", None)


def test_a_commit_that_was_there_before_needs_no_repository(remote, tmp_path):
    old = remote.commit({"a": "1"})
    ours = client(tmp_path / "home", remote.url)
    folder = str(tmp_path / "app")
    checkout.synchronise(ours, "main", folder, str(tmp_path / "preview"), False)
    new = remote.commit({"a": "2"})
    # In the clone, but never checked out: it may be anybody's.
    foreign = git(tmp_path / "app", "commit-tree", "-m", "by hand", "HEAD^{tree}")
    remote.path.rename(tmp_path / "gone")
    assert access.commit_of(ours, old, folder) == old
    for ref, where in ((new, folder), (foreign, folder), (old, None), ("main", folder)):
        with pytest.raises(DeployError, match="there is no such repository"):
            access.commit_of(ours, ref, where)


@pytest.fixture
def registries(tmp_path, monkeypatch):
    """ECR and its registries; what is asked of them, with the names as the option has them."""
    monkeypatch.setattr(https, "PAUSES_SECONDS", ())
    user = pwd.struct_passwd((*pwd.getpwuid(os.geteuid())[:5], str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(login.store, "own_user", lambda: user)
    with reach_registries(make_certificate(tmp_path), monkeypatch) as registry, serve_aws() as stub:
        stub.be_known_to(registry)

        def client(service, region):
            return aws(service, endpoint_url=stub.url)

        def problems(*names):
            findings = access.Findings()
            problems.logged_in = access.check_registries(findings, names, REGION, client)
            assert not any(secret in repr(findings) for secret in registry.secrets)
            return findings.problems

        def log_in(*names):
            found = ecr.find_registries(names, REGION, client)
            login.log_in(login.Login.of(None, check=False), found, 0.5, client)
            stub.actions.clear()

        problems.log_in, problems.config = log_in, tmp_path / ".docker" / "config.json"

        problems.aws, problems.registry = stub, registry
        yield problems


def test_registries_that_take_a_new_token(registries):
    sibling = OWN.replace("123456789012", "210987654321")
    assert registries("123456789012", sibling, OTHER) == []
    assert [host for host, _path in registries.registry.asked] == [OWN, sibling, OTHER]
    # One token serves all registries of a region.
    assert len(registries.aws.actions) == 2


def test_who_is_logged_in_need_not_log_in(registries):
    registries.log_in(OWN)
    assert registries(OWN) == [] and registries.logged_in
    assert registries.aws.actions == []
    # Both must be.
    assert registries(OWN, OTHER) == [] and not registries.logged_in


def test_a_stored_token_that_is_refused_is_none(registries):
    registries.log_in(OWN)
    registries.registry.secrets.clear()
    assert registries(OWN) == [] and not registries.logged_in
    assert len(registries.aws.actions) == 1


def test_logins_that_cant_be_read_are_left_to_the_login(registries):
    registries.config.parent.mkdir(parents=True)
    registries.config.write_text("{")
    assert registries(OWN) == [] and not registries.logged_in


def test_a_registry_that_refuses(registries):
    registries.aws.token = registries.aws.unknown_token
    (problem,) = registries(OWN)
    assert problem.startswith(f"{OWN} refuses a token just made in {REGION}")


def test_no_token_is_told_once_a_region(registries):
    registries.aws.error = (400, "AccessDeniedException")
    (problem,) = registries(OWN, OWN.replace("123456789012", "210987654321"))
    assert "needs ecr:GetAuthorizationToken" in problem
    assert len(registries.aws.actions) == 1
    assert registries.registry.asked == []


def test_a_name_that_is_no_registry(registries):
    (problem,) = registries("docker.io")
    assert "'docker.io' is no registry of ECR" in problem
