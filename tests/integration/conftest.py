"""What tests against both emulators start from."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.popcon.deploy.tests.corpus import composes
from ansible_collections.popcon.deploy.tests.integration.builder import docker, serve_builder
from ansible_collections.popcon.deploy.tests.integration.emulators import CREDENTIALS, serve

from lab.config import LAB


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulators' credentials, and no other setting of AWS."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**CREDENTIALS, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module", params=["moto", pytest.param("ministack", marks=pytest.mark.thorough)])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    """An emulator: each test runs with the one and with the other."""
    with serve(request.param, tmp_path_factory.mktemp(request.param)) as url:
        yield url


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    """One of them alone."""
    with serve("moto", tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    """The reference of an image redis:8 in a registry on this machine, whose login and newest Compose `docker` uses meanwhile."""
    with serve_builder(tmp_path_factory.mktemp("redis")) as builder, pytest.MonkeyPatch.context() as patch:
        reference = f"{builder.registry}/{builder.mark}/redis:8"
        builder.build(reference, LAB / "app/images/redis")
        (builder.config / "cli-plugins/docker-compose").symlink_to(composes.binary("newest"))
        patch.setenv("DOCKER_CONFIG", str(builder.config))
        docker("push", "--quiet", reference)
        yield reference
