"""The modules that make resources: the examples of their documentation, and what a team meets that made some by other means."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest
import yaml

pytest.importorskip("moto.server", reason="no moto")

from ansible_collections.popcon.deploy.plugins.filter import policy_document, table
from ansible_collections.popcon.deploy.plugins.modules import (
    ecr_repository,
    iam_managed_policy,
    iam_oidc_provider,
    provision_plan,
    ssm_document,
    ssm_parameters,
)
from ansible_collections.popcon.deploy.tests.integration.emulators import CREDENTIALS, REGION, environment_without_aws
from ansible_collections.popcon.deploy.tests.integration.plays import play
from ansible_collections.popcon.deploy.tests.integration.provision_drifts import Account

OWNER = "popcon.deploy/popcon-dev"
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 2,
        "digest": "sha256:" + "0" * 64,
    },
    "layers": [],
}
Run = t.Callable[..., list[dict]]


@pytest.fixture(scope="module")
def account(moto: str) -> Account:
    return Account(moto)


@pytest.fixture(scope="module")
def run(moto: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run tasks as a play and return their results, in order."""
    folder = tmp_path_factory.mktemp("controller")
    (folder / "policy.json").write_text('{"Statement": [{"Resource": ["arn:aws:s3:::${BUCKET}"]}]}')
    environment = {
        **environment_without_aws(), **CREDENTIALS, "AWS_ENDPOINT_URL": moto, "AWS_REGION": REGION, "POPCON_DB_PASSWORD": "canary",
    }  # fmt: skip

    def run(*tasks: dict, check: bool = False) -> list[dict]:
        return play(folder, list(tasks), environment, *(["--check"] if check else []))

    return run


def test_the_examples_plan_then_do_then_have_nothing_to_do(run: Run) -> None:
    modules = (ecr_repository, iam_managed_policy, iam_oidc_provider, ssm_document, ssm_parameters)
    tasks = [task for module in modules for task in yaml.safe_load(module.EXAMPLES)]
    planned, done, again = run(*tasks, check=True), run(*tasks), run(*tasks)
    assert [[row["action"] for row in result["rows"]] for result in planned] == [["create"]] * 4 + [["create"] * 3]
    assert [result["rows"] for result in done] == [result["rows"] for result in planned]
    assert [result["changed"] for result in (*planned, *done, *again)] == [True] * 10 + [False] * 5


def test_the_examples_that_ask_nobody(run: Run) -> None:
    plan, policy, *tables = run(
        *(task for plugin in (provision_plan, policy_document, table) for task in yaml.safe_load(plugin.EXAMPLES))
    )
    assert plan["rows"][0]["action"] == "create"
    assert [
        "HOST   SERVICE   IMAGE DIGEST         HEALTH   PORT",
        "web-1  frontend  sha256:9c5f0c3b7a21  healthy  3000",
    ] in [shown["msg"] for shown in tables]
    assert policy["msg"] == {"Statement": [{"Resource": ["arn:aws:s3:::popcon-dev-transfer"]}]}


def test_a_secret_that_is_part_of_a_name_does_not_blot_it_out(run: Run) -> None:
    options = {
        "path": "/blot",
        "secrets": {"USER": "blot", "PASSWORD": "canary"},
        "owner": OWNER,
        "region": "ap-northeast-2",
    }
    (made,) = run({"popcon.deploy.ssm_parameters": options})
    assert {row["name"] for row in made["rows"]} == {"/blot/USER", "/blot/PASSWORD"}


def repository(name: str, **options: t.Any) -> dict:
    return {
        "popcon.deploy.ecr_repository": {"name": name, "owner": OWNER, "region": "ap-northeast-2", **options},
        "ignore_errors": True,
    }


def test_what_is_there_already_is_taken_over_only_if_it_is_asked_for(account: Account, run: Run) -> None:
    account.ecr.create_repository(repositoryName="theirs", tags=[{"Key": "Terraform", "Value": "yes"}])
    refused, adopted, again = run(repository("theirs"), repository("theirs", adopt=True), repository("theirs"))
    assert "is there already" in refused["msg"]
    assert "provision_adopt=true" in refused["msg"]
    assert adopted["changed"]
    assert (again["changed"], again["rows"]) == (False, [])


def test_the_old_name_of_the_owner_is_accepted_with_a_warning(run: Run) -> None:
    options = {"name": "old-name", "mark": OWNER, "region": "ap-northeast-2"}
    (made,) = run({"popcon.deploy.ecr_repository": options})
    assert made["changed"]
    assert any("mark" in one["msg"] and one["version"] == "1.0.0" for one in made["deprecations"])


def test_a_role_alone_plans_and_applies(account: Account, run: Run) -> None:
    variables = {"ecr_repository_name": "alone", "ecr_repository_names": ["alone"], "ecr_repository_tags": {"App": "x"}}
    role = {"ansible.builtin.import_role": {"name": "popcon.deploy.ecr_repository"}, "vars": variables}
    run(role)
    (one,) = account.ecr.describe_repositories(repositoryNames=["alone"])["repositories"]
    tags = account.ecr.list_tags_for_resource(resourceArn=one["repositoryArn"])["tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"App": "x", "ManagedBy": "popcon.deploy/alone"}
    assert not any(result["changed"] for result in run(role))


def test_a_repository_with_images_goes_only_by_force(account: Account, run: Run) -> None:
    run(repository("full"))
    account.ecr.put_image(repositoryName="full", imageManifest=json.dumps(MANIFEST), imageTag="x")
    refused, removed = run(repository("full", state="absent"), repository("full", state="absent", force=True))
    assert refused["msg"] == "The ECR repository full holds images: remove them, or say -e ecr_repository_force=true."
    assert removed["changed"]


def provider(**options: t.Any) -> dict:
    return {"popcon.deploy.iam_oidc_provider": {"owner": "popcon.deploy", "region": "ap-northeast-2", **options}}


def test_a_provider_stays_as_long_as_another_role_trusts_it(account: Account, run: Run) -> None:
    run(provider())
    (one,) = account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Federated": one["Arn"]}, "Action": "sts:AssumeRoleWithWebIdentity"}
        ]
    }
    account.iam.create_role(RoleName="staging", AssumeRolePolicyDocument=json.dumps(trust))
    kept, planned, removed = run(
        provider(state="absent"),
        {**provider(state="absent", roles=["staging"]), "check_mode": True},
        provider(state="absent", roles=["staging"]),
    )
    assert [kept["changed"], planned["changed"], removed["changed"]] == [False, True, True]
    assert account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_a_provider_of_somebody_else_is_used_as_it_is(account: Account, run: Run) -> None:
    address = "https://token.actions.githubusercontent.com"
    account.iam.create_open_id_connect_provider(Url=address, ClientIDList=["sts.amazonaws.com", "other"])
    used, kept = run(provider(), provider(state="absent"))
    assert [used["rows"], kept["changed"]] == [[], False]
    (one,) = account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    account.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=one["Arn"])
