# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_managed_policy
short_description: Bring a policy of the account, such as a permissions boundary, to what is wanted
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Makes the policy, or gives it a new version, which becomes the one in use. Older versions are removed.
  - Unlike C(amazon.aws.iam_managed_policy), it says what differs, statement by statement, and needs no right to list the account's
    policies.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.provision
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  arn:
    description:
      - ARN of the policy.
    type: str
    required: true
  document:
    description:
      - The policy. Required with O(state=present).
    type: dict
"""

EXAMPLES = r"""
- name: What the roles of an environment can be given at most
  popcon.deploy.iam_managed_policy:
    arn: arn:aws:iam::123456789012:policy/popcon-dev-boundary
    owner: popcon.deploy/popcon-dev
    document:
      Version: "2012-10-17"
      Statement:
        - Sid: RegistryToken
          Effect: Allow
          Action: ecr:GetAuthorizationToken
          Resource: "*"
    region: ap-northeast-2
"""

RETURN = r"""
rows:
  description: What was, or would be, done, as in RV(popcon.deploy.provision_plan#module:rows).
  returned: success
  type: list
  elements: dict
  sample: []
problems:
  description: What keeps it from being done, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

import json

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.iam_policy import statements
from ansible_collections.popcon.deploy.plugins.module_utils._provision.module import Compared, converge, pairs, unpaired
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource


class ManagedPolicy(Compared):
    """A policy of the account."""

    noun = "managed policy"
    rights = "iam:*Policy"

    def __init__(self, module: AnsibleAWSModule) -> None:
        super().__init__(module)
        self._iam = module.client("iam")
        self._arn = self.params["arn"]
        self._name = self._arn.rpartition("/")[2]

    def wanted(self) -> list[Resource]:
        """The policy as the options have it."""
        return [Resource(self.noun, self._name, {"document": statements(self.params["document"]), "tags": self.tags})]

    def found(self) -> list[Resource]:
        """The policy as it is, if it is."""
        with aws_errors_in_words(f"look at the managed policy {self._name}", "iam:GetPolicyVersion", self.region):
            try:
                one = self._iam.get_policy(PolicyArn=self._arn)["Policy"]
            except is_boto3_error_code("NoSuchEntity"):
                return []
            version = self._iam.get_policy_version(PolicyArn=self._arn, VersionId=one["DefaultVersionId"])
        attributes = {
            "document": statements(version["PolicyVersion"]["Document"]),
            "tags": unpaired(one.get("Tags", [])),
        }
        return [Resource(self.noun, self._name, attributes, self._arn)]

    def _document(self) -> str:
        return json.dumps(self.params["document"])

    def _create(self, row: Json) -> None:
        self._iam.create_policy(PolicyName=self._name, PolicyDocument=self._document(), Tags=pairs(self.tags))

    def _update(self, row: Json) -> None:
        if any(one["attribute"].startswith("document.") for one in row["changes"]):
            self._delete_old_versions()
            self._iam.create_policy_version(PolicyArn=self._arn, PolicyDocument=self._document(), SetAsDefault=True)

    def _tag(self, row: Json, tags: list[dict[str, str]]) -> None:
        self._iam.tag_policy(PolicyArn=self._arn, Tags=tags)

    def _untag(self, row: Json, names: list[str]) -> None:
        self._iam.untag_policy(PolicyArn=self._arn, TagKeys=names)

    def _delete(self, row: Json) -> None:
        self._delete_old_versions()
        self._iam.delete_policy(PolicyArn=self._arn)

    def _delete_old_versions(self) -> None:
        """All but the one in use: there can be five."""
        for version in self._iam.list_policy_versions(PolicyArn=self._arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                self._iam.delete_policy_version(PolicyArn=self._arn, VersionId=version["VersionId"])


def main() -> None:
    """Entry point."""
    options = {"arn": {"type": "str", "required": True}, "document": {"type": "dict"}}
    converge(ManagedPolicy, options, required_if=[("state", "present", ["document"])])


if __name__ == "__main__":
    main()
