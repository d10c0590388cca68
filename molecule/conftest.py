"""What tests of all scenarios have: AWS as the scenario sees it, the lab, a container on a host, and what was built."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import boto3
import pytest
from ansible_collections.popcon.deploy.tests.integration.builder import Builder

from tests.e2e import logins
from tests.e2e.controller import Controller


@pytest.fixture
def folder() -> Path:
    """Where the scenario keeps what it makes on this machine."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


@pytest.fixture
def result(folder: Path) -> dict[str, t.Any]:
    """What the role left in the variable that ends with _result, when it ran for the second time."""
    return t.cast("dict[str, t.Any]", json.loads((folder / "result.json").read_text()))


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Controller:
    """The lab's deployment controller, whose Ansible is set up as that of a user, not as Molecule's."""
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    return Controller()


@pytest.fixture
def settings(controller: Controller) -> dict[str, str]:
    """What is in the project's .env on the lab's host, as Compose reads it."""
    return logins.settings(controller)


@pytest.fixture
def aws() -> t.Callable[[str], t.Any]:
    """Makes a client of a service, for the account in AWS_CONFIG_FILE."""
    return boto3.client


@pytest.fixture
def tags() -> t.Callable[[list[dict[str, str]]], dict[str, str]]:
    """Makes a dict of tags as AWS lists them."""
    return lambda found: {tag["Key"]: tag["Value"] for tag in found}


@pytest.fixture
def run_container(host: t.Any) -> t.Callable[[str], str]:
    """Runs a line of shell in a container on the host, of an image that is the host's own shell; gives what it printed."""
    needed = "$(readlink -f /bin/sh) $(ldd /bin/sh | grep -o '/[^ ]*')"
    host.check_output(f"tar --create --dereference --transform 's,bin/dash$,bin/sh,' {needed} | docker import - shell")
    return lambda line: host.check_output("docker run --rm --network none shell /usr/bin/sh -c %s", line)


@pytest.fixture
def builder(folder: Path) -> Builder:
    """The registry that the scenario of image_build pushed to."""
    return Builder(**json.loads((folder / "builder.json").read_text()))


@pytest.fixture
def commit(folder: Path) -> str:
    """The commit that was built, as tags have it."""
    command = ["git", "-C", str(folder / "source"), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout[:12]
