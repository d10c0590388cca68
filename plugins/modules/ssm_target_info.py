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
  - Runs on the controller, in the process of the task, with the controller's credentials as boto3 finds them. Needs
    C(ssm:DescribeInstanceInformation), C(ec2:DescribeInstances) and C(s3:ListBucket) on the bucket.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.attributes.looking
  - popcon.deploy.attributes.linux
options:
  region:
    description:
      - Region of the instances. By default the one that boto3 finds.
    type: str
  profile:
    description:
      - Profile of the credentials, as in the option O(amazon.aws.aws_ssm#connection:profile) of the connection.
    type: str
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
"""

EXAMPLES = r"""
- name: See whether the hosts can be reached
  popcon.deploy.ssm_target_info:
    instance_ids:
      - i-0123456789abcdef0
    bucket: popcon-lab-transfer
    region: ap-northeast-2
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
