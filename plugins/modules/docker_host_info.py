# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: docker_host_info
short_description: Say what a host has of what running compose projects needs
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Looks once at all that the role P(popcon.deploy.docker#role) may have to install or configure, since over
    P(amazon.aws.aws_ssm#connection) every further look would cost a session.
extends_documentation_fragment:
  - popcon.deploy.attributes
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing in any mode.
  diff_mode:
    support: N/A
    details:
      - Changes nothing, so there is no difference to show.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Look at the host
  popcon.deploy.docker_host_info:
  register: host

- name: Say what it runs
  ansible.builtin.debug:
    msg: "Engine {{ host.engine }}, Compose {{ host.compose }}"
"""

RETURN = r"""
distribution:
  description: C(ID) and C(VERSION_ID) of C(/etc/os-release).
  returned: success
  type: dict
  sample: {"id": "debian", "version": "13"}
engine:
  description: Version of the Docker Engine that answers; null if none does.
  returned: success
  type: str
  sample: 26.1.5
compose:
  description: Version of the C(docker compose) plugin; null without one.
  returned: success
  type: str
  sample: 2.26.1
missing:
  description: Which of the things a release needs are not there.
  returned: success
  type: list
  elements: str
  choices: [engine, compose, git, boto3]
  sample: [boto3]
daemon_config:
  description: What C(/etc/docker/daemon.json) holds; empty without the file.
  returned: success
  type: dict
  sample: {"live-restore": true}
"""

import importlib.util
import json
import re
import shutil
import subprocess

from ansible.module_utils.basic import AnsibleModule

DAEMON_CONFIG = "/etc/docker/daemon.json"


def distribution(text: str) -> dict[str, str]:
    """The system's id and version from the text of an os-release file."""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return {"id": fields.get("ID", "unknown"), "version": fields.get("VERSION_ID", "")}


def version_of(*command: str) -> str | None:
    """The version number that a command prints, or None if it isn't there or fails."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found.group() if found and done.returncode == 0 else None


def read(path: str) -> str:
    """The text of a file, empty if there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        daemon_config = json.loads(read(DAEMON_CONFIG) or "{}")
    except ValueError:
        module.fail_json(msg=f"{DAEMON_CONFIG} is not valid JSON: mend it, or the engine won't start again.")
    engine = version_of("docker", "version", "--format", "{{.Server.Version}}")
    compose = version_of("docker", "compose", "version", "--short")
    there = {
        "engine": engine,
        "compose": compose,
        "git": version_of("git", "--version"),
        "boto3": importlib.util.find_spec("boto3"),
    }
    module.exit_json(
        distribution=distribution(read("/etc/os-release")),
        engine=engine,
        compose=compose,
        missing=[name for name, found in there.items() if not found],
        daemon_config=daemon_config,
    )


if __name__ == "__main__":
    main()
