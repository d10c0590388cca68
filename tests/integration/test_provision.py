"""The playbook `provision` with the inventory `dev`, on an account that begins empty: plan, apply, drift, teardown.

The runs are few, as each takes long, and in one order: what each of them did is looked at by many tests.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("moto.server", reason="no moto")

from ansible_collections.popcon.deploy.plugins.modules import provision_plan
from ansible_collections.popcon.deploy.tests.integration.emulators import CREDENTIALS, environment_without_aws
from ansible_collections.popcon.deploy.tests.integration.plays import ansible_settings
from ansible_collections.popcon.deploy.tests.integration.provision_drifts import (
    DRIFTS,
    NAME,
    Account,
    Drift,
    allowed_at_most,
)
from ansible_collections.popcon.deploy.tests.integration.provision_rights import IAM, Call, Rights, boundaries

COLLECTION = Path(provision_plan.__file__).parents[2]
SECRETS = ("DB_USERNAME", "DB_PASSWORD", "DB_ROOT_PASSWORD", "GIT_TOKEN")
CANARIES = {f"POPCON_{name}": f"canary-{name.lower()}-$`\"'x" for name in SECRETS}
VARIABLES = {
    # The only AMIs whose parameters moto has.
    "app_hosts_image": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "app_hosts_instances": [{"name": f"{NAME}-{n}", "subnet": f"{NAME}-public-a"} for n in (1, 2)],
    "iam_access_planner_subjects": ["repo:org/gitops:environment:dev-plan"],
    "iam_access_provisioner_subjects": ["repo:org/gitops:environment:dev-apply"],
}


class Run(t.NamedTuple):
    """How a run of the playbook ended."""

    status: int
    output: str
    plan: dict
    calls: list[Call]

    def rows(self, action: str) -> set[tuple[str, str]]:
        return {(row["kind"], row["name"]) for row in self.plan["rows"] if row["action"] == action}

    def changed(self) -> int:
        return int(self.output.rpartition("changed=")[2].split()[0])


class Controller:
    """A shell of somebody who provisions."""

    def __init__(self, url: str, folder: Path) -> None:
        self.account = Account(url)
        self._folder = folder
        self._environment = {
            **environment_without_aws(),
            **CREDENTIALS,
            **CANARIES,
            "AWS_ENDPOINT_URL": url,
            **ansible_settings(folder),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONPATH": f"{Path(__file__).with_name('recorder')}:{os.environ.get('PYTHONPATH', '')}",
            "RECORDED_CALLS": str(folder / "calls.jsonl"),
        }

    def __call__(self, *options: str, without: tuple[str, ...] = (), **variables: t.Any) -> Run:
        file = self._folder / "plan.json"
        calls = Path(self._environment["RECORDED_CALLS"])
        for left in (file, calls):
            left.unlink(missing_ok=True)
        done = subprocess.run(
            ["ansible-playbook", str(COLLECTION / "playbooks/provision.yml"), "-i", str(COLLECTION / "inventories/dev"),
             "-e", json.dumps({**VARIABLES, "plan_file": str(file), **variables}), *options],
            cwd=self._folder, env={k: v for k, v in self._environment.items() if k not in without},
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        plan = json.loads(file.read_text()) if file.exists() else {}
        recorded = calls.read_text().splitlines() if calls.exists() else []
        return Run(done.returncode, done.stdout + done.stderr, plan, list(map(json.loads, recorded)))


@pytest.fixture(scope="module")
def controller(moto: str, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(moto, tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def planned(controller: Controller) -> Run:
    return controller("--check", "--diff", "-vvvv")


@pytest.fixture(scope="module")
def applied(controller: Controller, planned: Run) -> Run:
    return controller("--diff", "-vvvv")


@pytest.fixture(scope="module")
def secret(controller: Controller, applied: Run) -> str:
    """A secret that was rotated since."""
    controller.account.ssm.put_parameter(
        Name="/popcon/DB_PASSWORD", Value="rotated", Overwrite=True, Type="SecureString"
    )
    return "rotated"


@pytest.fixture(scope="module")
def foreign(controller: Controller, applied: Run) -> dict[str, str]:
    """What somebody else made beside ours."""
    account = controller.account
    account.ssm.put_parameter(Name="/popcon/EXTRA", Value="x", Type="String")
    return {
        "subnet": account.ec2.create_subnet(VpcId=account.vpc(), CidrBlock="10.20.77.0/24")["Subnet"]["SubnetId"],
        "security group": account.ec2.create_security_group(GroupName="theirs", Description="x", VpcId=account.vpc())[
            "GroupId"
        ],
        "parameter": "/popcon/EXTRA",
    }


@pytest.fixture(scope="module")
def drifted(controller: Controller, secret: str, foreign: dict[str, str]) -> Run:
    for drift in DRIFTS:
        drift.do(controller.account)
    # While there is no policy that wants TLS, which the emulator has not: a transfer that was left over, with its versions.
    controller.account.s3.put_object(Bucket=f"{NAME}-transfer", Key="i-1/left-over", Body=b"x")
    return controller("--check", "--diff", provision_fail_on_changes=True)


@pytest.fixture(scope="module")
def bounded(controller: Controller, drifted: Run) -> dict[str, str]:
    """The boundaries of roles, before one of them gets its own again."""
    return boundaries(controller.account)


@pytest.fixture(scope="module")
def mended(controller: Controller, bounded: dict[str, str]) -> Run:
    return controller()


@pytest.fixture(scope="module")
def at_last(controller: Controller, mended: Run) -> Run:
    return controller("--diff", without=tuple(CANARIES))


def test_a_plan_of_an_empty_account_has_all_and_makes_nothing(planned: Run) -> None:
    assert planned.status == 0, planned.output
    assert planned.plan["changes"] == len(planned.plan["rows"]) == 36
    assert planned.rows("create") >= {("VPC", NAME), ("key", f"alias/{NAME}"), ("instance", f"{NAME}-2")}
    assert f"+VPC {NAME}" in planned.output
    assert "36 to create, 0 to change, 0 to remove" in planned.output


def test_applying_makes_what_was_planned(controller: Controller, planned: Run, applied: Run) -> None:
    assert applied.status == 0, applied.output
    assert applied.rows("create") == planned.rows("create")
    instance = controller.account.instance(1)
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert instance["IamInstanceProfile"]["Arn"].endswith(f"/{NAME}-host")
    assert instance["SubnetId"] == controller.account.subnet("public-a")["SubnetId"]
    assert "KeyName" not in instance
    assert "Status" not in controller.account.s3.get_bucket_versioning(Bucket=f"{NAME}-transfer")
    described = controller.account.parameters()
    assert {one["Name"].rpartition("/")[2] for one in described if one.get("KeyId") == f"alias/{NAME}"} == set(SECRETS)
    for name in SECRETS:
        path = "/popcon-deploy" if name == "GIT_TOKEN" else "/popcon"
        found = controller.account.ssm.get_parameter(Name=f"{path}/{name}", WithDecryption=True)["Parameter"]
        assert found["Value"] == CANARIES[f"POPCON_{name}"]


def test_the_policies_name_the_key_that_was_made_with_them(controller: Controller, applied: Run) -> None:
    arn = controller.account.kms.describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]["Arn"]
    for role in ("host", "rotation"):
        statements = controller.account.statement(f"{NAME}-{role}", role)
        assert [one["Resource"] for one in statements if "kms:Decrypt" in one["Action"]] == [[arn]]


def policies(account: Account, role: str) -> list[str]:
    """What a role may do, as it was made."""
    return [json.dumps({"Statement": account.statement(f"{NAME}-{role}", role)})]


def test_the_roles_of_an_environment_have_its_boundary(controller: Controller, applied: Run) -> None:
    assert boundaries(controller.account) == {
        f"{NAME}-{role}": f"{IAM}:policy/{NAME}-boundary" for role in ("host", "rotation", "builder", "deployer")
    }
    allowed = allowed_at_most(controller.account)
    assert not any(action.startswith("iam:") for one in allowed for action in one["Action"])
    for role in ("host", "rotation", "builder", "deployer"):
        assert [one for one in controller.account.statement(f"{NAME}-{role}", role) if one not in allowed] == []


def test_who_plans_may_do_all_that_a_plan_calls(
    controller: Controller, planned: Run, applied: Run, drifted: Run
) -> None:
    rights = Rights(controller.account, {})
    for run in (planned, drifted):
        assert rights.missing(policies(controller.account, "planner"), run.calls) == set()


def test_who_provisions_may_do_all_that_was_called_but_make_itself_and_the_boundary(
    controller: Controller, applied: Run
) -> None:
    missing = Rights(controller.account, {}).missing(policies(controller.account, "provisioner"), applied.calls)
    itself = {f"{IAM}:role/{NAME}-{role}" for role in ("planner", "provisioner")}
    assert missing == {
        *((f"iam:{action}", role) for role in itself for action in ("CreateRole", "TagRole", "PutRolePolicy")),
        *((f"iam:{action}", f"{IAM}:policy/{NAME}-boundary") for action in ("CreatePolicy", "TagPolicy")),
    }


@pytest.mark.parametrize("drift", DRIFTS, ids=[drift.what for drift in DRIFTS])
def test_what_is_done_by_hand_is_shown(drifted: Run, drift: Drift) -> None:
    (row,) = [row for row in drifted.plan["rows"] if (row["kind"], row["name"]) == (drift.kind, drift.name)]
    assert row["action"] == drift.action
    changed = [one["attribute"] for one in row["changes"]]
    assert drift.attribute is None or any(f"{one}.".startswith(f"{drift.attribute}.") for one in changed)


def test_nothing_else_is_shown(drifted: Run) -> None:
    # The subnet that was deleted is missing in its route table too.
    known = {(drift.kind, drift.name) for drift in DRIFTS}
    assert {(row["kind"], row["name"]) for row in drifted.plan["rows"] if row["action"] != "report"} == known


def test_a_plan_that_is_told_to_fails(drifted: Run) -> None:
    assert drifted.status == 2
    assert f"There are {drifted.plan['changes']} changes to make." in drifted.output


@pytest.mark.parametrize("drift", DRIFTS, ids=[drift.what for drift in DRIFTS])
def test_what_is_done_by_hand_is_mended(controller: Controller, mended: Run, drift: Drift) -> None:
    assert mended.status == 0, mended.output
    assert drift.mended(controller.account)


def test_who_provisions_may_mend_all_but_the_boundary(
    controller: Controller, bounded: dict[str, str], mended: Run
) -> None:
    missing = Rights(controller.account, bounded).missing(policies(controller.account, "provisioner"), mended.calls)
    assert {resource for _action, resource in missing} == {f"{IAM}:policy/{NAME}-boundary"}
    assert {action for action, _resource in missing} >= {"iam:CreatePolicyVersion"}


def test_then_there_is_nothing_to_do_even_without_the_secrets(at_last: Run) -> None:
    """In a run that would do it: the plan has nothing, and nothing is changed."""
    assert at_last.status == 0, at_last.output
    assert [row for row in at_last.plan["rows"] if row["action"] != "report"] == []
    assert at_last.changed() == 0


def test_what_others_made_is_told_of_and_left(controller: Controller, at_last: Run, foreign: dict[str, str]) -> None:
    assert at_last.rows("report") == {
        ("subnet", foreign["subnet"]),
        ("security group", "theirs"),
        ("parameter", "/popcon/EXTRA"),
    }
    assert controller.account.ec2.describe_subnets(SubnetIds=[foreign["subnet"]])["Subnets"]
    assert controller.account.ssm.get_parameter(Name="/popcon/EXTRA")


def test_a_secret_that_exists_is_neither_overwritten_nor_compared(
    controller: Controller, mended: Run, secret: str
) -> None:
    found = controller.account.ssm.get_parameter(Name="/popcon/DB_PASSWORD", WithDecryption=True)["Parameter"]
    assert (found["Value"], found["Version"]) == (secret, 2)


def test_a_secret_is_overwritten_if_it_is_asked_for_by_name(controller: Controller, at_last: Run) -> None:
    before = controller.account.ssm.get_parameter(Name="/popcon/DB_USERNAME")["Parameter"]["Version"]
    run = controller("--tags", "parameters", "-vvvv", ssm_parameters_replace=["DB_PASSWORD"])
    assert run.status == 0, run.output
    assert run.rows("update") == {("parameter", "/popcon/DB_PASSWORD")}
    found = controller.account.ssm.get_parameter(Name="/popcon/DB_PASSWORD", WithDecryption=True)["Parameter"]
    assert found["Value"] == CANARIES["POPCON_DB_PASSWORD"]
    assert controller.account.ssm.get_parameter(Name="/popcon/DB_USERNAME")["Parameter"]["Version"] == before
    assert_no_canary(run)


def test_no_secret_is_shown(planned: Run, applied: Run, mended: Run) -> None:
    for run in (planned, applied, mended):
        assert_no_canary(run)


@pytest.mark.thorough
def test_no_secret_is_shown_when_it_fails(controller: Controller, at_last: Run) -> None:
    """Nor what is there as a plain setting though it should be a secret."""
    account = controller.account
    account.ssm.delete_parameter(Name="/popcon/DB_ROOT_PASSWORD")
    account.ssm.put_parameter(Name="/popcon/DB_ROOT_PASSWORD", Value="plain-canary", Type="String")
    run = controller("--tags", "parameters", "-vvvv")
    assert run.status == 2
    assert "The parameter /popcon/DB_ROOT_PASSWORD is there already" in run.output
    assert "plain-canary" not in run.output
    assert_no_canary(run)
    account.ssm.delete_parameter(Name="/popcon/DB_ROOT_PASSWORD")


@pytest.mark.thorough
def test_a_secret_without_a_value_is_named_before_anything_is_changed(controller: Controller, at_last: Run) -> None:
    run = controller("--tags", "parameters", without=("POPCON_DB_ROOT_PASSWORD",))
    assert run.status == 2
    assert "The parameter /popcon/DB_ROOT_PASSWORD has no value to be made with" in run.output
    assert run.changed() == 0


@pytest.mark.thorough
def test_without_who_provisions_there_is_no_boundary(controller: Controller, at_last: Run) -> None:
    run = controller("--tags", "access", iam_access_provisioner_subjects=[])
    assert run.status == 0, run.output
    assert run.rows("delete") == {("role", f"{NAME}-provisioner"), ("managed policy", f"{NAME}-boundary")}
    assert boundaries(controller.account) == {}


def assert_no_canary(run: Run) -> None:
    for canary in CANARIES.values():
        for written in (canary, json.dumps(canary)[1:-1], canary.replace("'", "''")):
            assert written not in run.output
            assert written not in json.dumps(run.plan)
    assert "canary-" not in run.output


def test_teardown_wants_a_confirmation(controller: Controller, at_last: Run) -> None:
    run = controller(provision_state="absent", provision_confirm="popcon-prod")
    assert run.status == 2
    assert f"say -e provision_confirm={NAME}" in run.output
    assert run.plan == {}
    assert controller.account.vpc()


@pytest.fixture(scope="module")
def blocked(controller: Controller, foreign: dict[str, str], at_last: Run) -> Run:
    return controller(provision_state="absent", provision_confirm=NAME)


@pytest.mark.thorough
def test_teardown_stops_before_anything_if_something_is_in_the_way(
    controller: Controller, foreign: dict[str, str], blocked: Run
) -> None:
    assert blocked.status == 2
    assert f"The subnet {foreign['subnet']} has no tag ManagedBy, and is in the way" in blocked.output
    assert blocked.changed() == 0
    assert controller.account.instance(1)


@pytest.mark.thorough
def test_teardown_removes_all_of_ours_and_nothing_else(
    controller: Controller, foreign: dict[str, str], blocked: Run
) -> None:
    account = controller.account
    account.ec2.delete_subnet(SubnetId=foreign["subnet"])
    account.ec2.delete_security_group(GroupId=foreign["security group"])
    account.s3.create_bucket(Bucket="theirs", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    account.iam.create_role(RoleName="theirs", AssumeRolePolicyDocument="{}")
    # It lets nobody in without TLS, which the emulator has not.
    account.s3.delete_bucket_policy(Bucket=f"{NAME}-transfer")
    # Nor can it schedule the deletion of a key by its ARN, as amazon.aws.kms_key does it.
    run = controller(provision_state="absent", provision_confirm=NAME, ssm_parameters_key_alias="alias/aws/ssm")
    assert run.status == 0, run.output
    assert run.rows("delete") == blocked.rows("delete") - {("key", f"alias/{NAME}")} != blocked.rows("delete")
    assert run.rows("create") == run.rows("update") == set()
    assert all(vpc["IsDefault"] for vpc in account.ec2.describe_vpcs()["Vpcs"])
    assert account.instances(f"{NAME}-1") + account.instances(f"{NAME}-2") == []
    assert [bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]] == ["theirs"]
    assert [role["RoleName"] for role in account.iam.list_roles()["Roles"]] == ["theirs"]
    assert account.iam.list_instance_profiles()["InstanceProfiles"] == []
    assert [policy["PolicyName"] for policy in account.iam.list_policies(Scope="Local")["Policies"]] == ["all"]
    assert account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    assert account.ecr.describe_repositories()["repositories"] == []
    assert [one["Name"] for one in account.parameters()] == ["/popcon/EXTRA"]


def test_a_part_that_does_not_exist_is_refused(controller: Controller) -> None:
    run = controller("--check", "--tags", "hots")
    assert run.status == 2
    assert "The tags are: network, repositories, parameters, access, hosts." in run.output


def test_another_account_is_refused(controller: Controller) -> None:
    run = controller("--check", provision_account="999999999999")
    assert run.status == 2
    assert "The credentials are those of the account 123456789012, and the inventory is for 999999999999" in run.output
