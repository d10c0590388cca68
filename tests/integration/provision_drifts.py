"""What people do by hand to what was provisioned, with what a plan must say of it, and how to see that it is mended.

What moto 5.2 doesn't do, and so is not among it: it can't add an audience to an OIDC provider (a unit test does), nor enable a
key, or schedule its deletion, by its ARN, as amazon.aws.kms_key does it; it removes what something else still needs, where AWS often refuses
(DependencyViolation); and all is there at once, where IAM at AWS takes seconds.
It evaluates no policies here: tests/unit/roles does, with the evaluation of the lab.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import boto3

from .emulators import REGION

NAME = "popcon-dev"


class Account:
    """An account in an emulator, with the resources by the names the inventory has for them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: dict[str, t.Any] = {}

    def __getattr__(self, service: str) -> t.Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, endpoint_url=self._url, region_name=REGION, aws_access_key_id="AKIDEXAMPLE",
                aws_secret_access_key="not-a-secret-at-all",
            )  # fmt: skip
        return self._clients[service]

    def _one(self, what: str, name: str, **filters: str) -> dict:
        named = [{"Name": key.replace("_", "-"), "Values": [value]} for key, value in filters.items()]
        named += [{"Name": "tag:Name", "Values": [name]}]
        found = getattr(self.ec2, f"describe_{what}")(Filters=named)
        (one,) = next(value for key, value in found.items() if key not in ("ResponseMetadata", "NextToken"))
        return one

    def vpc(self) -> str:
        return self._one("vpcs", NAME)["VpcId"]

    def subnet(self, name: str) -> dict:
        return self._one("subnets", f"{NAME}-{name}", vpc_id=self.vpc())

    def table(self, side: str) -> dict:
        return self._one("route_tables", f"{NAME}-{side}", vpc_id=self.vpc())

    def group(self) -> dict:
        return self._one("security_groups", f"{NAME}-app", vpc_id=self.vpc())

    def instances(self, name: str) -> list[dict]:
        named = [
            {"Name": "tag:Name", "Values": [name]},
            {"Name": "instance-state-name", "Values": ["running", "stopped"]},
        ]
        return [one for r in self.ec2.describe_instances(Filters=named)["Reservations"] for one in r["Instances"]]

    def instance(self, number: int) -> dict:
        (one,) = self.instances(f"{NAME}-{number}")
        return one

    def statement(self, role: str, policy: str) -> list[dict]:
        return self.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]

    def parameters(self) -> list[dict]:
        pages = self.ssm.get_paginator("describe_parameters").paginate()
        # Less those that AWS has for everybody.
        return [one for page in pages for one in page["Parameters"] if not one["Name"].startswith("/aws/")]

    def tags(self, resource: str) -> dict[str, str]:
        found = self.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource]}])["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}


class Drift(t.NamedTuple):
    """One thing done by hand."""

    what: str
    do: t.Callable[[Account], object]
    #: The row of the plan: kind, name, action, and the attribute if one is changed.
    kind: str
    name: str
    action: str
    attribute: str | None
    #: Whether it is mended.
    mended: t.Callable[[Account], bool]


def _ingress(a: Account) -> set[str]:
    return {
        f"{one['IpProtocol']} {one['FromPort']} {peer['CidrIp']}"
        for one in a.group()["IpPermissions"]
        for peer in one["IpRanges"]
    }


def _permission(port: int) -> list[dict]:
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


def _delete_subnet(a: Account) -> None:
    subnet = a.subnet("private-c")["SubnetId"]
    for association in a.table("private")["Associations"]:
        if association.get("SubnetId") == subnet:
            a.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    a.ec2.delete_subnet(SubnetId=subnet)


def _widen(a: Account) -> None:
    document = {"Version": "2012-10-17", "Statement": a.statement(f"{NAME}-host", "host")}
    document["Statement"].append({"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"})
    a.iam.put_role_policy(RoleName=f"{NAME}-host", PolicyName="host", PolicyDocument=json.dumps(document))


def _policy(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def _attach(a: Account) -> None:
    made = a.iam.create_policy(PolicyName="all", PolicyDocument=_policy("*"))["Policy"]
    a.iam.attach_role_policy(RoleName=f"{NAME}-host", PolicyArn=made["Arn"])


def _boundary(a: Account) -> dict:
    (one,) = [one for one in a.iam.list_policies(Scope="Local")["Policies"] if one["PolicyName"] == f"{NAME}-boundary"]
    return one


def _widen_boundary(a: Account) -> None:
    a.iam.create_policy_version(PolicyArn=_boundary(a)["Arn"], PolicyDocument=_policy("iam:*"), SetAsDefault=True)


def allowed_at_most(a: Account) -> list[dict]:
    """The statements of the boundary in use."""
    one = _boundary(a)
    found = a.iam.get_policy_version(PolicyArn=one["Arn"], VersionId=one["DefaultVersionId"])["PolicyVersion"]
    return found["Document"]["Statement"]


def _repository(a: Account) -> str:
    return a.ecr.describe_repositories()["repositories"][0]["repositoryArn"]


def _shrink(a: Account) -> None:
    document = {"Version": "2012-10-17", "Statement": a.statement(f"{NAME}-rotation", "rotation")[:2]}
    a.iam.put_role_policy(RoleName=f"{NAME}-rotation", PolicyName="rotation", PolicyDocument=json.dumps(document))


def _trust(a: Account) -> dict:
    return a.iam.get_role(RoleName=f"{NAME}-deployer")["Role"]["AssumeRolePolicyDocument"]


def _let_all_in(a: Account) -> None:
    trust = _trust(a)
    trust["Statement"][0]["Condition"] = {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:*"}}
    a.iam.update_assume_role_policy(RoleName=f"{NAME}-deployer", PolicyDocument=json.dumps(trust))


def _delete_role(a: Account) -> None:
    a.iam.delete_role_policy(RoleName=f"{NAME}-builder", PolicyName="builder")
    a.iam.delete_role(RoleName=f"{NAME}-builder")


def _rules(a: Account) -> set[str]:
    return {rule["ID"] for rule in a.s3.get_bucket_lifecycle_configuration(Bucket=f"{NAME}-transfer")["Rules"]}


def _add_rule(a: Account) -> None:
    rules = a.s3.get_bucket_lifecycle_configuration(Bucket=f"{NAME}-transfer")["Rules"]
    rules.append({"ID": "keep", "Status": "Disabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 9}})
    a.s3.put_bucket_lifecycle_configuration(Bucket=f"{NAME}-transfer", LifecycleConfiguration={"Rules": rules})


def _document(a: Account) -> dict:
    return json.loads(a.ssm.get_document(Name=f"{NAME}-session")["Content"])


def _log_sessions(a: Account) -> None:
    content = _document(a)
    content["inputs"]["s3BucketName"] = "somebody-elses"
    made = a.ssm.update_document(Name=f"{NAME}-session", Content=json.dumps(content), DocumentVersion="$LATEST")
    a.ssm.update_document_default_version(
        Name=f"{NAME}-session", DocumentVersion=made["DocumentDescription"]["DocumentVersion"]
    )


def _provider(a: Account) -> dict:
    (one,) = a.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return {**a.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=one["Arn"]), "Arn": one["Arn"]}


def _key(a: Account) -> str:
    return a.kms.describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]["KeyId"]


def _reroute(a: Account) -> None:
    """To the instance instead of the gateway."""
    a.ec2.replace_route(
        RouteTableId=a.table("public")["RouteTableId"],
        DestinationCidrBlock="0.0.0.0/0",
        NetworkInterfaceId=a.instance(1)["NetworkInterfaces"][0]["NetworkInterfaceId"],
    )


def _routes(a: Account, side: str) -> set[str]:
    return {f"{route['DestinationCidrBlock']} {route.get('GatewayId', '')[:4]}" for route in a.table(side)["Routes"]}


def _stop(a: Account) -> None:
    a.ec2.stop_instances(InstanceIds=[a.instance(1)["InstanceId"]])


def _parameter(a: Account, name: str) -> str:
    return a.ssm.get_parameter(Name=f"/popcon/{name}")["Parameter"]["Value"]


#: The options that AWS keeps if they are not said; moto forgets them.
METADATA = {"HttpEndpoint": "enabled", "HttpProtocolIpv6": "disabled", "InstanceMetadataTags": "disabled"}
HOST, BUCKET, REPOSITORY = f"{NAME}-host", f"{NAME}-transfer", "dev-app"
TABLE, GROUP, PUBLIC = "route table", "security group", f"{NAME}-public"

DRIFTS = [
    # Deleted.
    Drift("subnet deleted", _delete_subnet, "subnet", f"{NAME}-private-c", "create", None,
          lambda a: a.subnet("private-c")["CidrBlock"] == "10.20.129.0/24"),
    Drift("rule deleted", lambda a: a.ec2.revoke_security_group_ingress(GroupId=a.group()["GroupId"], IpPermissions=_permission(8080)),
          GROUP, f"{NAME}-app", "update", "ingress", lambda a: "tcp 8080 0.0.0.0/0" in _ingress(a)),
    Drift("parameter deleted", lambda a: a.ssm.delete_parameter(Name="/popcon/DB_PORT"),
          "parameter", "/popcon/DB_PORT", "create", None, lambda a: _parameter(a, "DB_PORT") == "3306"),
    Drift("repository's lifecycle deleted", lambda a: a.ecr.delete_lifecycle_policy(repositoryName=REPOSITORY),
          "ECR repository", REPOSITORY, "update", "lifecycle.1",
          lambda a: '"untagged"' in a.ecr.get_lifecycle_policy(repositoryName=REPOSITORY)["lifecyclePolicyText"]),
    Drift("statements deleted", _shrink, "role", f"{NAME}-rotation", "update", "policies.rotation UseTheKeyForThem",
          lambda a: len(a.statement(f"{NAME}-rotation", "rotation")) == 4),
    Drift("role deleted", _delete_role, "role", f"{NAME}-builder", "create", None,
          lambda a: len(a.statement(f"{NAME}-builder", "builder")) == 2),
    Drift("provider deleted", lambda a: a.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=_provider(a)["Arn"]),
          "OIDC provider", "token.actions.githubusercontent.com", "create", None,
          lambda a: _provider(a)["ClientIDList"] == ["sts.amazonaws.com"]),
    Drift("bucket's policy deleted", lambda a: a.s3.delete_bucket_policy(Bucket=BUCKET), "bucket", BUCKET, "update",
          "policy.OnlyEncryptedConnections", lambda a: "SecureTransport" in a.s3.get_bucket_policy(Bucket=BUCKET)["Policy"]),
    Drift("instance terminated", lambda a: a.ec2.terminate_instances(InstanceIds=[a.instance(2)["InstanceId"]]),
          "instance", f"{NAME}-2", "create", None, lambda a: a.instance(2)["State"]["Name"] == "running"),
    Drift("tag deleted", lambda a: a.ec2.delete_tags(Resources=[a.subnet("public-c")["SubnetId"]], Tags=[{"Key": "App"}]),
          "subnet", f"{NAME}-public-c", "update", "tags.App", lambda a: a.tags(a.subnet("public-c")["SubnetId"])["App"] == "popcon"),
    # Changed.
    Drift("names switched off", lambda a: a.ec2.modify_vpc_attribute(VpcId=a.vpc(), EnableDnsHostnames={"Value": False}),
          "VPC", NAME, "update", "dns_hostnames",
          lambda a: a.ec2.describe_vpc_attribute(VpcId=a.vpc(), Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"]),
    Drift("subnet made public", lambda a: a.ec2.modify_subnet_attribute(
          SubnetId=a.subnet("private-a")["SubnetId"], MapPublicIpOnLaunch={"Value": True}),
          "subnet", f"{NAME}-private-a", "update", "public", lambda a: not a.subnet("private-a")["MapPublicIpOnLaunch"]),
    Drift("route changed", _reroute, TABLE, PUBLIC, "update", "routes", lambda a: "0.0.0.0/0 igw-" in _routes(a, "public")),
    Drift("setting changed", lambda a: a.ssm.put_parameter(Name="/popcon/DB_NAME", Value="other", Overwrite=True),
          "parameter", "/popcon/DB_NAME", "update", "value", lambda a: _parameter(a, "DB_NAME") == "popcon"),
    Drift("scanning switched off", lambda a: a.ecr.put_image_scanning_configuration(
          repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": False}),
          "ECR repository", REPOSITORY, "update", "scan on push",
          lambda a: a.ecr.describe_repositories()["repositories"][0]["imageScanningConfiguration"]["scanOnPush"]),
    Drift("tags made immutable", lambda a: a.ecr.put_image_tag_mutability(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE"),
          "ECR repository", REPOSITORY, "update", "tag mutability",
          lambda a: a.ecr.describe_repositories()["repositories"][0]["imageTagMutability"] == "MUTABLE"),
    Drift("trust widened", _let_all_in, "role", f"{NAME}-deployer", "update", "trust.GitHubActions",
          lambda a: "StringLike" not in json.dumps(_trust(a))),
    Drift("longer sessions", lambda a: a.iam.update_role(RoleName=f"{NAME}-deployer", MaxSessionDuration=43200),
          "role", f"{NAME}-deployer", "update", "session seconds",
          lambda a: a.iam.get_role(RoleName=f"{NAME}-deployer")["Role"]["MaxSessionDuration"] == 3600),
    Drift("versions switched on", lambda a: a.s3.put_bucket_versioning(
          Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}),
          "bucket", BUCKET, "update", "versioning", lambda a: a.s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Suspended"),
    Drift("public access let in", lambda a: a.s3.delete_public_access_block(Bucket=BUCKET), "bucket", BUCKET, "update",
          "public access", lambda a: all(a.s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())),
    Drift("encryption taken away", lambda a: a.s3.delete_bucket_encryption(Bucket=BUCKET), "bucket", BUCKET, "update",
          "encryption", lambda a: "AES256" in str(a.s3.get_bucket_encryption(Bucket=BUCKET))),
    Drift("objects' owners changed", lambda a: a.s3.put_bucket_ownership_controls(
          Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}),
          "bucket", BUCKET, "update", "ownership", lambda a: "Enforced" in str(a.s3.get_bucket_ownership_controls(Bucket=BUCKET))),
    Drift("key's rotation switched off", lambda a: a.kms.disable_key_rotation(KeyId=_key(a)), "key", f"alias/{NAME}", "update",
          "rotation", lambda a: a.kms.get_key_rotation_status(KeyId=_key(a))["KeyRotationEnabled"]),
    Drift("sessions logged", _log_sessions, "session document", f"{NAME}-session", "update", "content.inputs",
          lambda a: _document(a)["inputs"]["s3BucketName"] == ""),
    Drift("instance stopped", _stop, "instance", f"{NAME}-1", "update", "state",
          lambda a: a.instance(1)["State"]["Name"] == "running"),
    Drift("tokens for containers", lambda a: a.ec2.modify_instance_metadata_options(
          InstanceId=a.instance(1)["InstanceId"], HttpTokens="optional", HttpPutResponseHopLimit=2, **METADATA),
          "instance", f"{NAME}-1", "update", "metadata.http_put_response_hop_limit",
          lambda a: a.instance(1)["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
          and a.instance(1)["MetadataOptions"]["HttpTokens"] == "required"),
    Drift("boundary taken away", lambda a: a.iam.delete_role_permissions_boundary(RoleName=f"{NAME}-rotation"),
          "role", f"{NAME}-rotation", "update", "permissions boundary",
          lambda a: "PermissionsBoundary" in a.iam.get_role(RoleName=f"{NAME}-rotation")["Role"]),
    Drift("boundary widened", _widen_boundary, "managed policy", f"{NAME}-boundary", "update", "document.statement 1",
          lambda a: "iam:*" not in str(allowed_at_most(a))),
    # Added.
    Drift("port 22 opened", lambda a: a.ec2.authorize_security_group_ingress(
          GroupId=a.group()["GroupId"], IpPermissions=_permission(22)),
          GROUP, f"{NAME}-app", "update", "ingress", lambda a: "tcp 22 0.0.0.0/0" not in _ingress(a)),
    Drift("route added", lambda a: a.ec2.create_route(
          RouteTableId=a.table("private")["RouteTableId"], DestinationCidrBlock="0.0.0.0/0",
          GatewayId=a.ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]),
          TABLE, f"{NAME}-private", "update", "routes", lambda a: _routes(a, "private") == {"10.20.0.0/16 loca"}),
    Drift("addresses added", lambda a: a.ec2.associate_vpc_cidr_block(VpcId=a.vpc(), CidrBlock="10.99.0.0/16"),
          "VPC", NAME, "update", "cidrs",
          lambda a: "10.99.0.0/16" not in [
          one["CidrBlock"] for one in a.ec2.describe_vpcs(VpcIds=[a.vpc()])["Vpcs"][0]["CidrBlockAssociationSet"]
          if one["CidrBlockState"]["State"] == "associated"]),
    Drift("tag added", lambda a: a.ec2.create_tags(Resources=[a.vpc()], Tags=[{"Key": "Owner", "Value": "me"}]),
          "VPC", NAME, "update", "tags.Owner", lambda a: "Owner" not in a.tags(a.vpc())),
    Drift("statement added", _widen, "role", HOST, "update", "policies.host Everything",
          lambda a: "Everything" not in json.dumps(a.statement(HOST, "host"))),
    Drift("policy added", lambda a: a.iam.put_role_policy(RoleName=HOST, PolicyName="mine", PolicyDocument=_policy("s3:*")),
          "role", HOST, "update", "policies.mine statement 1",
          lambda a: a.iam.list_role_policies(RoleName=HOST)["PolicyNames"] == ["host"]),
    Drift("managed policy attached", _attach,
          "role", HOST, "update", "managed policies",
          lambda a: a.iam.list_attached_role_policies(RoleName=HOST)["AttachedPolicies"] == []),
    Drift("lifecycle rule added", _add_rule, "bucket", BUCKET, "update", "lifecycle.keep", lambda a: _rules(a) == {"expire-transfers"}),
    Drift("parameter's tag added", lambda a: a.ssm.add_tags_to_resource(
          ResourceType="Parameter", ResourceId="/popcon/DB_PASSWORD", Tags=[{"Key": "Owner", "Value": "me"}]),
          "parameter", "/popcon/DB_PASSWORD", "update", "tags.Owner",
          lambda a: "Owner" not in str(a.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/popcon/DB_PASSWORD"))),
    Drift("repository's tag added", lambda a: a.ecr.tag_resource(resourceArn=_repository(a), tags=[{"Key": "Owner", "Value": "me"}]),
          "ECR repository", REPOSITORY, "update", "tags.Owner",
          lambda a: "Owner" not in str(a.ecr.list_tags_for_resource(resourceArn=_repository(a)))),
]  # fmt: skip
