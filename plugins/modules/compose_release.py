# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: compose_release
short_description: Bring a compose project to what its files, its settings and the registry now say, or leave it as it was
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Asks the registry which image each tag means now, pulls what is missing, and lets C(docker compose up) create, recreate
    and remove just what differs. Then waits until every service is ready, and records the release.
  - Nothing that runs is touched before all images are on the host and the jobs of O(jobs_before) are done. If something fails
    after that, the last successful release is put back, files, settings and images together, and the task fails.
  - A service is ready when it has been healthy for two seconds, or without a healthcheck running for five, and was not
    restarted; a one-shot when it exited with 0. After that the O(http_checks) must succeed.
  - Compose runs in the folder of the first compose file. What is to run is decided from all files of the wanted commit, as they will
    lie there.
  - A release that needs nothing changes nothing. Besides what Compose compares, a changed file that is mounted from
    O(project_dir) into a service recreates that service.
  - The work is done on the host by processes of its own, under a lock. It goes on to its end when the connection or the controller
    is lost, and the next run tells how it ended.
  - A service with the label C(popcon.deploy.initial-environment) names in it, separated by commas, variables of its environment that
    it reads at its first start only, such as V(MYSQL_PASSWORD,MYSQL_ROOT_PASSWORD). Other values of these alone don't recreate it.
notes:
  - Runs on the host, as root. Another user who may use the Docker Engine can only release files and settings that are in place
    already.
  - To put a release back, the files must be a clone that P(popcon.deploy.gitops_checkout#module) made.
requirements:
  - Docker Engine
  - docker compose >= 2.20
  - boto3 >= 1.26, only for O(parameter_paths)
seealso:
  - module: popcon.deploy.compose_rollback
  - module: popcon.deploy.compose_release_info
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.attributes.linux
  - popcon.deploy.release
  - popcon.deploy.release.project
  - popcon.deploy.release.who
  - amazon.aws.common.modules
  - amazon.aws.region.modules
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
options:
  tree:
    description:
      - In check mode, the folder that holds the wanted content of O(project_dir), where that isn't there yet.
        RV(popcon.deploy.gitops_checkout#module:tree) is such a folder. By default O(project_dir).
      - Outside check mode it is what the clone in O(project_dir) has of O(commit).
    type: path
  files:
    description:
      - Compose files in O(project_dir), later ones over earlier ones. Relative paths in them start from the folder of the first.
    type: list
    elements: str
    default: [docker-compose.yml]
  profiles:
    description:
      - Profiles whose services are started too, besides those without a profile. Containers of services of other profiles are removed.
    type: list
    elements: str
    default: []
  commit:
    description:
      - The commit of the files, in full. If O(project_dir) is not at it, it is brought there when the time has come.
      - By default the one that is checked out in O(project_dir).
    type: str
  repository:
    description:
      - Where the files are from, for the record.
    type: str
  ref:
    description:
      - Which branch or tag they were asked for by, for the record.
    type: str
  keep_images:
    description:
      - Take the images of the last successful release, whatever their tags stand for by now. For a release that is to change settings
        only.
    type: bool
    default: false
  parameter_paths:
    description:
      - Paths of Parameter Store to make O(env_file) from, as P(popcon.deploy.ssm_env_render#module) does, when it is this run's
        turn. The file is written when the files are switched, and not at all if the release isn't begun.
      - By default O(env_file) is taken as it is.
    type: list
    elements: str
  contract:
    description:
      - The app's C(.env.example) in O(tree), for O(parameter_paths); see O(popcon.deploy.ssm_env_render#module:contract).
    type: str
  digests:
    description:
      - Images by digest, by their references in the compose files, which the registries are not asked for then, as in
        RV(popcon.deploy.deploy_host_info#module:digests). So that all hosts get the same images, also if one is pushed meanwhile.
    type: dict
    default: {}
  options_digest:
    description:
      - A digest of the other options that decide what is deployed, for the record. If it differs, there is a new release.
    type: str
    default: ""
  http_checks:
    description:
      - Addresses to ask, from the host, once all services are ready.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: The address. Redirects are not followed.
        type: str
        required: true
      status:
        description: The HTTP status that the answer must have.
        type: int
        default: 200
  jobs_before:
    description:
      - Commands to run one after the other when all images are there and before anything that runs is touched, such as a migration
        of the database. Each runs in a new container of its service, with the wanted image, files and settings.
      - If one fails, the release is not begun.
    type: list
    elements: dict
    default: []
    suboptions: &job
      service:
        description:
          - The service whose image, settings, networks and volumes the container gets. It may have a profile that is not in O(profiles).
        type: str
        required: true
      command:
        description: The command, in the place of the image's. It is shown, so there must be no secret in it.
        type: list
        elements: str
        required: true
      seconds:
        description: How long it may take.
        type: int
        default: 600
  jobs_after:
    description:
      - The same for when the release is ready. If one fails, the task fails, but the release stays.
    type: list
    elements: dict
    default: []
    suboptions: *job
"""

EXAMPLES = r"""
- name: Release the app
  popcon.deploy.compose_release:
    project: popcon
    project_dir: /opt/popcon/app

- name: Release from two compose files after a migration, with ten minutes for a slow back end
  popcon.deploy.compose_release:
    project: popcon
    project_dir: /opt/popcon/app
    files:
      - docker-compose.yml
      - docker-compose.prod.yml
    parameter_paths: [/popcon]
    contract: .env.example
    region: ap-northeast-2
    jobs_before:
      - service: backend
        command: [java, -jar, app.jar, migrate]
    service_wait_seconds:
      backend: 600
    http_checks:
      - url: http://127.0.0.1:3000/health
"""

RETURN = r"""
plan:
  description: What was needed, a line a service.
  returned: success
  type: list
  elements: str
  sample: ["recreate frontend: image example.com/web@sha256:1f… -> example.com/web@sha256:9c…"]
differences:
  description: What else is not as in the last successful release.
  returned: success
  type: list
  elements: str
  sample: ["commit 0f1e2d3 -> 8c0de9a", "parameter /popcon/JAVA_OPTS: version 3 -> 4"]
settings:
  description: Keys that O(env_file) has not as O(parameter_paths) say, before this run.
  returned: success
  type: list
  elements: str
  sample: [JAVA_OPTS]
release:
  description: Number of the release that runs, or of the one that failed; null in check mode before the first.
  returned: always
  type: int
  sample: 12
rolled_back_to:
  description: Number of the release that runs again.
  returned: when the release failed and the one before was put back
  type: int
  sample: 11
pulled:
  description: Services whose images were not on the host. Empty in check mode.
  returned: success
  type: list
  elements: str
  sample: [frontend]
pruned:
  description: Images of old releases that were removed.
  returned: success
  type: list
  elements: str
  sample: []
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

import functools
import os
import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import require_sdk, retrying_config
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck
from ansible_collections.popcon.deploy.plugins.module_utils._release.module import SHARED_ARGUMENTS, carry_out
from ansible_collections.popcon.deploy.plugins.module_utils._release.rollout import Rollout
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import Job, Project, Target
from ansible_collections.popcon.deploy.plugins.module_utils._settings.render import Rendered, read_contract, render

JOB: dict[str, t.Any] = {
    "service": {"type": "str", "required": True},
    "command": {"type": "list", "elements": "str", "required": True},
    "seconds": {"type": "int", "default": 600},
}

ARGUMENT_SPEC: dict[str, t.Any] = {
    **SHARED_ARGUMENTS,
    "tree": {"type": "path"},
    "files": {"type": "list", "elements": "str", "default": ["docker-compose.yml"]},
    "profiles": {"type": "list", "elements": "str", "default": []},
    "commit": {"type": "str"},
    "repository": {"type": "str"},
    "ref": {"type": "str"},
    "keep_images": {"type": "bool", "default": False},
    "parameter_paths": {"type": "list", "elements": "str"},
    "contract": {"type": "str"},
    "digests": {"type": "dict", "default": {}},
    "options_digest": {"type": "str", "default": ""},
    "http_checks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"url": {"type": "str", "required": True}, "status": {"type": "int", "default": 200}},
    },
    "jobs_before": {"type": "list", "elements": "dict", "default": [], "options": JOB},
    "jobs_after": {"type": "list", "elements": "dict", "default": [], "options": JOB},
}


def rendered(module: AnsibleAWSModule, tree: str) -> Rendered:
    """The settings, by the contract in the folder of the wanted files."""
    require_sdk()
    params = module.params
    contract = read_contract(os.path.join(tree, params["contract"])) if params["contract"] else None
    return render(module.client("ssm", config=retrying_config()), params["parameter_paths"], contract)


def wanted(module: AnsibleAWSModule, project: Project) -> Target:
    """The target that the options describe."""
    params = module.params
    return Target(
        action="deploy",
        # In check mode the clone may not have the commit yet.
        tree=(params["tree"] or project.folder).rstrip("/") if module.check_mode else None,
        profiles=params["profiles"],
        files=params["files"],
        commit=params["commit"] or checkout.head(project.folder),
        repository=params["repository"],
        ref=params["ref"],
        render=None if params["parameter_paths"] is None else functools.partial(rendered, module),
        keep_images=params["keep_images"],
        digests=params["digests"],
        http_checks=[HttpCheck(**check) for check in params["http_checks"]],
        jobs_before=[Job(**job) for job in params["jobs_before"]],
        jobs_after=[Job(**job) for job in params["jobs_after"]],
        options_digest=params["options_digest"],
    )


def main() -> None:
    """Entry point."""
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_by={"contract": ["parameter_paths"]},
        supports_check_mode=True,
        # Only parameter_paths needs boto3, and that is checked.
        check_boto3=False,
    )

    def dry_run(rollout: Rollout, project: Project) -> dict[str, t.Any]:
        return rollout.dry_run(wanted(module, project))

    def run(rollout: Rollout, project: Project) -> dict[str, t.Any]:
        return rollout.run(wanted(module, project))

    carry_out(module, dry_run, run)


if __name__ == "__main__":
    main()
