"""Repositories as they are without options."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json


def test_repositories(aws, tags):
    ecr = aws("ecr")
    repositories = ecr.describe_repositories()["repositories"]
    assert sorted(repository["repositoryName"] for repository in repositories) == ["one", "two"]
    for repository in repositories:
        assert repository["imageScanningConfiguration"]["scanOnPush"]
        assert repository["imageTagMutability"] == "MUTABLE"
        found = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        assert tags(found) == {"App": "popcon", "ManagedBy": "popcon.deploy/molecule"}


def test_images_without_a_tag_go_after_a_month(aws):
    for name in ("one", "two"):
        (rule,) = json.loads(aws("ecr").get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
        assert rule["selection"] == {
            "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30,
        }  # fmt: skip
        assert rule["action"] == {"type": "expire"}
