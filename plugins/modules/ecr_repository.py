# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_repository
short_description: Bring a repository in ECR to what is wanted, tags and all
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Makes a repository, or brings its scanning, the mutability of its tags, its lifecycle policy and its own tags to what is wanted.
  - Unlike C(community.aws.ecs_ecr), it knows tags, without which nobody could tell whose a repository is, and in check mode
    it says what would change.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.provision
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  name:
    description:
      - Name of the repository.
    type: str
    required: true
  scan_on_push:
    description:
      - Whether an image is looked through for known weaknesses when it is pushed.
    type: bool
    default: true
  immutable_tags:
    description:
      - Whether a tag stays with the image that it was pushed with. Tags such as C(backend-latest), which move, then can't be used.
    type: bool
    default: false
  lifecycle_rules:
    description:
      - Rules of the lifecycle policy, as AWS has them; with none, images stay for ever.
    type: list
    elements: dict
    default: []
  force:
    description:
      - With O(state=absent), remove the repository even if there are images in it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A repository that forgets images that no tag names any more after two weeks
  popcon.deploy.ecr_repository:
    name: dev-app
    owner: popcon.deploy/popcon-dev
    lifecycle_rules:
      - rulePriority: 1
        description: Images without a tag
        selection:
          tagStatus: untagged
          countType: sinceImagePushed
          countUnit: days
          countNumber: 14
        action:
          type: expire
    region: ap-northeast-2
"""

RETURN = r"""
rows:
  description: What was, or would be, done, as in RV(popcon.deploy.provision_plan#module:rows).
  returned: success
  type: list
  elements: dict
  sample:
    - action: update
      kind: ECR repository
      name: dev-app
      id: arn:aws:ecr:ap-northeast-2:123456789012:repository/dev-app
      changes: [{attribute: scan on push, before: false, after: true}]
      note: ""
problems:
  description: What keeps it from being done, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision import lifecycle
from ansible_collections.popcon.deploy.plugins.module_utils._provision.module import Compared, converge, pairs, unpaired
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource


class Repository(Compared):
    """A repository in ECR."""

    noun = "repository"
    rights = "ecr:*Repository"

    def __init__(self, module: AnsibleAWSModule) -> None:
        super().__init__(module)
        self._ecr = module.client("ecr")

    def wanted(self) -> list[Resource]:
        """The repository as the options have it."""
        attributes = {
            "scan on push": self.params["scan_on_push"],
            "tag mutability": "IMMUTABLE" if self.params["immutable_tags"] else "MUTABLE",
            "lifecycle": lifecycle.by_priority(self.params["lifecycle_rules"]),
            "tags": self.tags,
        }
        return [Resource("ECR repository", self.params["name"], attributes)]

    def found(self) -> list[Resource]:
        """The repository as it is, if it is."""
        name = self.params["name"]
        with aws_errors_in_words(f"look at the repository {name}", "ecr:DescribeRepositories", self.region):
            try:
                one = self._ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
            except is_boto3_error_code("RepositoryNotFoundException"):
                return []
            tags = self._ecr.list_tags_for_resource(resourceArn=one["repositoryArn"])["tags"]
        with aws_errors_in_words(f"read the lifecycle policy of {name}", "ecr:GetLifecyclePolicy", self.region):
            rules = lifecycle.read(self._ecr, name)
        attributes = {
            "scan on push": one.get("imageScanningConfiguration", {}).get("scanOnPush", False),
            "tag mutability": one["imageTagMutability"],
            "lifecycle": rules,
            "tags": unpaired(tags),
        }
        return [Resource("ECR repository", name, attributes, one["repositoryArn"])]

    def rows(self) -> list[Json]:
        """The plan, in which images are in the way of a removal."""
        note = "holds images: remove them, or say -e ecr_repository_force=true"
        return [
            {**row, "action": "conflict", "note": note} if row["action"] == "delete" and self._holds_images() else row
            for row in super().rows()
        ]

    def _holds_images(self) -> bool:
        name = self.params["name"]
        if self.params["force"]:
            return False
        with aws_errors_in_words(f"look for images in {name}", "ecr:ListImages", self.region):
            return bool(self._ecr.list_images(repositoryName=name, maxResults=1)["imageIds"])

    def _create(self, row: Json) -> None:
        (wanted,) = self.wanted()
        self._ecr.create_repository(
            repositoryName=wanted.name,
            imageTagMutability=wanted.attributes["tag mutability"],
            imageScanningConfiguration={"scanOnPush": wanted.attributes["scan on push"]},
            tags=pairs(self.tags),
        )
        if self.params["lifecycle_rules"]:
            lifecycle.write(self._ecr, wanted.name, self.params["lifecycle_rules"])

    def _update(self, row: Json) -> None:
        name, changed = row["name"], {one["attribute"].partition(".")[0] for one in row["changes"]}
        if "scan on push" in changed:
            scanning = {"scanOnPush": self.params["scan_on_push"]}
            self._ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration=scanning)
        if "tag mutability" in changed:
            mutability = self.wanted()[0].attributes["tag mutability"]
            self._ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability=mutability)
        if "lifecycle" in changed:
            lifecycle.write(self._ecr, name, self.params["lifecycle_rules"])

    def _tag(self, row: Json, tags: list[dict[str, str]]) -> None:
        self._ecr.tag_resource(resourceArn=row["id"], tags=tags)

    def _untag(self, row: Json, names: list[str]) -> None:
        self._ecr.untag_resource(resourceArn=row["id"], tagKeys=names)

    def _delete(self, row: Json) -> None:
        self._ecr.delete_repository(repositoryName=row["name"], force=self.params["force"])


def main() -> None:
    """Entry point."""
    options = {
        "name": {"type": "str", "required": True},
        "scan_on_push": {"type": "bool", "default": True},
        "immutable_tags": {"type": "bool", "default": False},
        "lifecycle_rules": {"type": "list", "elements": "dict", "default": []},
        "force": {"type": "bool", "default": False},
    }
    converge(Repository, options)


if __name__ == "__main__":
    main()
