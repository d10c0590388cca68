"""A lab whose account is empty, and its administrator."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.popcon.deploy.tests.e2e.controller import Controller, Run, python_m_lab
from ansible_collections.popcon.deploy.tests.integration.builder import serve_builder

from lab import config, seed

INVENTORY = ("-i", "inventories/lab")
#: What nobody made, and every account has.
DEFAULTS = ("default", "alias/aws/", "/aws/")


class Administrator(Controller):
    """Somebody with an administrator's keys, an inventory, and a docker command that has buildx.

    :param docker_config: a folder for DOCKER_CONFIG.
    """

    def __init__(self, docker_config: str) -> None:
        self._docker_config = docker_config

    def provision(self, *arguments: str) -> Run:
        """Bring the account to what the inventory says."""
        return self.playbook("playbooks/provision.yml", *INVENTORY, *arguments)

    def build(self) -> Run:
        """Build and push the images of the application."""
        return self.playbook("playbooks/build.yml", *INVENTORY, env={"DOCKER_CONFIG": self._docker_config})

    def take(self, role: str) -> dict[str, str]:
        """The environment of somebody who took a role."""
        arn = f"arn:aws:iam::{config.ACCOUNT}:role/{role}"
        taken = seed.client("sts").assume_role(RoleArn=arn, RoleSessionName="somebody")["Credentials"]
        names = {
            "AccessKeyId": "ACCESS_KEY_ID",
            "SecretAccessKey": "SECRET_ACCESS_KEY",
            "SessionToken": "SESSION_TOKEN",
        }
        return {f"AWS_{name}": taken[key] for key, name in names.items()}

    def deploy_as(self, role: str, *arguments: str) -> Run:
        """Deploy with nothing but what a role may do."""
        return self.playbook("playbooks/deploy.yml", *INVENTORY, *arguments, env=self.take(role))

    def account(self) -> set[str]:
        """All that is in the account, by name."""
        ec2, iam, ssm, kms = (seed.client(service) for service in ("ec2", "iam", "ssm", "kms"))
        documents = ssm.list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])["DocumentIdentifiers"]
        aliases = {alias.get("TargetKeyId"): alias["AliasName"] for alias in kms.list_aliases()["Aliases"]}
        keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
        names = [
            *(host["id"] for host in seed.instances()),
            *(vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]),
            *(group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]),
            *(role["RoleName"] for role in iam.list_roles()["Roles"]),
            *(user["UserName"] for user in iam.list_users()["Users"]),
            *(profile["InstanceProfileName"] for profile in iam.list_instance_profiles()["InstanceProfiles"]),
            *(bucket["Name"] for bucket in seed.client("s3").list_buckets()["Buckets"]),
            *(one["repositoryName"] for one in seed.client("ecr").describe_repositories()["repositories"]),
            *(one["Name"] for one in ssm.get_paginator("describe_parameters").paginate().search("Parameters[]")),
            *(document["Name"] for document in documents),
            *(aliases.get(key["KeyId"], key["KeyId"]) for key in keys if key["KeyState"] != "PendingDeletion"),
        ]
        return {name for name in names if not name.startswith(DEFAULTS)}


@pytest.fixture(scope="session")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administrator]:
    """A lab with nothing in its account, taken down at the end."""
    python_m_lab("down")
    python_m_lab("up", "--empty")
    # Of the builder only its docker command is used: the registry is the lab's.
    with serve_builder(tmp_path_factory.mktemp("builder")) as builder:
        yield Administrator(str(builder.config))
    python_m_lab("down")
