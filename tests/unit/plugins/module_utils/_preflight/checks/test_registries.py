"""Whether a host can log in to registries, and needs to."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd

import boto3
import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Findings
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.registries import check_registries
from ansible_collections.popcon.deploy.plugins.module_utils._registry import ecr, login
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    OTHER,
    OWN,
    REGION,
    make_certificate,
    reach_registries,
    serve_aws,
)


def aws(service, **more):
    return boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y", **more)


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
            findings = Findings()
            problems.logged_in = check_registries(findings, names, REGION, client)
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
