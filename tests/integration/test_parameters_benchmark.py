"""The benchmark works, and the module needs no more API calls than the AWS CLI; the times are for people to judge."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("boto3", reason="no boto3")
pytest.importorskip("moto.server", reason="no moto (pip install 'moto[server,ssm]')")

from ansible_collections.popcon.deploy.benchmarks import parameters


@pytest.fixture(scope="module")
def server():
    with parameters.serve(95) as server:
        yield server


def test_the_module_reads_ten_parameters_per_call(server):
    cost = parameters.by_module(server)
    assert (cost.read, cost.calls) == (95, {"GetParametersByPath": 10})


@pytest.mark.skipif(shutil.which("aws") is None, reason="the aws command is not installed")
def test_the_aws_cli_needs_as_many_calls(server):
    cost = parameters.by_cli(server)
    assert (cost.read, cost.calls) == (95, {"GetParametersByPath": 10})
