"""What the lab reads of moto's state: instances, principals, policies, and a little that it puts right in moto. All use of
moto's private API is in this file.

**Instance and container.** An instance *is* the container whose address is the instance's private address: seeding
calls ``RunInstances`` with ``PrivateIpAddress=<address of the container in popcon-lab>``, which moto keeps; and where
the account begins empty, ``instances.py`` makes the container for the instance. No tag and nothing in the host knows of
it. A container that comes back with another address is, to the account, an instance that lost its connection.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ecr.models import ecr_backends
from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.ssm.models import Parameter, ssm_backends
from moto.sts.models import sts_backends

#: What Debian tells everybody in Parameter Store: the newest image of the release that the hosts here are.
DEBIAN_IMAGE = ("/aws/service/debian/release/13/latest/amd64", "ami-00000000000000013")

# To moto a Deny denies whatever its conditions say. `auth.Authorizer` asks the buckets' policies instead.
FakeBucket.get_permission = lambda *_dummy: PermissionResult.NEUTRAL


@dataclass(frozen=True)
class Instance:
    """An EC2 instance; ``role`` is the name of its instance profile's role, if it has one."""

    id: str
    private_ip: str
    state: str
    role: str | None
    tags: dict[str, str]
    image_id: str
    type: str
    zone: str

    @property
    def running(self) -> bool:
        """Whether it is neither starting nor stopping, nor stopped, nor gone."""
        return self.state == "running"


@dataclass(frozen=True)
class Key:
    """An access key's other half and whose it is. ``expires``: seconds since 1970, None for a user's key."""

    secret: str
    arn: str
    token: str | None = None
    expires: float | None = None


class Backends:
    """moto's state of one account; EC2 in one region."""

    def __init__(self, account_id: str, region: str) -> None:
        self.account_id = account_id
        self.region = region

    @property
    def _iam(self) -> Any:
        return iam_backends[self.account_id]["aws"]

    def instances(self) -> list[Instance]:
        """All instances, terminated ones too."""
        backend = ec2_backends[self.account_id][self.region]
        return [self._instance(backend, instance) for instance in backend.all_instances()]

    def key(self, access_key_id: str) -> Key | None:
        """The key of this id if it is a user's active one or that of an assumed role."""
        for user in list(self._iam.users.values()):
            for key in user.access_keys:
                if key.access_key_id == access_key_id and key.status == "Active":
                    return Key(key.secret_access_key, user.arn)
        role = sts_backends[self.account_id]["aws"].get_assumed_role_from_access_key(access_key_id)
        if role is None:
            return None
        expires = role.expiration.replace(tzinfo=role.expiration.tzinfo or datetime.timezone.utc)
        return Key(role.secret_access_key, role.arn, role.session_token, expires.timestamp())

    def policies(self, arn: str) -> list[str]:
        """The policy documents (JSON) attached to a user, its groups, or an assumed role; none for anybody else."""
        kind, _dummy, rest = arn.rsplit(":", 1)[-1].partition("/")
        if kind == "assumed-role" and (role := self._role(rest.split("/")[0])) is not None:
            return [*role.policies.values(), *_managed(role)]
        if kind == "user" and (user := self._iam.users.get(rest.rsplit("/", 1)[-1])) is not None:
            groups = [group for group in list(self._iam.groups.values()) if user in group.users]
            return [document for owner in (user, *groups) for document in (*owner.policies.values(), *_managed(owner))]
        return []

    def bucket_policies(self, resource: str) -> list[str]:
        """The policy document (JSON) of the bucket that an ARN is of or in, if that has one."""
        service, _dummy, path = resource.removeprefix("arn:aws:").partition(":::")
        bucket = s3_backends[self.account_id]["aws"].buckets.get(path.partition("/")[0]) if service == "s3" else None
        return [bucket.policy.decode()] if bucket is not None and bucket.policy else []

    def is_session_document(self, name: str) -> bool:
        """Whether there is a document of this name by which shell sessions can be started."""
        documents = ssm_backends[self.account_id][self.region]._documents.get(name)
        if documents is None:
            return False
        document = documents.get_default_version()
        content = json.loads(document.content) if document.document_type == "Session" else {}
        return bool(content.get("sessionType") == "Standard_Stream")

    def has_repository(self, name: str) -> bool:
        """Whether ECR has a repository of this name."""
        return name in ecr_backends[self.account_id][self.region].repositories

    def publish_image(self) -> None:
        """Have the parameter of `DEBIAN_IMAGE`, which moto, unlike those of Amazon Linux, has not."""
        name, image = DEBIAN_IMAGE
        parameter = Parameter(
            account_id=self.account_id, name=name, value=image, parameter_type="String", description=None,
            allowed_pattern=None, keyid=None, last_modified_date=datetime.datetime.now(datetime.timezone.utc),
            version=1, data_type="text",
        )  # fmt: skip
        ssm_backends[self.account_id][self.region]._parameters[name].append(parameter)

    def _role(self, name: str) -> Any:
        return next((role for role in list(self._iam.roles.values()) if role.name == name), None)

    def _instance(self, backend: Any, instance: Any) -> Instance:
        association = backend.iam_instance_profile_associations.get(instance.id)
        roles = association.iam_instance_profile.roles if association else []
        return Instance(
            id=instance.id,
            private_ip=instance.private_ip,
            state=instance.state,
            role=roles[0].name if roles else None,
            tags={tag["key"]: tag["value"] for tag in instance.get_tags()},
            image_id=instance.image_id,
            type=instance.instance_type,
            zone=instance.placement.zone,
        )


def _managed(owner: Any) -> list[str]:
    return [
        version.document
        for policy in owner.managed_policies.values()
        for version in policy.versions
        if version.version_id == policy.default_version_id
    ]
