# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that make resources: the examples of their documentation, and what a team meets that made some by other means."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import ansible_collections
import pytest
import yaml

pytest.importorskip("moto.server", reason="no moto")

from ansible_collections.popcon.deploy.plugins.filter import plan_table, policy_document
from ansible_collections.popcon.deploy.plugins.modules import (
    ecr_repository,
    iam_oidc_provider,
    provision_plan,
    ssm_document,
    ssm_parameters,
)
from ansible_collections.popcon.deploy.tests.integration.emulators import CREDENTIALS, environment_without_aws, serve
from ansible_collections.popcon.deploy.tests.integration.provision_drifts import Account

MARK = "popcon.deploy/popcon-dev"
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
Play = t.Callable[..., list[dict]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    with serve("moto", tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="module")
def account(url: str) -> Account:
    return Account(url)


@pytest.fixture(scope="module")
def play(url: str, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run tasks as a playbook and return their results, in order."""
    folder = tmp_path_factory.mktemp("controller")
    (folder / "ansible.cfg").touch()
    (folder / "policy.json").write_text('{"Statement": [{"Resource": ["arn:aws:s3:::${BUCKET}"]}]}')

    def play(*tasks: dict, check: bool = False) -> list[dict]:
        everything = {"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": list(tasks)}
        (folder / "play.yml").write_text(yaml.safe_dump([everything]))
        done = subprocess.run(
            ["ansible-playbook", "play.yml", *(["--check"] if check else [])],
            cwd=folder,
            env={
                **environment_without_aws(), **CREDENTIALS, "AWS_ENDPOINT_URL": url, "AWS_REGION": "ap-northeast-2", "POPCON_DB_PASSWORD": "canary",
                "ANSIBLE_COLLECTIONS_PATH": ":".join(str(Path(path).parent) for path in ansible_collections.__path__),
                "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "ansible"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            },
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        assert "canary" not in done.stdout + done.stderr
        return [task["hosts"]["localhost"] for task in json.loads(done.stdout)["plays"][0]["tasks"]]

    return play


def test_the_examples_plan_then_do_then_have_nothing_to_do(play: Play) -> None:
    modules = (ecr_repository, iam_oidc_provider, ssm_document, ssm_parameters)
    tasks = [task for module in modules for task in yaml.safe_load(module.EXAMPLES)]
    planned, done, again = play(*tasks, check=True), play(*tasks), play(*tasks)
    assert [[row["action"] for row in result["rows"]] for result in planned] == [
        ["create"],
        ["create"],
        ["create"],
        ["create"] * 3,
    ]
    assert [result["rows"] for result in done] == [result["rows"] for result in planned]
    assert [result["changed"] for result in (*planned, *done, *again)] == [True] * 8 + [False] * 4


def test_the_examples_that_ask_nobody(play: Play) -> None:
    plan, table, policy = play(
        *(task for plugin in (provision_plan, plan_table, policy_document) for task in yaml.safe_load(plugin.EXAMPLES))
    )
    assert plan["rows"][0]["action"] == "create"
    assert table["msg"] == ["Nothing to do: everything is as the inventory has it"]
    assert policy["msg"] == {"Statement": [{"Resource": ["arn:aws:s3:::popcon-dev-transfer"]}]}


def test_a_secret_that_is_part_of_a_name_does_not_blot_it_out(play: Play) -> None:
    options = {
        "path": "/blot",
        "secrets": {"USER": "blot", "PASSWORD": "canary"},
        "mark": MARK,
        "region": "ap-northeast-2",
    }
    (made,) = play({"popcon.deploy.ssm_parameters": options})
    assert {row["name"] for row in made["rows"]} == {"/blot/USER", "/blot/PASSWORD"}


def repository(name: str, **options: t.Any) -> dict:
    return {
        "popcon.deploy.ecr_repository": {"name": name, "mark": MARK, "region": "ap-northeast-2", **options},
        "ignore_errors": True,
    }


def test_what_is_there_already_is_taken_over_only_if_it_is_asked_for(account: Account, play: Play) -> None:
    account.ecr.create_repository(repositoryName="theirs", tags=[{"Key": "Terraform", "Value": "yes"}])
    refused, adopted, again = play(repository("theirs"), repository("theirs", adopt=True), repository("theirs"))
    assert "is there already" in refused["msg"]
    assert "provision_adopt=true" in refused["msg"]
    assert adopted["changed"]
    assert (again["changed"], again["rows"]) == (False, [])


def test_a_role_alone_plans_and_applies(account: Account, play: Play) -> None:
    variables = {"ecr_repository_name": "alone", "ecr_repository_names": ["alone"], "ecr_repository_tags": {"App": "x"}}
    role = {"ansible.builtin.import_role": {"name": "popcon.deploy.ecr_repository"}, "vars": variables}
    play(role)
    (one,) = account.ecr.describe_repositories(repositoryNames=["alone"])["repositories"]
    tags = account.ecr.list_tags_for_resource(resourceArn=one["repositoryArn"])["tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"App": "x", "ManagedBy": "popcon.deploy/alone"}
    assert not any(result["changed"] for result in play(role))


def test_a_repository_with_images_goes_only_by_force(account: Account, play: Play) -> None:
    play(repository("full"))
    account.ecr.put_image(repositoryName="full", imageManifest=json.dumps(MANIFEST), imageTag="x")
    refused, removed = play(repository("full", state="absent"), repository("full", state="absent", force=True))
    assert refused["msg"] == "The ECR repository full holds images: remove them, or say -e ecr_repository_force=true."
    assert removed["changed"]


def provider(**options: t.Any) -> dict:
    return {"popcon.deploy.iam_oidc_provider": {"mark": "popcon.deploy", "region": "ap-northeast-2", **options}}


def test_a_provider_stays_as_long_as_another_role_trusts_it(account: Account, play: Play) -> None:
    play(provider())
    (one,) = account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Federated": one["Arn"]}, "Action": "sts:AssumeRoleWithWebIdentity"}
        ]
    }
    account.iam.create_role(RoleName="staging", AssumeRolePolicyDocument=json.dumps(trust))
    kept, planned, removed = play(
        provider(state="absent"),
        {**provider(state="absent", roles=["staging"]), "check_mode": True},
        provider(state="absent", roles=["staging"]),
    )
    assert [kept["changed"], planned["changed"], removed["changed"]] == [False, True, True]
    assert account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_a_provider_of_somebody_else_is_used_as_it_is(account: Account, play: Play) -> None:
    address = "https://token.actions.githubusercontent.com"
    account.iam.create_open_id_connect_provider(Url=address, ClientIDList=["sts.amazonaws.com", "other"])
    used, kept = play(provider(), provider(state="absent"))
    assert [used["rows"], kept["changed"]] == [[], False]
    (one,) = account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    account.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=one["Arn"])
