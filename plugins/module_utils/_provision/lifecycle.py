"""The lifecycle policy of a repository in ECR, which says when images are removed."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json
import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json


def by_priority(rules: list[Json]) -> Json:
    """The rules in a form that can be compared."""
    return {str(rule["rulePriority"]): {k: v for k, v in sorted(rule.items()) if k != "rulePriority"} for rule in rules}


def read(ecr: t.Any, name: str) -> Json:
    """The rules that a repository has, by their priority."""
    try:
        text = ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    except is_boto3_error_code("LifecyclePolicyNotFoundException"):
        return {}
    return by_priority(json.loads(text)["rules"])


def write(ecr: t.Any, name: str, rules: list[Json]) -> None:
    """Give a repository these rules; with none, its policy is removed."""
    if rules:
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": rules}))
    else:
        ecr.delete_lifecycle_policy(repositoryName=name)
