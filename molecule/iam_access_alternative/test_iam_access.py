"""All roles there can be, one of which was there with too many rights."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

CI = {"shop-builder", "shop-deployer", "shop-planner", "shop-provisioner"}
OWN_TAGS = {"Team": "web", "ManagedBy": "popcon.deploy/shop"}


def test_all_roles_are_ours(aws, tags):
    iam = aws("iam")
    names = {role["RoleName"] for role in iam.list_roles()["Roles"]} - {"operators"}
    assert names == {"shop-host", "shop-rotation", *CI}
    for name in names:
        role = iam.get_role(RoleName=name)["Role"]
        assert tags(role["Tags"]) == OWN_TAGS
        assert role["MaxSessionDuration"] == (7200 if name in CI else 3600)
        # What the provisioner makes can do no more than it was made for.
        assert ("PermissionsBoundary" in role) == (name not in ("shop-planner", "shop-provisioner"))


def test_the_hosts_lost_what_is_not_theirs(aws):
    iam = aws("iam")
    assert iam.list_role_policies(RoleName="shop-host")["PolicyNames"] == ["host"]
    text = json.dumps(iam.get_role_policy(RoleName="shop-host", PolicyName="host")["PolicyDocument"])
    for part in ("parameter/shared", "parameter/shop", "parameter/deploy/GIT_TOKEN", "repository/shop-app"):
        assert part in text
    key = aws("kms").describe_key(KeyId="alias/shop-secrets")["KeyMetadata"]["Arn"]
    assert key in text


def test_github_gets_in_with_the_subjects_and_no_others(aws):
    iam = aws("iam")
    (provider,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    for name, subject in (
        ("shop-builder", "repo:shop/frontend:environment:prod"),
        ("shop-planner", "repo:shop/infra:pull_request"),
        ("shop-provisioner", "repo:shop/infra:environment:prod"),
        ("shop-deployer", "repo:shop/gitops:environment:prod"),
    ):
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        (github,) = (statement for statement in trust if "Federated" in statement["Principal"])
        assert github["Principal"]["Federated"] == [provider["Arn"]]
        subjects = github["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        assert subjects == [subject]
    people = [statement for statement in trust if "AWS" in statement["Principal"]]
    assert people[0]["Principal"]["AWS"] == ["arn:aws:iam::123456789012:role/operators"]


def test_the_deployer_has_this_bucket_and_document(aws):
    text = json.dumps(aws("iam").get_role_policy(RoleName="shop-deployer", PolicyName="deployer")["PolicyDocument"])
    assert "shop-passing-through" in text and "document/shop-shell" in text
