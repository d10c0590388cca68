"""What a rotation does to Parameter Store, against two emulators over HTTP, with the same expectations of both."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import json
import typing as t
from pathlib import Path

import pytest

boto3 = pytest.importorskip("boto3", reason="no boto3")
pytest.importorskip("moto.server", reason="no moto (pip install 'moto[server,ssm]')")
pytest.importorskip("ministack", reason="no ministack (pip install ministack)")

from ansible.module_utils.testing import patch_module_args
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.pending import Holder, PendingValues
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Parameter
from ansible_collections.popcon.deploy.plugins.modules import secret_rotation
from ansible_collections.popcon.deploy.tests.integration.emulators import REGION

pytestmark = pytest.mark.usefixtures("environment")

NAME = "/app/TOKEN"
PENDING = "/app-rotation/TOKEN"
LOCK = "/app-rotation/lock"
OLD = "c4n4ry ${HOME} #'\"\nline 2 é"
ALICE = Holder("alice", "laptop", "run-1")


@pytest.fixture
def ssm(url: str) -> t.Iterator[t.Any]:
    """A client; what a test made is gone after it."""
    client = boto3.client("ssm", endpoint_url=url, region_name=REGION)
    client.put_parameter(Name=NAME, Value=OLD, Type="SecureString")
    yield client
    pages = client.get_paginator("describe_parameters").paginate()
    for name in [found["Name"] for page in pages for found in page["Parameters"]]:
        client.delete_parameter(Name=name)


def read(ssm: t.Any, name: str) -> dict[str, t.Any]:
    return ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]


def test_pending_values(ssm: t.Any) -> None:
    pending_values = PendingValues(ssm, "/app-rotation")
    parameter, nothing = pending_values.look(Parameter(NAME, "/app", 7, "?"), "TOKEN")
    assert (parameter.version, parameter.value, nothing) == (1, OLD, None)
    pending_values.create("TOKEN", "new", 1, ALICE)
    pending_values.create("TOKEN", "second", 1, ALICE)
    _dummy, pending = pending_values.look(parameter, "TOKEN")
    assert (pending.value, pending.base, pending.revert) == ("new", 1, False)
    assert read(ssm, PENDING)["Type"] == "SecureString"
    pending_values.mark("TOKEN", pending)
    assert pending_values.look(parameter, "TOKEN")[1].revert
    pending_values.replace(parameter, "new")
    with pytest.raises(DeployError, match="Somebody else changed"):
        pending_values.replace(parameter, "newer")
    now = read(ssm, NAME)
    assert (now["Value"], now["Version"], now["Type"]) == ("new", 2, "SecureString")
    for _dummy in range(2):
        pending_values.drop("TOKEN")
    assert pending_values.look(parameter, "TOKEN")[1] is None


@pytest.mark.parametrize("before", ["never taken", "given back", "over"])
def test_of_many_who_want_the_lock_at_once_one_gets_it(ssm: t.Any, before: str) -> None:
    pending_values = PendingValues(ssm, "/app-rotation")
    if before != "never taken":
        pending_values.lock(ALICE, -1 if before == "over" else 60)
    if before == "given back":
        pending_values.unlock(ALICE.run)

    def take(number: int) -> str | None:
        try:
            pending_values.lock(Holder(f"person {number}", "laptop", f"run {number}"), 60)
        except DeployError as problem:
            assert "is rotating secrets" in str(problem)
            return None
        return f"run {number}"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = [run for run in pool.map(take, range(8)) if run]
    assert len(got) == 1
    assert json.loads(read(ssm, LOCK)["Value"])["run"] in got


def test_a_rotation_and_one_that_is_taken_back(
    ssm: t.Any, url: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    account = boto3.client("sts", endpoint_url=url, region_name=REGION).get_caller_identity()["Account"]

    def run(phase: str, name: str = "run-1", **options: t.Any) -> dict:
        arguments = {
            "path": "/app",
            "secrets": {"TOKEN": {"strategy": "plain"}},
            "rotate": ["TOKEN"],
            "phase": phase,
            "project": "app",
            "state_dir": str(tmp_path / "state"),
            "run": name,
            "role_arn": f"arn:aws:iam::{account}:role/rotation",
            "endpoint_url": url,
            "region": REGION,
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            secret_rotation.main()
        return json.loads(capsys.readouterr().out)

    (entry,) = run("advance")["rotated"]
    assert (entry["old_version"], entry["new_version"], entry["state"]) == (1, 2, "promoted")
    new = read(ssm, NAME)["Value"]
    assert new != OLD
    (entry,) = run("retire", proof={"TOKEN": 2})["rotated"]
    assert entry["state"] == "retired"

    run("advance", "run-2")
    (entry,) = run("advance", "run-2", revert=True)["rotated"]
    assert (entry["old_version"], entry["new_version"], entry["state"]) == (2, 4, "reverting")
    assert read(ssm, NAME)["Value"] == new
    (entry,) = run("retire", "run-2", proof={"TOKEN": 4})["rotated"]
    assert entry["state"] == "reverted"
    left = {found["Name"] for found in ssm.describe_parameters()["Parameters"]}
    assert left == {NAME, LOCK}
