"""What the role docker asks the package manager for on each system, up to that; on Debian it is run for real by Molecule."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import ansible_collections
import pytest
import yaml
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.host import distribution
from ansible_collections.popcon.deploy.tests.integration.emulators import environment_without_aws

#: /etc/os-release of each, as it is there.
OS_RELEASES = {
    "debian 12": """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
""",
    "debian 13": """PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
ID=debian
""",
    "ubuntu 22.04": """PRETTY_NAME="Ubuntu 22.04.5 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04.5 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=jammy
""",
    "ubuntu 24.04": """PRETTY_NAME="Ubuntu 24.04.3 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.3 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
""",
    "amzn 2023": """NAME="Amazon Linux"
VERSION="2023"
ID="amzn"
ID_LIKE="fedora"
VERSION_ID="2023"
PLATFORM_ID="platform:al2023"
PRETTY_NAME="Amazon Linux 2023"
""",
}
#: A package manager that only says what it was asked for; JSON that it is given is in the file named by its argument.
STUB = """#!/usr/bin/python
# WANT_JSON
import json, sys
print(json.dumps({"failed": True, "msg": "asked", "asked": json.load(open(sys.argv[1]))}))
"""


@pytest.fixture
def run(tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    """Runs the role as on a host of that system without Docker; gives the result of the task that ended it."""
    (tmp_path / "library").mkdir()
    for manager in ("apt", "dnf"):
        (tmp_path / f"library/{manager}.py").write_text(STUB)
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["popcon.deploy.docker"]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "ansible.cfg").touch()
    environment = {
        **environment_without_aws(),
        "ANSIBLE_COLLECTIONS_PATH": ":".join(str(Path(path).parent) for path in ansible_collections.__path__),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    }

    def run(system: str, manager: str, **variables: t.Any) -> dict[str, t.Any]:
        look = {"missing": ["engine", "compose", "git", "boto3"], "daemon_config": {}, "problems": []}
        look["distribution"] = distribution(OS_RELEASES[system])
        done = subprocess.run(
            ["ansible-playbook", "play.yml", "-e",
             json.dumps({"preflight_result": look, "ansible_package_use": manager, **variables})],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        last = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"][0]["tasks"][-1]
        return t.cast("dict[str, t.Any]", last["hosts"]["localhost"])

    return run


@pytest.mark.parametrize(
    ("system", "packages"),
    [
        ("debian 13", ["docker.io", "docker-cli", "docker-compose", "iptables", "git", "python3-boto3"]),
        ("ubuntu 24.04", ["docker.io", "docker-compose-v2", "iptables", "git", "python3-boto3"]),
    ],
)
def test_packages_that_are_known_are_asked_for(run: t.Callable[..., t.Any], system: str, packages: list[str]) -> None:
    asked = run(system, "apt")["asked"]
    assert (asked["name"], asked["state"], asked["update_cache"]) == (packages, "present", True)


@pytest.mark.parametrize("system", ["debian 12", "ubuntu 22.04", "amzn 2023"])
def test_a_system_whose_packages_are_not_known_is_refused_by_name(run: t.Callable[..., t.Any], system: str) -> None:
    result = run(system, "apt")
    assert "asked" not in result
    assert f"the packages of {system} are not known here" in " ".join(result["msg"].split())
    assert "name the packages in docker_packages" in " ".join(result["msg"].split())


def test_packages_that_are_named_are_asked_for_wherever_it_is(run: t.Callable[..., t.Any]) -> None:
    named = ["docker", "my-compose-plugin", "git", "python3-boto3"]
    assert run("amzn 2023", "dnf", docker_packages=named)["asked"]["name"] == named
