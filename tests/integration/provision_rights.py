"""Which rights calls need that were recorded, by AWS's Service Authorization Reference, and which of them policies don't give."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import typing as t

from lab.account.policy import allows

from .emulators import REGION
from .provision_drifts import NAME, Account

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
#: Service, operation and parameters.
Call = tuple[str, str, dict]
#: Action, resource, and the context it is decided in.
Right = tuple[str, str, dict[str, str]]

#: Where an action is not called as the operation.
S3_ACTIONS = {
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBuckets": "ListAllMyBuckets",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
EC2_TYPES = {
    "vpc": "vpc",
    "subnet": "subnet",
    "rtb": "route-table",
    "igw": "internet-gateway",
    "sg": "security-group",
    "i": "instance",
}
#: What iam needs besides, to tag what it makes.
IAM_TAGGING = {
    "CreateRole": "TagRole", "CreateInstanceProfile": "TagInstanceProfile", "CreatePolicy": "TagPolicy",
    "CreateOpenIDConnectProvider": "TagOpenIDConnectProvider",
}  # fmt: skip


class Rights:
    """What calls needed, in an account as it is now; the boundaries of roles as they were before the calls."""

    def __init__(self, account: Account, boundaries: dict[str, str]) -> None:
        self._account = account
        self._boundaries = dict(boundaries)
        tags = account.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["ManagedBy"]}])["Tags"]
        self._owners = {tag["ResourceId"]: tag["Value"] for tag in tags}

    def missing(self, documents: list[str], calls: list[Call]) -> set[tuple[str, str]]:
        """The actions and resources that these policies don't allow."""
        needed = [
            right for service, operation, params in calls for right in getattr(self, f"_{service}")(operation, params)
        ]
        assert needed
        return {
            (action, resource)
            for action, resource, context in needed
            if not allows(documents, action, resource, {key.lower(): value for key, value in context.items()})[0]
        }

    def _sts(self, operation: str, _params: dict) -> t.Iterator[Right]:
        """Everybody may know who he is."""
        assert operation == "GetCallerIdentity"
        yield from ()

    def _ec2(self, operation: str, params: dict) -> t.Iterator[Right]:
        if operation.startswith("Describe"):
            yield f"ec2:{operation}", "*", {}
            return
        arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
        named = set(re.findall(r'"((?:vpc|subnet|rtb|igw|sg|i)-[0-9a-f]+)"', json.dumps(params)))
        if operation == "DisassociateVpcCidrBlock":
            named.add(self._account.vpc())
        for one in named:
            yield f"ec2:{operation}", f"{arn}:{EC2_TYPES[one.partition('-')[0]]}/{one}", self._tagged(self._owners[one])
        for made in params.get("TagSpecifications", []):
            (owner,) = [tag["Value"] for tag in made["Tags"] if tag["Key"] == "ManagedBy"]
            new = f"{arn}:{made['ResourceType']}/new"
            yield f"ec2:{operation}", new, {"aws:RequestTag/ManagedBy": owner}
            yield "ec2:CreateTags", new, {"aws:RequestTag/ManagedBy": owner, "ec2:CreateAction": operation}
        if operation == "RunInstances":
            yield f"ec2:{operation}", f"{arn}:network-interface/new", {}
            yield f"ec2:{operation}", f"arn:aws:ec2:{REGION}::image/{params['ImageId']}", {}
            yield "iam:PassRole", f"{IAM}:role/{params['IamInstanceProfile']['Arn'].rpartition('/')[2]}", {}

    @staticmethod
    def _tagged(owner: str) -> dict[str, str]:
        return {"aws:ResourceTag/ManagedBy": owner}

    def _iam(self, operation: str, params: dict) -> t.Iterator[Right]:
        role, profile = params.get("RoleName"), params.get("InstanceProfileName")
        context = {}
        if profile:
            resource = f"{IAM}:instance-profile/{profile}"
        elif role:
            resource = f"{IAM}:role/{role}"
            if "PermissionsBoundary" in params:
                self._boundaries[role] = params["PermissionsBoundary"]
            context = {"iam:PermissionsBoundary": self._boundaries[role]} if role in self._boundaries else {}
        elif "Url" in params:
            resource = f"{IAM}:oidc-provider/{params['Url'].partition('://')[2]}"
        elif "PolicyName" in params:
            resource = f"{IAM}:policy/{params['PolicyName']}"
        else:
            resource = params.get("PolicyArn") or params.get("OpenIDConnectProviderArn") or "*"
        yield f"iam:{operation}", resource, context
        if operation in IAM_TAGGING:
            yield f"iam:{IAM_TAGGING[operation]}", resource, {}
        if operation == "AddRoleToInstanceProfile":
            yield "iam:PassRole", f"{IAM}:role/{role}", {}

    def _kms(self, operation: str, params: dict) -> t.Iterator[Right]:
        if operation == "CreateKey":
            (owner,) = [tag["TagValue"] for tag in params["Tags"] if tag["TagKey"] == "ManagedBy"]
            for action in ("CreateKey", "TagResource"):
                yield f"kms:{action}", "*", {"aws:RequestTag/ManagedBy": owner}
            return
        if operation == "CreateAlias":
            yield "kms:CreateAlias", f"arn:aws:kms:{REGION}:{ACCOUNT}:{params['AliasName']}", {}
        key = params.get("KeyId") or params.get("TargetKeyId")
        yield f"kms:{operation}", *(self._key(key) if key else ("*", {}))

    def _key(self, name: str) -> tuple[str, dict[str, str]]:
        try:
            arn = self._account.kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"]
        except self._account.kms.exceptions.NotFoundException:
            # Looked for before it was made.
            return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/none", {}
        tags = self._account.kms.list_resource_tags(KeyId=arn)["Tags"]
        return arn, self._tagged(next(tag["TagValue"] for tag in tags if tag["TagKey"] == "ManagedBy"))

    def _ssm(self, operation: str, params: dict) -> t.Iterator[Right]:
        if operation == "DescribeParameters":
            yield f"ssm:{operation}", "*", {}
            return
        names = params.get("Names") or [params.get("Name") or params["ResourceId"]]
        is_document = "Document" in operation or params.get("ResourceType") == "Document"
        for name in names:
            place = "" if name.startswith("/aws/") else ACCOUNT
            resource = f"arn:aws:ssm:{REGION}:{place}:" + (f"document/{name}" if is_document else f"parameter{name}")
            yield f"ssm:{operation}", resource, {}
            if "Tags" in params and operation != "AddTagsToResource":
                yield "ssm:AddTagsToResource", resource, {}
        if params.get("Type") == "SecureString":
            arn, context = self._key(params["KeyId"])
            yield "kms:Encrypt", arn, {**context, "kms:ViaService": f"ssm.{REGION}.amazonaws.com"}

    def _ecr(self, operation: str, params: dict) -> t.Iterator[Right]:
        name = params.get("repositoryName") or params.get("resourceArn", "").partition("/")[2]
        for one in params.get("repositoryNames") or [name]:
            resource = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{one}"
            yield f"ecr:{operation}", resource, {}
            if operation == "CreateRepository":
                yield "ecr:TagResource", resource, {}

    def _s3(self, operation: str, params: dict) -> t.Iterator[Right]:
        yield f"s3:{S3_ACTIONS.get(operation, operation)}", f"arn:aws:s3:::{params['Bucket']}" if params else "*", {}


def boundaries(account: Account) -> dict[str, str]:
    """The boundaries that roles have, by their names."""
    names = [role["RoleName"] for role in account.iam.list_roles()["Roles"] if role["RoleName"].startswith(NAME)]
    roles = [account.iam.get_role(RoleName=name)["Role"] for name in names]
    return {
        role["RoleName"]: role["PermissionsBoundary"]["PermissionsBoundaryArn"]
        for role in roles
        if "PermissionsBoundary" in role
    }
