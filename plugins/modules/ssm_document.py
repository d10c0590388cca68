# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_document
short_description: Bring a session document of Systems Manager to what is wanted
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Makes a document of the type C(Session), or gives it a new version, which becomes the one in use.
  - Neither C(amazon.aws) nor C(community.aws) has a module for documents.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.provision
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  name:
    description:
      - Name of the document.
    type: str
    required: true
  content:
    description:
      - The document. Required with O(state=present).
    type: dict
"""

EXAMPLES = r"""
- name: Sessions that end after an hour, or twenty minutes in which nothing happens
  popcon.deploy.ssm_document:
    name: popcon-dev-session
    owner: popcon.deploy/popcon-dev
    content:
      schemaVersion: "1.0"
      description: Sessions of a deployment
      sessionType: Standard_Stream
      inputs:
        idleSessionTimeout: "20"
        maxSessionDuration: "60"
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
from ansible_collections.popcon.deploy.plugins.module_utils._provision.module import Compared, converge, pairs, unpaired
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource


class Document(Compared):
    """A session document."""

    noun = "document"
    rights = "ssm:*Document"

    def __init__(self, module: AnsibleAWSModule) -> None:
        super().__init__(module)
        self._ssm = module.client("ssm")

    def wanted(self) -> list[Resource]:
        """The document as the options have it."""
        attributes = {"content": self.params["content"], "tags": self.tags}
        return [Resource("session document", self.params["name"], attributes)]

    def found(self) -> list[Resource]:
        """The document as it is, if it is."""
        name = self.params["name"]
        with aws_errors_in_words(f"look at the document {name}", "ssm:GetDocument", self.region):
            try:
                content = self._ssm.get_document(Name=name, DocumentFormat="JSON")["Content"]
            except is_boto3_error_code("InvalidDocument"):
                return []
            tags = self._ssm.list_tags_for_resource(ResourceType="Document", ResourceId=name)["TagList"]
        attributes = {"content": json.loads(content), "tags": unpaired(tags)}
        return [Resource("session document", name, attributes, name)]

    def _create(self, row: Json) -> None:
        self._ssm.create_document(
            Name=row["name"],
            DocumentType="Session",
            DocumentFormat="JSON",
            Content=json.dumps(self.params["content"]),
            Tags=pairs(self.tags),
        )

    def _update(self, row: Json) -> None:
        name = row["name"]
        if any(one["attribute"].startswith("content.") for one in row["changes"]):
            self._ssm.update_document_default_version(Name=name, DocumentVersion=self._version(name))

    def _tag(self, row: Json, tags: list[dict[str, str]]) -> None:
        self._ssm.add_tags_to_resource(ResourceType="Document", ResourceId=row["name"], Tags=tags)

    def _untag(self, row: Json, names: list[str]) -> None:
        self._ssm.remove_tags_from_resource(ResourceType="Document", ResourceId=row["name"], TagKeys=names)

    def _version(self, name: str) -> str:
        """The number of the version with the wanted content: a new one, or, as AWS takes no content twice, an old one."""
        content = json.dumps(self.params["content"])
        try:
            made = self._ssm.update_document(
                Name=name, DocumentFormat="JSON", DocumentVersion="$LATEST", Content=content
            )
        except is_boto3_error_code("DuplicateDocumentContent"):
            latest = int(self._ssm.describe_document(Name=name)["Document"]["LatestVersion"])
            for number in map(str, range(latest, 0, -1)):
                try:
                    old = self._ssm.get_document(Name=name, DocumentVersion=number, DocumentFormat="JSON")
                except is_boto3_error_code("InvalidDocumentVersion"):
                    continue
                if json.loads(old["Content"]) == self.params["content"]:
                    return number
            raise
        return str(made["DocumentDescription"]["DocumentVersion"])

    def _delete(self, row: Json) -> None:
        self._ssm.delete_document(Name=row["name"])


def main() -> None:
    """Entry point."""
    options = {"name": {"type": "str", "required": True}, "content": {"type": "dict"}}
    converge(Document, options, required_if=[("state", "present", ["content"])])


if __name__ == "__main__":
    main()
