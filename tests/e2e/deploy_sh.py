"""How it was done before: the guide's deploy.sh, run on a host by a person in a session, to compare with."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab import config, seed

from .controller import PROJECT, Controller, Run


def install_aws_command(controller: Controller) -> None:
    """Give a host Debian's awscli, which the script needs. Region and credentials come from the metadata service.

    With certifi, Debian's, it trusts the certificates the system trusts, the lab's among them.
    """
    install = "apt-get -q update && apt-get -q install -y --no-install-recommends awscli python3-certifi"
    controller.on_host("sh", "-c", f"command -v aws || {{ {install}; }}")


def deploy_sh(controller: Controller) -> Run:
    """Run the script of the checkout on a host as root: its status and all it printed.

    A checkout of ours serves it as one of its own would.
    """
    container = controller.hosts()[0]["container"]
    done = subprocess.run(
        ["docker", "exec", container, f"{PROJECT}/deploy.sh"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    print(done.stdout)
    return Run(done.returncode, done.stdout)


@contextmanager
def plain_secrets(controller: Controller) -> Iterator[None]:
    """The application with secrets of letters and digits, which the script gets across, and a database made with them.

    Its own, with `$`, `#` and quotes, reach no container through the script as they are, so nothing else could be compared.
    Deploys at both ends, with the playbook.
    """
    ssm = seed.client("ssm")
    names = [f"{config.PARAMETER_PATH}/{name}" for name in ("DB_USERNAME", "DB_PASSWORD", "DB_ROOT_PASSWORD")]
    own = {name: ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] for name in names}
    try:
        _start_over(controller, {name: secrets.token_hex(8) for name in names})
        yield
    finally:
        _start_over(controller, own)


def _start_over(controller: Controller, values: dict[str, str]) -> None:
    """Deploy with other secrets and an empty database: a user and a password are made with the database only."""
    ssm = seed.client("ssm")
    for name, value in values.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    forget = "docker ps -aq | xargs -r docker rm -fv >/dev/null && docker volume rm popcon_mysql-data"
    controller.on_host("sh", "-c", forget)
    assert controller.deploy().status == 0
