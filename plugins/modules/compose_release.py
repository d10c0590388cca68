# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: compose_release
short_description: Bring a compose project to what its files, its settings and the registry now say
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Asks the registry which image each tag means now, pulls what is missing, and lets C(docker compose up) create, recreate
    and remove just what differs. Then waits until every service is ready.
  - Nothing that runs is touched before all images are on the host. A release that needs nothing changes nothing.
  - A service is ready when it is healthy; one without a healthcheck when it was seen running three times without a restart
    in between; a one-shot when it exited with 0.
  - Besides what Compose compares, a changed file that is mounted from O(project_dir) into a service recreates that service.
notes:
  - Runs on the host, as a user who may use the Docker Engine.
requirements:
  - Docker Engine
  - docker compose >= 2.20
extends_documentation_fragment:
  - popcon.deploy.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is pulled or started; the registry is asked for digests.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Until a tag stands for another image.
  platform:
    support: full
    platforms: linux
options:
  project:
    description:
      - Name of the compose project.
    type: str
    required: true
  project_dir:
    description:
      - Folder of the compose files, from which relative paths in them start.
    type: path
    required: true
  tree:
    description:
      - Folder that holds the wanted content of O(project_dir), where that isn't there yet, as in check mode.
        RV(popcon.deploy.gitops_checkout#module:tree) is such a folder.
      - By default O(project_dir).
    type: path
  files:
    description:
      - Compose files in O(tree), later ones over earlier ones.
    type: list
    elements: str
    default: [docker-compose.yml]
  env_file:
    description:
      - The file that C(${NAME}) in the compose files is filled from.
      - By default C(.env) in O(project_dir).
    type: path
  changed_keys:
    description:
      - Names of settings that were added, removed or changed since the last release, or in check mode will be. They are named as
        the reason where a service is recreated for them.
    type: list
    elements: str
    default: []
  wait_seconds:
    description:
      - How long a service may take to become ready.
    type: int
    default: 300
  log_lines:
    description:
      - How many of its last log lines are shown of a service that doesn't become ready. Values of settings are taken out.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Release the app
  popcon.deploy.compose_release:
    project: popcon
    project_dir: /opt/popcon/app

- name: Release from two compose files, with five minutes for a slow start
  popcon.deploy.compose_release:
    project: popcon
    project_dir: /opt/popcon/app
    files:
      - docker-compose.yml
      - docker-compose.prod.yml
    wait_seconds: 300
"""

RETURN = r"""
plan:
  description: What was needed, a line a service.
  returned: success
  type: list
  elements: str
  sample: ["recreate frontend: image example.com/web@sha256:1f… -> example.com/web@sha256:9c…"]
pulled:
  description: Services whose images were not on the host. Empty in check mode.
  returned: success
  type: list
  elements: str
  sample: [frontend]
services:
  description: What runs now.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: Name in the compose file.
      type: str
      sample: frontend
    container:
      description: Name of the container.
      type: str
      sample: popcon-frontend-1
    id:
      description: Id of the container.
      type: str
      sample: 8f3c1e0b6d5a
    image:
      description: Image without tag.
      type: str
      sample: 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/dev-app
    digest:
      description: Digest of the image; empty for a container that was not made by this module.
      type: str
      sample: sha256:9c5f0c3b
    state:
      description: Health where there is a healthcheck, otherwise the state.
      type: str
      sample: healthy
    ports:
      description: Ports published on the host.
      type: list
      elements: str
      sample: ["3000"]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.popcon.deploy.plugins.module_utils import _registry_auth
from ansible_collections.popcon.deploy.plugins.module_utils._compose import Compose
from ansible_collections.popcon.deploy.plugins.module_utils._contract import parse_contract
from ansible_collections.popcon.deploy.plugins.module_utils._engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._release import Release, Wanted
from ansible_collections.popcon.deploy.plugins.module_utils._scrub import scrubber
from ansible_collections.popcon.deploy.plugins.module_utils._secret_file import read_regular_file

ARGUMENT_SPEC: dict[str, t.Any] = {
    "project": {"type": "str", "required": True},
    "project_dir": {"type": "path", "required": True},
    "tree": {"type": "path"},
    "files": {"type": "list", "elements": "str", "default": ["docker-compose.yml"]},
    "env_file": {"type": "path"},
    # Names only, whatever "key" makes one think.
    "changed_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "wait_seconds": {"type": "int", "default": 300},
    "log_lines": {"type": "int", "default": 20},
}


def run(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Release, or in check mode only plan to, and return the module's result."""
    release = prepared(params, check_mode)
    pulled = [] if check_mode else release.pull()
    before = release.containers()
    plan = release.plan()
    if not check_mode:
        if not plan.is_empty():
            release.apply(plan, params["wait_seconds"])
        release.wait_until_ready(params["wait_seconds"], since=before)
    lines = plan.lines()
    return {
        "changed": bool(lines),
        "plan": lines,
        "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
        "pulled": pulled,
        "services": release.services(),
    }


def prepared(params: dict[str, t.Any], check_mode: bool) -> Release:
    """The release that the options describe, with its images resolved; nothing is changed yet."""
    project_dir = params["project_dir"].rstrip("/")
    tree = (params["tree"] or project_dir).rstrip("/")
    files = [os.path.join(tree, name) for name in params["files"]]
    for path in files:
        if not os.path.isfile(path):
            raise DeployError(
                f"There is no compose file {path}: correct files, or the repository or ref that was checked out."
            )
    env_file = params["env_file"] or f"{project_dir}/.env"
    content = read_regular_file(env_file)
    settings = parse_contract(content or b"", env_file)
    unwritten = [key for key in params["changed_keys"] if key not in settings] if check_mode else []
    wanted = Wanted(params["project"], project_dir, tree, env_file, params["changed_keys"], unwritten, check_mode)
    # Compose wants a file, and in check mode the first one isn't written yet.
    compose = Compose(wanted.project, project_dir, files, os.devnull if content is None else env_file)
    # In check mode nobody logged in, so what a real run would store is only held for the question.
    auths = [_registry_auth.stored, *([_registry_auth.minted] if check_mode else [])]
    return Release(wanted, compose, Engine(), auths, scrubber(settings.values()), params["log_lines"])


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    result, problem = attempt(run, module.params, module.check_mode)
    if problem:
        module.fail_json(msg=problem)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
