"""What an AWS request asks for: service, action, and the resources it touches, in the words IAM policies use.

Sources of the mapping: the *Service Authorization Reference* of each service. Where a service is not listed, or an
action has no resource type there, the resource is ``*``.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

#: X-Amz-Target's prefix -> the service's IAM prefix.
_TARGETS = {"AmazonSSM": "ssm", "AmazonEC2ContainerRegistry_V20150921": "ecr", "TrentService": "kms"}

_S3_SUBRESOURCES = {
    "acl": "Acl",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "tagging": "Tagging",
    "versioning": "BucketVersioning",
}
_S3_OBJECT_ACTIONS = {
    "GET": "GetObject",
    "HEAD": "GetObject",
    "PUT": "PutObject",
    "POST": "PutObject",
    "DELETE": "DeleteObject",
}
_S3_BUCKET_ACTIONS = {
    "GET": "ListBucket",
    "HEAD": "ListBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
    "POST": "DeleteObject",
}

_IAM_RESOURCES = {
    "PolicyArn": "",
    "InstanceProfileName": "instance-profile/",
    "RoleName": "role/",
    "UserName": "user/",
    "GroupName": "group/",
}


@dataclass(frozen=True)
class Request:
    """An HTTP request as received. ``target``: the undecoded path with its query; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded; the last one wins."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True)
class Call:
    """One action on one or more resources (ARNs or ``*``), with the parameters of the JSON or query protocol."""

    service: str
    action: str
    parameters: dict[str, Any]
    resources: tuple[str, ...]

    @property
    def name(self) -> str:
        """The action as IAM writes it, e.g. ``ssm:GetParameter``."""
        return f"{self.service}:{self.action}"


def read(request: Request, service: str, region: str, account_id: str) -> Call:
    """The call a request makes; ``service`` and ``region`` are those of its signature."""
    if service == "s3":
        return _s3(request)
    if "x-amz-target" in request.headers:
        prefix, _dummy, action = request.headers["x-amz-target"].rpartition(".")
        service = _TARGETS.get(prefix, service)
        parameters = _json(request.body)
    else:
        form = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True) or parse_qs(
            urlsplit(request.target).query
        )
        parameters = {key: values[-1] for key, values in form.items()}
        action = parameters.get("Action", "")
    resources = _RESOURCES.get(service, lambda *_dummy: [])(action, parameters, region, account_id)
    return Call(service, action, parameters, tuple(resources) or ("*",))


def _ssm(action: str, parameters: dict[str, Any], region: str, account_id: str) -> list[str]:
    base = f"arn:aws:ssm:{region}:{account_id}"
    if action == "StartSession":
        # The document counts where one is named; the default one is everybody's.
        document = parameters.get("DocumentName")
        named = [f"{base}:document/{document}"] if document else []
        return [f"arn:aws:ec2:{region}:{account_id}:instance/{parameters.get('Target', '')}", *named]
    if action in ("ResumeSession", "TerminateSession"):
        return [f"{base}:session/{parameters.get('SessionId', '')}"]
    if action == "GetParametersByPath":
        return [f"{base}:parameter/{str(parameters.get('Path', '')).lstrip('/')}"]
    if action in ("AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"):
        return [f"{base}:parameter/{str(parameters.get('ResourceId', '')).lstrip('/')}"]
    if action in ("DescribeParameters", "DescribeSessions", "DescribeInstanceInformation"):
        return [f"{base}:*"]
    names = parameters.get("Names") or [parameters.get("Name")]
    # A name may carry a version or a label, which is no part of the resource.
    return [f"{base}:parameter/{str(name).lstrip('/').partition(':')[0]}" for name in names if name]


def _ecr(action: str, parameters: dict[str, Any], region: str, account_id: str) -> list[str]:
    names = parameters.get("repositoryNames") or [parameters.get("repositoryName")]
    return [f"arn:aws:ecr:{region}:{account_id}:repository/{name}" for name in names if name]


def _ec2(action: str, parameters: dict[str, Any], region: str, account_id: str) -> list[str]:
    if action.startswith("Describe"):
        return []
    ids = [value for key, value in parameters.items() if key.startswith("InstanceId")]
    return [f"arn:aws:ec2:{region}:{account_id}:instance/{instance}" for instance in ids]


def _iam(action: str, parameters: dict[str, Any], region: str, account_id: str) -> list[str]:
    for name, kind in _IAM_RESOURCES.items():
        if value := parameters.get(name):
            return [f"arn:aws:iam::{account_id}:{kind}{value}" if kind else value]
    return []


def _sts(action: str, parameters: dict[str, Any], region: str, account_id: str) -> list[str]:
    return [parameters["RoleArn"]] if "RoleArn" in parameters else []


def _kms(action: str, parameters: dict[str, Any], region: str, account_id: str) -> list[str]:
    key = str(parameters.get("KeyId", ""))
    return [] if not key else [key if key.startswith("arn:") else f"arn:aws:kms:{region}:{account_id}:key/{key}"]


_RESOURCES = {"ssm": _ssm, "ecr": _ecr, "ec2": _ec2, "iam": _iam, "sts": _sts, "kms": _kms}


def _s3(request: Request) -> Call:
    """S3 speaks in method, path and query. Path style only: the lab's buckets have no names in DNS."""
    bucket, _dummy, key = unquote(urlsplit(request.target).path).removeprefix("/").partition("/")
    query = request.query
    parameters = {"Bucket": bucket, "Key": key}
    if not bucket:
        return Call("s3", "ListAllMyBuckets", parameters, ("*",))
    verb = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Put", "POST": "Put"}.get(request.method, "Put")
    subresource = next((name for parameter, name in _S3_SUBRESOURCES.items() if parameter in query), None)
    if key:
        version = "Version" if "versionId" in query and request.method in ("GET", "HEAD", "DELETE") else ""
        action = f"{verb}Object{subresource}" if subresource else f"{_S3_OBJECT_ACTIONS[request.method]}{version}"
        return Call("s3", action, parameters, (f"arn:aws:s3:::{bucket}/{key}",))
    if subresource:
        action = f"{verb}{'Bucket' if subresource in ('Acl', 'Tagging') else ''}{subresource}"
    elif "versions" in query:
        action = "ListBucketVersions"
    elif "uploads" in query:
        action = "ListBucketMultipartUploads"
    else:
        action = _S3_BUCKET_ACTIONS[request.method]
    # Deleting many objects at once is a POST on the bucket that needs the right on each object.
    resource = f"arn:aws:s3:::{bucket}/*" if action == "DeleteObject" else f"arn:aws:s3:::{bucket}"
    return Call("s3", action, parameters, (resource,))


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
