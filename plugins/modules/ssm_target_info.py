# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_target_info
short_description: Say whether instances can be reached through Session Manager, and why not
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Looks at what the P(amazon.aws.aws_ssm#connection) connection needs before it is used - the instances, their agents, the transfer
    bucket - because the connection itself tries four times and then reports little.
  - Runs on the controller, with the controller's credentials. Needs C(ssm:DescribeInstanceInformation), C(ec2:DescribeInstances) and
    C(s3:ListBucket) on the bucket.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  instance_ids:
    description:
      - Ids of the instances.
    type: list
    elements: str
    required: true
  bucket:
    description:
      - Name of the bucket that modules are passed through.
    type: str
    required: true
  plugin:
    description:
      - Path of the C(session-manager-plugin) program, as in the option O(amazon.aws.aws_ssm#connection:plugin) of the connection.
      - By default it is looked for where the connection looks.
    type: path
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing in any mode.
  diff_mode:
    support: N/A
    details:
      - Changes nothing, so there is no difference to show.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: See whether the hosts can be reached
  popcon.deploy.ssm_target_info:
    instance_ids:
      - i-0123456789abcdef0
    bucket: popcon-lab-transfer
    region: ap-northeast-2
  delegate_to: localhost
  register: targets

- name: Say what is in the way
  ansible.builtin.debug:
    msg: "{{ targets.problems }}"
"""

RETURN = r"""
problems:
  description: What is in the way, each with its cure; empty if nothing is.
  returned: success
  type: list
  elements: str
  sample: ["i-0123456789abcdef0 is stopped: start it."]
"""

import contextlib
import os
import shutil
import typing as t

with contextlib.suppress(ImportError):  # AnsibleAWSModule says so
    import botocore.exceptions

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._errors import attempt

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


def run(module: AnsibleAWSModule) -> list[str]:
    """What is in the way: of the bucket, the session client, then each instance."""
    ids: list[str] = module.params["instance_ids"]
    with aws_errors_in_words("look up the instances' agents", "ssm:DescribeInstanceInformation", module.region):
        pings = agents(module.client("ssm"), ids)
    unseen = [i for i in ids if pings.get(i) != "Online"]
    with aws_errors_in_words("look up the instances", "ec2:DescribeInstances", module.region):
        found = states(module.client("ec2"), unseen) if unseen else {}
    with aws_errors_in_words("look at the transfer bucket", "s3:ListBucket", module.region):
        problems = [bucket_problem(module.client("s3"), module.params["bucket"])]
    problems += [plugin_problem(module.params["plugin"])]
    problems += [instance_problem(i, pings.get(i), found.get(i)) for i in unseen]
    return [problem for problem in problems if problem]


def main() -> None:
    """Entry point."""
    spec = {
        "instance_ids": {"type": "list", "elements": "str", "required": True},
        "bucket": {"type": "str", "required": True},
        "plugin": {"type": "path"},
    }
    module = AnsibleAWSModule(argument_spec=spec, supports_check_mode=True)
    problems, failure = attempt(run, module)
    if failure:
        module.fail_json(msg=failure)
    module.exit_json(changed=False, problems=problems)


if __name__ == "__main__":
    main()
