"""The lifecycle policy of a repository, which is compared by priority and written as AWS has it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

boto3 = pytest.importorskip("boto3", reason="no boto3")
moto = pytest.importorskip("moto", reason="no moto")

from ansible_collections.popcon.deploy.plugins.module_utils._provision import lifecycle

RULES = [
    {"rulePriority": priority, "selection": {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": 9},
     "action": {"type": "expire"}}
    for priority, status in ((2, "any"), (1, "untagged"))
]  # fmt: skip


@pytest.fixture
def ecr() -> t.Iterator[t.Any]:
    with moto.mock_aws():
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "none"}
        ecr = boto3.client("ecr", region_name="ap-northeast-2", **keys)
        ecr.create_repository(repositoryName="app")
        yield ecr


def test_what_is_written_is_read_in_whatever_order(ecr: t.Any) -> None:
    assert lifecycle.read(ecr, "app") == {}
    lifecycle.write(ecr, "app", RULES)
    assert lifecycle.read(ecr, "app") == lifecycle.by_priority(RULES[::-1])
    lifecycle.write(ecr, "app", [])
    assert lifecycle.read(ecr, "app") == {}
