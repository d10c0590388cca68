# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: deploy_host_info
short_description: Say what a host has, what would keep a deploy from working there, and whether it needs one
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Looks once at all that a deploy needs of a host, before anything is changed, since over P(amazon.aws.aws_ssm#connection)
    every further look would cost a session.
  - Without options it says what the host has of what the role P(popcon.deploy.docker#role) may have to install or configure.
    Each option adds the checks of what it names.
  - Everything that stands in the way is in RV(problems), and the module does not fail for it.
  - What is not installed yet, but by the role P(popcon.deploy.docker#role) can be, is no problem. What can't be checked without
    it is in RV(unchecked).
options:
  project:
    description:
      - Name of the compose project. With it the engine, Compose and the room on the disks are checked, and what runs and
        what was released is told.
    type: str
  project_dir:
    description:
      - Folder of the compose files.
    type: path
  state_dir:
    description:
      - Folder of what is remembered of projects.
    type: path
    default: /var/lib/popcon/projects
  min_free_gb:
    description:
      - How many GB must be free where the engine keeps images and containers.
    type: float
    default: 2
  parameter_paths:
    description:
      - Paths in Parameter Store that the host must be able to read and decrypt.
      - That needs V(ssm:GetParametersByPath), and V(kms:Decrypt) if the key is not the AWS managed one.
    type: list
    elements: str
  repository:
    description:
      - URL of the repository that the host must reach, and find O(ref) in.
    type: str
  ref:
    description:
      - Branch, tag or commit, as in O(popcon.deploy.gitops_checkout#module:ref).
    type: str
    default: main
  written_files:
    description:
      - Files that a deploy writes into O(project_dir), as in O(popcon.deploy.gitops_checkout#module:written_files). A commit that
        has one of them is a problem.
    type: list
    elements: str
  token_parameter:
    description:
      - Name of the parameter that holds the token for a private repository, which the host must be able to read.
    type: str
  token_username:
    description:
      - User name that goes with the token.
    type: str
    default: x-access-token
  git_timeout:
    description:
      - Seconds that one git command may take. A command that fails for a passing reason is tried three times.
    type: int
    default: 120
  registries:
    description:
      - Registries of ECR, or account ids, that the host must be able to log in to. With an empty list, the account's own.
      - Nothing is stored; P(popcon.deploy.ecr_login#module) does that.
    type: list
    elements: str
  options_digest:
    description:
      - Digest of the options of the deploy that have no option here, for example a hash over them all. A new digest means a new
        release. With it, RV(up_to_date) is there.
      - It must be the one that P(popcon.deploy.compose_release#module) was given for the release.
    type: str
requirements:
  - Python 3.9 or newer
  - boto3 and botocore (C(python3-boto3)), only for what AWS is asked
  - git 2.20 or newer, only for O(repository)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - popcon.deploy.attributes
  - popcon.deploy.attributes.looking
attributes:
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
---
- name: Look at the host
  popcon.deploy.deploy_host_info:
  register: host

- name: Say what it runs
  ansible.builtin.debug:
    msg: "Engine {{ host.engine }}, Compose {{ host.compose }}"

- name: See whether the app can be deployed there, and needs to be
  popcon.deploy.deploy_host_info:
    project: popcon
    project_dir: /opt/popcon/app
    parameter_paths: [/popcon]
    repository: https://github.com/example/gitops.git
    token_parameter: /popcon-deploy/GIT_TOKEN
    registries: []
    options_digest: "{{ ['docker-compose.yml', '.env.example'] | to_json | hash('sha256') }}"
    region: ap-northeast-2
  register: host
  failed_when: host.problems | length > 0
"""

RETURN = r"""
---
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
  description: What C(/etc/docker/daemon.json) holds; empty without the file, and if it is broken, which is a problem.
  returned: success
  type: dict
  sample: {"live-restore": true}
problems:
  description: What would keep a deploy from working, and what to do about it, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["/var/lib/docker has 0.4 GB free, and 2.0 GB are needed. Make room there."]
unchecked:
  description: The checks that could not be made, because of what is missing or of a problem.
  returned: success
  type: list
  elements: str
  choices: [engine, compose, identity, clock, parameters, token, registries, repository, tracked, up_to_date]
  sample: [repository]
identity:
  description: The ARN that AWS knows the host by; null if it was not asked.
  returned: success
  type: str
  sample: arn:aws:sts::123456789012:assumed-role/popcon/i-0123456789abcdef0
parameters:
  description:
    - Versions of the parameters below O(parameter_paths) by their names, without those that one below a later path replaces.
      Null if they were not read.
  returned: success
  type: dict
  sample: {"/popcon/DB_HOST": 4}
commit:
  description: The commit that O(ref) stands for; null if it was not asked for, or if only a checkout can tell.
  returned: success
  type: str
  sample: 8c0de9a5bfb34f2b7c8d1e0f9a6b5c4d3e2f1a0b
logged_in:
  description:
    - Whether for each of O(registries) a token is stored that has half of its life left and that the registry accepts, so that
      P(popcon.deploy.ecr_login#module) would change nothing.
  returned: success
  type: bool
  sample: true
release:
  description: The record of the last successful release of O(project), without its parameters; null without one.
  returned: success
  type: dict
  sample: {"number": 12, "commit": "8c0de9a5bfb34f2b7c8d1e0f9a6b5c4d3e2f1a0b", "result": "succeeded", "by": "alice"}
lock:
  description: Who holds the deploy lock of O(project); null if nobody does.
  returned: success
  type: dict
  sample: {"by": "alice", "started_from": "laptop", "run": "5f1c", "since": "2026-11-23T07:00:00Z", "pid": 4711}
services:
  description: The containers of O(project), as in RV(popcon.deploy.compose_release#module:services).
  returned: success
  type: list
  elements: dict
  sample: [{"service": "frontend", "container": "popcon-frontend-1", "state": "healthy"}]
up_to_date:
  description: Whether a deploy would change nothing; null without O(options_digest).
  returned: success
  type: bool
  sample: false
differences:
  description: Why it would change something, in a few words each.
  returned: success
  type: list
  elements: str
  sample: ["commit 0f1e2d3a4b5c -> 8c0de9a5bfb3", "parameter /popcon/DB_HOST: version 3 -> 4", "image of backend", "backend is unhealthy"]
digests:
  description:
    - The images of the last successful release as the registries have them now, by reference; empty without O(options_digest). Those
      that no registry told are left out.
  returned: success
  type: dict
  sample: {"example.com/web:latest": "example.com/web@sha256:9c5f0c3b"}
checkout:
  description:
    - What of the result of P(popcon.deploy.gitops_checkout#module) a release needs, if O(project_dir) is at the wanted commit already and
      its files are as that has them. Otherwise, and without O(options_digest), null.
  returned: success
  type: dict
  sample:
    repository: https://github.com/example/gitops.git
    ref: main
    after: 8c0de9a5bfb34f2b7c8d1e0f9a6b5c4d3e2f1a0b
    tree: /opt/popcon/app
"""

import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import show_warnings
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import attempt
from ansible_collections.popcon.deploy.plugins.module_utils._preflight import look

ARGUMENT_SPEC: dict[str, t.Any] = {
    "project": {"type": "str"},
    "project_dir": {"type": "path"},
    "state_dir": {"type": "path", "default": "/var/lib/popcon/projects"},
    "min_free_gb": {"type": "float", "default": 2},
    "parameter_paths": {"type": "list", "elements": "str"},
    "repository": {"type": "str"},
    "ref": {"type": "str", "default": "main"},
    "written_files": {"type": "list", "elements": "str"},
    "token_parameter": {"type": "str", "no_log": False},
    "token_username": {"type": "str", "default": "x-access-token", "no_log": False},
    "git_timeout": {"type": "int", "default": 120},
    "registries": {"type": "list", "elements": "str"},
    "options_digest": {"type": "str"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_together=[("project", "project_dir")],
        required_by={"options_digest": ["project"], "written_files": ["project", "repository"]},
        supports_check_mode=True,
        check_boto3=False,
    )
    answer, problem = attempt(look.run, module)
    if answer is None:
        module.fail_json(msg=problem)
    else:
        result, warnings = answer
        show_warnings(warnings)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
