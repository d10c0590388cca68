"""The versions of parameters, and in which words it is told if they can't be read."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import boto3
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import parameters
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Findings
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import REGION
from botocore.stub import ANY, Stubber


def page(stub, path, names, token=None, then=None):
    """One page of parameters below a path."""
    below = [{"Name": name, "Version": version, "Value": "hunter2"} for name, version in names.items()]
    asked = {"Path": path, "Recursive": True, "WithDecryption": True, "MaxResults": 10}
    stub.add_response(
        "get_parameters_by_path",
        {"Parameters": below, **({"NextToken": then} if then else {})},
        {**asked, **({"NextToken": token} if token else {})},
    )


def versions(prepare, paths):
    """What `parameter_versions` gives, and the problems it found."""
    ssm = boto3.client("ssm", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y")
    findings = Findings()
    with Stubber(ssm) as stub:
        prepare(stub)
        found = parameters.parameter_versions(findings, ssm, paths)
        stub.assert_no_pending_responses()
    assert "hunter2" not in repr((found, findings))
    return found, findings.problems


def test_parameters_by_names_and_versions():
    def prepare(stub):
        page(stub, "/common", {"/common/A": 1, "/common/B": 2}, then="2")
        page(stub, "/common", {"/common/db/host": 3}, token="2")
        page(stub, "/prod", {"/prod/A": 9})

    # /prod/A makes the key that /common/A does, and comes later. A path that is given twice is one.
    found = {"/prod/A": 9, "/common/B": 2, "/common/db/host": 3}
    assert versions(prepare, ["/common", "/prod", "/common/"]) == (found, [])


def test_every_path_that_cant_be_read_is_told():
    def prepare(stub):
        stub.add_client_error("get_parameters_by_path", "AccessDeniedException", "canary", expected_params=ANY_PATH)
        page(stub, "/there", {"/there/A": 1})
        page(stub, "/empty", {})

    found, problems = versions(prepare, ["/denied", "/there", "/empty", "relative"])
    assert found is None
    assert len(problems) == 3
    assert "/denied" in problems[0] and "needs ssm:GetParametersByPath" in problems[0]
    assert "No parameters under /empty" in problems[1]
    assert "'relative' is not a parameter path" in problems[2]


ANY_PATH = {"Path": ANY, "Recursive": True, "WithDecryption": True, "MaxResults": 10}


def test_names_that_make_no_keys():
    found, problems = versions(lambda stub: page(stub, "/p", {"/p/9": 1}), ["/p"])
    assert found is None
    assert "/p/9 makes '9', which is no valid key" in problems[0]
