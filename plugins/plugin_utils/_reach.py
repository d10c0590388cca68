"""Whether instances can be reached through Session Manager, and why not."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

with contextlib.suppress(ImportError):  # the action says so
    import botocore.exceptions

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words

# Where the connection plugin looks, in its order, when it is not told.
PLUGIN_PATH = "/usr/local/bin/session-manager-plugin"


def plugin_problem(path: str | None) -> str | None:
    """What is wrong with the session client."""
    found = (
        path
        or os.environ.get("AWS_SESSION_MANAGER_PLUGIN")
        or shutil.which(PLUGIN_PATH)
        or shutil.which("session-manager-plugin")
    )
    if found and os.access(found, os.X_OK) and os.path.isfile(found):
        return None
    where = f"at {found}" if found else f"at {PLUGIN_PATH} or on the PATH"
    return (
        f"There is no session-manager-plugin {where}: install AWS's, or set AWS_SESSION_MANAGER_PLUGIN to where it is."
    )


def instance_problem(instance_id: str, ping: str | None, state: str | None) -> str | None:
    """What keeps an instance from being reached.

    :param ping: its agent's C(PingStatus), None if Session Manager doesn't know it.
    :param state: its EC2 state, None if there is no such instance.
    """
    if ping == "Online":
        return None
    if state is None:
        return f"There is no instance {instance_id} in this account and region: correct the inventory."
    if state != "running":
        return f"{instance_id} is {state}: start it, or take it out of the inventory."
    if ping is None:
        return f"{instance_id} runs, but Session Manager doesn't know it: give it an instance profile with the agent's rights, and a way to the ssm endpoints."
    return f"{instance_id} runs, but its SSM agent is not connected ({ping}): restart amazon-ssm-agent or the instance."


def bucket_problem(s3: t.Any, bucket: str) -> str | None:
    """What is wrong with the transfer bucket."""
    try:
        s3.head_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError as exc:
        status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return f"There is no bucket {bucket}: correct ansible_aws_ssm_bucket_name in the inventory, or make the bucket."
        if status == 301:
            return f"The bucket {bucket} is in another region: use one in the region of the instances."
        return f"The bucket {bucket} can't be used (HTTP {status}): allow s3:ListBucket on it, and s3:GetObject, PutObject, DeleteObject on i-*."
    return None


def agents(ssm: t.Any, instance_ids: list[str]) -> dict[str, str]:
    """The agents' C(PingStatus) by instance id; instances that Session Manager doesn't know are left out."""
    pages = ssm.get_paginator("describe_instance_information").paginate(
        Filters=[{"Key": "InstanceIds", "Values": instance_ids}]
    )
    return {row["InstanceId"]: row["PingStatus"] for page in pages for row in page["InstanceInformationList"]}


def states(ec2: t.Any, instance_ids: list[str]) -> dict[str, str]:
    """EC2 states by instance id; instances that don't exist are left out, which asking for them by id would not allow."""
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "instance-id", "Values": instance_ids}])
    return {i["InstanceId"]: i["State"]["Name"] for page in pages for r in page["Reservations"] for i in r["Instances"]}


def problems(session: t.Any, instance_ids: list[str], bucket: str, plugin: str | None) -> list[str]:
    """What is in the way: of the bucket, the session client, then each instance.

    :param session: of boto3, with the region of the instances.
    :raises DeployError: AWS could not be asked.
    """
    region = session.region_name
    with aws_errors_in_words("look up the instances' agents", "ssm:DescribeInstanceInformation", region):
        pings = agents(session.client("ssm"), instance_ids)
    unseen = [i for i in instance_ids if pings.get(i) != "Online"]
    with aws_errors_in_words("look up the instances", "ec2:DescribeInstances", region):
        found = states(session.client("ec2"), unseen) if unseen else {}
    with aws_errors_in_words("look at the transfer bucket", "s3:ListBucket", region):
        said = [bucket_problem(session.client("s3"), bucket)]
    said += [plugin_problem(plugin)]
    said += [instance_problem(i, pings.get(i), found.get(i)) for i in unseen]
    return [problem for problem in said if problem]
