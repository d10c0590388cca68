"""Fills the emulated account: key, role, user, bucket, repository, parameters, an instance for every host container.

What is there stays as it is, so seeding again changes nothing and keeps what tests or people changed. The account lives
in its container's memory: after that container's restart all is made again, with new ids and keys. An account that is to
begin empty gets nothing: then there are an administrator's keys, and the secrets that somebody has who provisions.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from . import policies, state
from .config import (
    BUCKET,
    CONTROLLER_USER,
    ECR_REPOSITORY,
    GIT_TOKEN_PARAMETER,
    HOST_ROLE,
    INSTANCE_TAGS,
    KEY_ALIAS,
    PARAMETER_PATH,
    REGION,
    REGISTRY,
    ROTATION_ROLE,
    SECURE_ENDPOINT_URL,
    SESSION_DOCUMENT,
)
from .console import LabError

#: All that a call of a client may raise; the last for what is not an answer of AWS's at all.
REFUSALS = (BotoCoreError, ClientError, ResponseParserError)


def client(service: str) -> Any:
    """A boto3 client of the lab's account as its administrator; the user's own AWS settings do not matter."""
    known = state.load_secrets()
    return boto3.client(
        service,
        endpoint_url=SECURE_ENDPOINT_URL,
        verify=str(state.TLS / "ca.crt"),
        region_name=REGION,
        aws_access_key_id=known["admin_access_key"],
        aws_secret_access_key=known["admin_secret_key"],
        config=Config(proxies={}, retries={"max_attempts": 2}, connect_timeout=5, read_timeout=30),
    )


def seed(hosts: dict[str, str]) -> dict[str, str]:
    """Make what the account lacks; `hosts`: container name -> address. Returns container name -> instance id."""
    try:
        key_arn = _key()
        _role(HOST_ROLE, policies.HOST_TRUST, policies.host(key_arn))
        _instance_profile()
        _role(ROTATION_ROLE, policies.ROTATION_TRUST, policies.rotation(key_arn))
        _controller()
        _bucket()
        _session_document()
        _ecr_repository()
        _parameters(key_arn)
        return _instances(hosts)
    except REFUSALS as error:
        raise LabError(f"the account refused its seeding: {error}; see: docker logs popcon-lab-account-1") from error


def seed_nothing() -> None:
    """Let a shell be the administrator, with the secrets that `inventories/lab` takes from its environment."""
    known = state.load_secrets()
    secrets = {
        f"POPCON_{name.upper()}": known[name]
        for name in ("db_username", "db_password", "db_root_password", "git_token")
    }
    state.write_env(known["admin_access_key"], known["admin_secret_key"], **secrets)


def instances() -> list[dict[str, str]]:
    """The lab's live instances: `{"id", "name", "address", "state"}` each, by name. Raises one of REFUSALS."""
    filters = [
        {"Name": "tag:App", "Values": [INSTANCE_TAGS["App"]]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    pages = client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    reservations = (reservation for page in pages for reservation in page["Reservations"])
    found = [
        {
            "id": instance["InstanceId"],
            "name": next((tag["Value"] for tag in instance.get("Tags", []) if tag["Key"] == "Name"), ""),
            "address": instance.get("PrivateIpAddress", ""),
            "state": instance["State"]["Name"],
        }
        for reservation in reservations
        for instance in reservation["Instances"]
    ]
    return sorted(found, key=lambda instance: (len(instance["name"]), instance["name"]))


def parameters() -> dict[str, tuple[str, str]]:
    """The guide's table and the git token: name -> (type, value)."""
    known = state.load_secrets()
    table = {
        "ECR_REGISTRY": ("String", REGISTRY),
        "SPRING_PROFILES_ACTIVE": ("String", "prod"),
        "DB_HOST": ("String", "popcon-mysql"),
        "DB_PORT": ("String", "3306"),
        "DB_NAME": ("String", "popcon"),
        "JAVA_OPTS": ("String", "-Xms512m -Xmx512m"),
        "REDIS_HOST": ("String", "popcon-redis"),
        "REDIS_PORT": ("String", "6379"),
        "DB_USERNAME": ("SecureString", known["db_username"]),
        "DB_PASSWORD": ("SecureString", known["db_password"]),
        "DB_ROOT_PASSWORD": ("SecureString", known["db_root_password"]),
    }
    return {
        **{f"{PARAMETER_PATH}/{name}": value for name, value in table.items()},
        GIT_TOKEN_PARAMETER: ("SecureString", known["git_token"]),
    }


def set_parameter(name: str, value: str, path: str = PARAMETER_PATH) -> None:
    """Give a parameter below a path a new value; a new one becomes a String."""
    try:
        client("ssm").put_parameter(Name=f"{path}/{name}", Value=value, Overwrite=True, Type="String")
    except (BotoCoreError, ClientError) as error:
        raise LabError(
            f"the emulated account refused the parameter: {error}; is the lab up? python -m lab status"
        ) from error


def parameters_below(path: str) -> dict[str, str]:
    """The values of the parameters just below a path, by their last names."""
    try:
        pages = client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path, WithDecryption=True)
        return {found["Name"].rpartition("/")[2]: found["Value"] for page in pages for found in page["Parameters"]}
    except REFUSALS as error:
        raise LabError(f"the emulated account does not answer: {error}; is the lab up? python -m lab status") from error


def ensure_repository(name: str) -> None:
    """Make a repository in ECR unless it is there."""
    try:
        create = client("ecr").create_repository
        _unless_there("RepositoryAlreadyExistsException", create, repositoryName=name)
    except REFUSALS as error:
        raise LabError(f"the emulated account refused the repository {name}: {error}") from error


def _unless_there(code: str, create: Callable[..., Any], **arguments: Any) -> bool:
    """Create something; False when the service says, by `code`, that it exists."""
    try:
        create(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
        return False
    return True


def _key() -> str:
    kms = client("kms")
    for page in kms.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == KEY_ALIAS:
                return str(kms.describe_key(KeyId=alias["TargetKeyId"])["KeyMetadata"]["Arn"])
    key = kms.create_key(Description="Parameters of the application")["KeyMetadata"]
    kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
    return str(key["Arn"])


def _role(name: str, trust: dict[str, Any], policy: dict[str, Any]) -> None:
    iam = client("iam")
    who = json.dumps(trust)
    _unless_there("EntityAlreadyExists", iam.create_role, RoleName=name, AssumeRolePolicyDocument=who)
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))


def _instance_profile() -> None:
    iam = client("iam")
    if _unless_there("EntityAlreadyExists", iam.create_instance_profile, InstanceProfileName=HOST_ROLE):
        iam.add_role_to_instance_profile(InstanceProfileName=HOST_ROLE, RoleName=HOST_ROLE)


def _controller() -> None:
    iam = client("iam")
    _unless_there("EntityAlreadyExists", iam.create_user, UserName=CONTROLLER_USER)
    document = json.dumps(policies.controller())
    iam.put_user_policy(UserName=CONTROLLER_USER, PolicyName=CONTROLLER_USER, PolicyDocument=document)
    known = iam.list_access_keys(UserName=CONTROLLER_USER)["AccessKeyMetadata"]
    written = state.ENV.read_text() if state.ENV.exists() else ""
    if not any(key["AccessKeyId"] in written for key in known):
        for key in known:
            iam.delete_access_key(UserName=CONTROLLER_USER, AccessKeyId=key["AccessKeyId"])
        made = iam.create_access_key(UserName=CONTROLLER_USER)["AccessKey"]
        state.write_env(made["AccessKeyId"], made["SecretAccessKey"])


def _bucket() -> None:
    s3 = client("s3")
    where = {"LocationConstraint": REGION}
    _unless_there("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=BUCKET, CreateBucketConfiguration=where)
    # Never versioned: a deleted transfer would stay readable. The lifecycle is the net under a killed run.
    rule = {
        "ID": "expire-transfers",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    blocked = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policies.bucket()))


def _session_document() -> None:
    create = client("ssm").create_document
    content = json.dumps(policies.session_document())
    _unless_there(
        "DocumentAlreadyExists", create, Name=SESSION_DOCUMENT, Content=content, DocumentType="Session",
        DocumentFormat="JSON",
    )  # fmt: skip


def _ecr_repository() -> None:
    create = client("ecr").create_repository
    _unless_there("RepositoryAlreadyExistsException", create, repositoryName=ECR_REPOSITORY)


def _parameters(key_arn: str) -> None:
    ssm = client("ssm")
    for name, (kind, value) in parameters().items():
        key = {"KeyId": key_arn} if kind == "SecureString" else {}
        _unless_there("ParameterAlreadyExists", ssm.put_parameter, Name=name, Type=kind, Value=value, **key)


def _instances(hosts: dict[str, str]) -> dict[str, str]:
    """An instance is the container at its private address: one for each container, none for one that is gone."""
    ec2 = client("ec2")
    running = [instance for instance in instances() if instance["state"] == "running"]
    known = {(instance["name"], instance["address"]): instance["id"] for instance in running}
    wanted = {(_instance_name(container), address): container for container, address in hosts.items()}
    for gone in known.keys() - wanted.keys():
        ec2.terminate_instances(InstanceIds=[known[gone]])
    found = {}
    for (name, address), container in wanted.items():
        found[container] = known.get((name, address)) or _run_instance(ec2, name, address)
    return found


def _instance_name(container: str) -> str:
    return f"popcon-lab-{container.rpartition('-')[2]}"


def _run_instance(ec2: Any, name: str, address: str) -> str:
    tags = [{"Key": key, "Value": value} for key, value in {**INSTANCE_TAGS, "Name": name}.items()]
    started = ec2.run_instances(
        ImageId="ami-00000000000000000",
        InstanceType="t3.medium",
        MinCount=1,
        MaxCount=1,
        PrivateIpAddress=address,
        IamInstanceProfile={"Name": HOST_ROLE},
        # As a careful account sets it: tokens only, and none for a container inside the instance.
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return str(started["Instances"][0]["InstanceId"])
