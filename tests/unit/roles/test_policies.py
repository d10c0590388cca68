"""Every policy that the roles come with: what it may hold at most, and what it allows and denies by the lab's evaluation."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._provision.iam_policy import fill
from ansible_collections.popcon.deploy.plugins.modules import provision_plan

from lab.account.policy import allows

ROLES = Path(provision_plan.__file__).parents[2] / "roles"
FILES = sorted(path for path in ROLES.glob("*/files/*.json") if '"Statement"' in path.read_text())
REGION, ACCOUNT, NAME, KEY = (
    "ap-northeast-2",
    "123456789012",
    "popcon-dev",
    "arn:aws:kms:ap-northeast-2:123456789012:key/1",
)
VALUES: dict[str, str | list[str]] = {
    "NAME": NAME, "OWNER": f"popcon.deploy/{NAME}", "REGION": REGION, "ACCOUNT": ACCOUNT, "KEY": [KEY],
    "PATHS": ["/popcon"], "SINGLE_PARAMETERS": ["/popcon-deploy/GIT_TOKEN"], "PATH": "popcon", "PENDING": "popcon-rotation",
    "REPOSITORIES": ["dev-app"], "BUCKET": f"{NAME}-transfer", "DOCUMENT": f"{NAME}-session",
    "SUBJECTS": ["repo:org/gitops:environment:dev"], "PRINCIPALS": [], "KEY_ALIAS": f"alias/{NAME}",
    "BOUNDED_ROLES": [f"{NAME}-{role}" for role in ("host", "rotation", "builder", "deployer")],
    "ROLES": [f"{NAME}-{role}" for role in ("host", "rotation", "builder", "deployer", "planner", "provisioner")],
}  # fmt: skip

#: Statements that may have the resource *, and why.
EVERYWHERE = {
    "Agent": "the agent's actions know no resources",
    "RegistryToken": "ecr:GetAuthorizationToken knows no resources; what can be pulled or pushed is in a statement of its own",
    "FindHosts": "ec2:DescribeInstances and ssm:DescribeInstanceInformation know no resources",
    "LookAround": "what describes and lists knows no resources",
    "MakeTheKey": "one that isn't there has no name: it must be made with the owner tag, and no other key can be given a policy or removed",
}
#: What AWS has for everybody, in no account.
EVERYBODYS = (f"arn:aws:ec2:{REGION}::image/*", f"arn:aws:ssm:{REGION}::parameter/aws/service/*")
NEEDS_THE_OWNER_TAG = (
    {"aws:ResourceTag/ManagedBy": [f"popcon.deploy/{NAME}"]},
    {"aws:RequestTag/ManagedBy": [f"popcon.deploy/{NAME}"]},
)


def document(name: str) -> dict:
    """A policy, filled in."""
    (path,) = [path for path in FILES if f"{path.parts[-3]}/{path.stem}" == name]
    return fill(path.read_text(), VALUES)


def statements(path: Path) -> list[dict]:
    return fill(path.read_text(), VALUES)["Statement"]


ALL = [(path, one) for path in FILES for one in statements(path)]
IDS = [f"{path.parts[-3]}/{path.stem}-{one['Sid']}" for path, one in ALL]


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_all_policies_are_found() -> None:
    assert [f"{path.parts[-3]}/{path.stem}" for path in FILES] == [
        "app_hosts/bucket_policy", "iam_access/builder", "iam_access/ci_trust", "iam_access/deployer", "iam_access/host",
        "iam_access/host_trust", "iam_access/planner", "iam_access/provisioner", "iam_access/rotation_trust", "secret_rotation/policy",
    ]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_policy_is_one_that_iam_takes(path: Path) -> None:
    raw, filled = json.loads(path.read_text()), fill(path.read_text(), VALUES)
    assert filled["Version"] == "2012-10-17"
    sids = [one["Sid"] for one in raw["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids)
    assert "${" not in json.dumps(filled).replace("${aws:", "")
    # The limit of an inline policy of a role, spaces not counted.
    assert len(json.dumps(filled, separators=(",", ":"))) < 10240


@pytest.mark.parametrize(("path", "one"), ALL, ids=IDS)
def test_a_statement_is_no_wider_than_it_has_to_be(path: Path, one: dict) -> None:
    assert {"NotAction", "NotResource", "NotPrincipal"} & one.keys() == set()
    if one["Effect"] == "Deny":
        return
    actions = as_list(one["Action"])
    assert [action for action in actions if "*" in action or "?" in action] == []
    for resource in as_list(one.get("Resource", [])):
        if one["Sid"] in EVERYWHERE:
            assert resource == "*"
            continue
        if resource in EVERYBODYS:
            continue
        assert resource != "*"
        # A * may end a path, and stand for an instance that a condition narrows; never for a service, an account or a name.
        service, _dummy, name = resource.partition(f"{ACCOUNT}:")
        assert "*" not in service.removeprefix("arn:aws:s3:::popcon-dev-transfer/i-*").replace("arn:aws:s3:::", "")
        assert "*" not in name.removesuffix("*").removesuffix("-")
    principals = [who for kind in one.get("Principal", {}).values() for who in as_list(kind)]
    assert [who for who in principals if "*" in who or who.endswith(":root")] == []


def test_instances_may_be_named_by_a_star_only_where_their_mark_is_looked_at() -> None:
    starred = [
        one
        for _dummy, one in ALL
        if any(r.endswith((":instance/*", f":{ACCOUNT}:*")) for r in as_list(one.get("Resource", [])))
    ]
    assert starred
    for one in starred:
        (looked_at,) = one["Condition"].values()
        # A tag that is given as something is made.
        assert looked_at in NEEDS_THE_OWNER_TAG or set(looked_at) == {"ec2:CreateAction"}


def test_keys_are_used_through_parameter_store_only_and_for_own_parameters() -> None:
    using = [one for _dummy, one in ALL if "kms:Decrypt" in as_list(one["Action"]) and one["Effect"] == "Allow"]
    assert len(using) == 2
    for one in using:
        assert one["Resource"] == [KEY]
        assert one["Condition"]["StringEquals"] == {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"}
        assert set(one["Condition"]) == {"StringEquals", "StringLike"}
        assert all(
            ":parameter/popcon" in arn for arn in one["Condition"]["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"]
        )


def test_ci_is_known_by_its_whole_subject_and_audience() -> None:
    (one,) = document("iam_access/ci_trust")["Statement"]
    assert one["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": ["sts.amazonaws.com"],
            "token.actions.githubusercontent.com:sub": ["repo:org/gitops:environment:dev"],
        }
    }


def test_only_the_hosts_may_take_the_rotation_role_and_only_ec2_theirs() -> None:
    (rotation,) = document("iam_access/rotation_trust")["Statement"]
    (host,) = document("iam_access/host_trust")["Statement"]
    assert rotation["Principal"] == {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/{NAME}-host"]}
    assert host["Principal"] == {"Service": ["ec2.amazonaws.com"]}


SSM = f"arn:aws:ssm:{REGION}:{ACCOUNT}"
OWN = {"aws:ResourceTag/ManagedBy": f"popcon.deploy/{NAME}"}
ME, SESSION = {"aws:userid": "AROA:me"}, "ssm:resourceTag/aws:ssmmessages:session-id"
DECRYPT = {
    "kms:ViaService": f"ssm.{REGION}.amazonaws.com",
    "kms:EncryptionContext:PARAMETER_ARN": f"{SSM}:parameter/popcon/X",
}
CASES: list[tuple[str, str, str, dict[str, str], bool]] = [
    ("iam_access/host", "ssm:GetParametersByPath", f"{SSM}:parameter/popcon", {}, True),
    ("iam_access/host", "ssm:GetParameter", f"{SSM}:parameter/popcon/DB_PASSWORD", {}, True),
    ("iam_access/host", "ssm:GetParameter", f"{SSM}:parameter/popcon-deploy/GIT_TOKEN", {}, True),
    ("iam_access/host", "ssm:GetParameter", f"{SSM}:parameter/popcon-deploy/OTHER", {}, False),
    ("iam_access/host", "ssm:GetParameter", f"{SSM}:parameter/popcon-rotation/DB_PASSWORD", {}, False),
    ("iam_access/host", "ssm:GetParameterHistory", f"{SSM}:parameter/popcon/DB_PASSWORD", {}, False),
    ("iam_access/host", "ssm:PutParameter", f"{SSM}:parameter/popcon/DB_PASSWORD", {}, False),
    ("iam_access/host", "ssm:DeleteParameter", f"{SSM}:parameter/popcon/DB_PASSWORD", {}, False),
    ("iam_access/host", "kms:Decrypt", KEY, DECRYPT, True),
    ("iam_access/host", "kms:Decrypt", KEY, {}, False),
    ("iam_access/host", "kms:Encrypt", KEY, DECRYPT, False),
    ("iam_access/host", "ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/dev-app", {}, True),
    ("iam_access/host", "ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/prod-app", {}, False),
    ("iam_access/host", "ecr:PutImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/dev-app", {}, False),
    ("iam_access/host", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/{NAME}-rotation", {}, True),
    ("iam_access/host", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/{NAME}-deployer", {}, False),
    ("iam_access/host", "s3:GetObject", f"arn:aws:s3:::{NAME}-transfer/i-1/x", {}, False),
    ("iam_access/deployer", "ssm:StartSession", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", OWN, True),
    ("iam_access/deployer", "ssm:StartSession", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", {}, False),
    ("iam_access/deployer", "ssm:StartSession", f"{SSM}:document/{NAME}-session", {}, True),
    ("iam_access/deployer", "ssm:StartSession", f"{SSM}:document/AWS-StartPortForwardingSession", {}, False),
    ("iam_access/deployer", "ssm:TerminateSession", f"{SSM}:session/me-1", {**ME, SESSION: "AROA:me"}, True),
    ("iam_access/deployer", "ssm:TerminateSession", f"{SSM}:session/me-1", {**ME, SESSION: "AROB:me"}, False),
    ("iam_access/deployer", "s3:PutObject", f"arn:aws:s3:::{NAME}-transfer/i-1/x", {}, True),
    ("iam_access/deployer", "s3:PutObject", "arn:aws:s3:::popcon-prod-transfer/i-1/x", {}, False),
    ("iam_access/deployer", "ssm:GetParameter", f"{SSM}:parameter/popcon/DB_PASSWORD", {}, False),
    ("iam_access/deployer", "ssm:GetParametersByPath", f"{SSM}:parameter/popcon", {}, False),
    ("iam_access/deployer", "ssm:SendCommand", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", OWN, False),
    ("iam_access/deployer", "kms:Decrypt", KEY, DECRYPT, False),
    ("iam_access/builder", "ecr:PutImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/dev-app", {}, True),
    ("iam_access/builder", "ecr:PutImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/prod-app", {}, False),
    ("iam_access/builder", "ecr:BatchDeleteImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/dev-app", {}, False),
    ("iam_access/builder", "ssm:StartSession", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", OWN, False),
    ("secret_rotation/policy", "ssm:PutParameter", f"{SSM}:parameter/popcon/DB_PASSWORD", {}, True),
    ("secret_rotation/policy", "ssm:DeleteParameter", f"{SSM}:parameter/popcon/DB_PASSWORD", {}, False),
    ("secret_rotation/policy", "ssm:PutParameter", f"{SSM}:parameter/popcon-deploy/GIT_TOKEN", {}, False),
    ("secret_rotation/policy", "kms:Decrypt", KEY, DECRYPT, True),
]


@pytest.mark.parametrize(("policy", "action", "resource", "context", "expected"), CASES)
def test_what_a_policy_allows(
    policy: str, action: str, resource: str, context: t.Mapping[str, str], expected: bool
) -> None:
    lowered = {key.lower(): value for key, value in context.items()}
    assert allows([json.dumps(document(policy))], action, resource, lowered) == (expected, False)


def test_only_who_rotates_or_provisions_writes_a_parameter_and_only_who_provisions_sees_roles() -> None:
    def policies_with(start: str) -> set[str]:
        return {path.stem for path, one in ALL if any(action.startswith(start) for action in as_list(one["Action"]))}

    assert policies_with("ssm:PutParameter") == {"policy", "provisioner"}
    assert policies_with("iam:") == {"planner", "provisioner"}


IAM = f"arn:aws:iam::{ACCOUNT}"
BOUNDARY = f"{IAM}:policy/{NAME}-boundary"
WITHIN = {"iam:PermissionsBoundary": BOUNDARY}
BEYOND = {"iam:PermissionsBoundary": f"{IAM}:policy/other"}
ESCALATIONS: list[tuple[str, str, dict[str, str]]] = [
    # A role without the boundary, or with another.
    ("iam:CreateRole", f"{IAM}:role/{NAME}-host", {}),
    ("iam:CreateRole", f"{IAM}:role/{NAME}-host", BEYOND),
    ("iam:PutRolePolicy", f"{IAM}:role/{NAME}-host", {}),
    ("iam:PutRolePolicy", f"{IAM}:role/{NAME}-host", BEYOND),
    ("iam:PutRolePermissionsBoundary", f"{IAM}:role/{NAME}-host", BEYOND),
    ("iam:DeleteRolePermissionsBoundary", f"{IAM}:role/{NAME}-host", WITHIN),
    # The boundary.
    *((action, BOUNDARY, {}) for action in (
        "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion", "iam:DeletePolicy",
    )),
    # Itself, and who plans.
    *((action, f"{IAM}:role/{NAME}-{role}", WITHIN) for role in ("planner", "provisioner") for action in (
        "iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:DeleteRolePolicy",
        "iam:PutRolePermissionsBoundary", "iam:PassRole",
    )),
    # Others' roles, users, and rights that others have.
    ("iam:CreateRole", f"{IAM}:role/other", WITHIN),
    ("iam:UpdateAssumeRolePolicy", f"{IAM}:role/admin", {}),
    ("iam:UpdateAssumeRolePolicy", f"{IAM}:role/{NAME}-2-host", {}),
    ("iam:PassRole", f"{IAM}:role/admin", {}),
    ("iam:AttachRolePolicy", f"{IAM}:role/{NAME}-host", WITHIN),
    ("iam:CreateUser", f"{IAM}:user/me", {}),
    ("iam:CreateAccessKey", f"{IAM}:user/admin", {}),
    ("iam:AddRoleToInstanceProfile", f"{IAM}:instance-profile/admin", {}),
    ("sts:AssumeRole", f"{IAM}:role/admin", {}),
    # Secrets, and what has another owner.
    ("kms:Decrypt", KEY, {**OWN, **DECRYPT}),
    ("kms:PutKeyPolicy", KEY, OWN),
    ("kms:Encrypt", KEY, DECRYPT),
    ("ssm:PutParameter", f"{SSM}:parameter/other/X", {}),
    ("ssm:SendCommand", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", OWN),
    ("ssm:StartSession", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", OWN),
    ("ec2:CreateTags", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", {"aws:RequestTag/ManagedBy": f"popcon.deploy/{NAME}"}),
    ("ec2:TerminateInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1", {"aws:ResourceTag/ManagedBy": "popcon.deploy/other"}),
    ("ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-1", {"aws:RequestTag/ManagedBy": f"popcon.deploy/{NAME}"}),
    ("s3:PutBucketPolicy", "arn:aws:s3:::other", {}),
]  # fmt: skip


def provisioner() -> list[str]:
    return [json.dumps(document(f"iam_access/{name}")) for name in ("planner", "provisioner")]


@pytest.mark.parametrize(("action", "resource", "context"), ESCALATIONS)
def test_who_provisions_gets_no_more_than_that(action: str, resource: str, context: t.Mapping[str, str]) -> None:
    assert not allows(provisioner(), action, resource, {key.lower(): value for key, value in context.items()})[0]


def test_who_provisions_may_give_roles_what_is_within_the_boundary() -> None:
    lowered = {key.lower(): value for key, value in WITHIN.items()}
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"):
        assert allows(provisioner(), action, f"{IAM}:role/{NAME}-host", lowered) == (True, False)


def test_what_a_role_of_who_provisions_has_fits() -> None:
    """The limit of all inline policies of a role."""
    assert sum(len(json.dumps(json.loads(text), separators=(",", ":"))) for text in provisioner()) < 10240


def test_the_session_document_keeps_nothing() -> None:
    inputs = json.loads((ROLES / "app_hosts/files/session_document.json").read_text())["inputs"]
    assert (inputs["s3BucketName"], inputs["cloudWatchLogGroupName"]) == ("", "")
    assert int(inputs["maxSessionDuration"]) <= 120
