"""Repositories with everything set, one of which was there."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json


def test_repositories(aws, tags):
    ecr = aws("ecr")
    repositories = ecr.describe_repositories()["repositories"]
    assert sorted(repository["repositoryName"] for repository in repositories) == ["new", "there"]
    for repository in repositories:
        assert not repository["imageScanningConfiguration"]["scanOnPush"]
        assert repository["imageTagMutability"] == "IMMUTABLE"
        found = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        assert tags(found) == {"Team": "web", "ManagedBy": "popcon.deploy/shop"}


def test_ten_images_are_kept(aws):
    for name in ("there", "new"):
        (rule,) = json.loads(aws("ecr").get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
        assert (rule["description"], rule["selection"]["countNumber"]) == ("The last ten", 10)
