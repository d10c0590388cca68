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
  inputs:
    description:
      - Text that is another one as soon as an option of the deploy is, of those that have no option here, for example a hash
        over them all. With it, RV(at_target) is told.
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
    inputs: "{{ ['docker-compose.yml', '.env.example'] | to_json | hash('sha256') }}"
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
  choices: [engine, compose, identity, clock, parameters, token, repository, registries, target]
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
    - O(registries), if for each of them a token is stored that has half of its life left and that it accepts, so that
      P(popcon.deploy.ecr_login#module) would change nothing. Otherwise null.
  returned: success
  type: list
  elements: str
  sample: []
inputs:
  description: O(inputs), for the task that releases.
  returned: success
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
release:
  description: The record of the last successful release of O(project), without its parameters; null without one.
  returned: success
  type: dict
  sample: {"number": 12, "commit": "8c0de9a5bfb34f2b7c8d1e0f9a6b5c4d3e2f1a0b", "result": "succeeded", "by": "alice"}
lock:
  description: Who deploys O(project) at this moment; null if nobody does.
  returned: success
  type: dict
  sample: {"by": "alice", "origin": "laptop", "run": "5f1c", "since": "2026-11-23T07:00:00Z", "pid": 4711}
services:
  description: The containers of O(project), as in RV(popcon.deploy.compose_release#module:services).
  returned: success
  type: list
  elements: dict
  sample: [{"service": "frontend", "container": "popcon-frontend-1", "state": "healthy"}]
at_target:
  description: Whether a deploy would change nothing; null without O(inputs).
  returned: success
  type: bool
  sample: false
differences:
  description: Why it would change something, in a few words each.
  returned: success
  type: list
  elements: str
  sample: ["commit 0f1e2d3 -> 8c0de9a", "parameter /popcon/DB_HOST changed", "image of backend", "backend is unhealthy"]
digests:
  description:
    - The images of the last successful release as the registries have them now, by reference; empty without O(inputs). Those that no
      registry told are left out.
  returned: success
  type: dict
  sample: {"example.com/web:latest": "example.com/web@sha256:9c5f0c3b"}
checkout:
  description:
    - What of the result of P(popcon.deploy.gitops_checkout#module) a release needs, if O(project_dir) is at the wanted commit already and
      its files are as that has them. Otherwise, and without O(inputs), null.
  returned: success
  type: dict
  sample:
    repository: https://github.com/example/gitops.git
    ref: main
    after: 8c0de9a5bfb34f2b7c8d1e0f9a6b5c4d3e2f1a0b
    tree: /opt/popcon/app
"""

import functools
import importlib.util
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import retrying_config, show_warnings
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.container import row_of
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import check_ref, check_repository, private_git
from ansible_collections.popcon.deploy.plugins.module_utils._git.token import read_token
from ansible_collections.popcon.deploy.plugins.module_utils._preflight import host as _host
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.access import (
    Findings,
    Identity,
    check_registries,
    commit_of,
    identify,
    parameter_versions,
)
from ansible_collections.popcon.deploy.plugins.module_utils._registry import stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import texts
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host, look
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._status import up_to_date

ARGUMENT_SPEC: dict[str, t.Any] = {
    "project": {"type": "str"},
    "project_dir": {"type": "path"},
    "state_dir": {"type": "path", "default": "/var/lib/popcon/projects"},
    "min_free_gb": {"type": "float", "default": 2},
    "parameter_paths": {"type": "list", "elements": "str"},
    "repository": {"type": "str"},
    "ref": {"type": "str", "default": "main"},
    "token_parameter": {"type": "str", "no_log": False},
    "token_username": {"type": "str", "default": "x-access-token", "no_log": False},
    "git_timeout": {"type": "int", "default": 120},
    "registries": {"type": "list", "elements": "str"},
    "inputs": {"type": "str"},
}


# What a deploy needs besides Docker, and what tells whether it is there.
TOOLS: dict[str, t.Callable[[], object]] = {
    "git": lambda: _host.version_of("git", "--version"),
    "boto3": lambda: importlib.util.find_spec("boto3"),
}

# What AWS is asked for, and the option that asks for it.
AWS_CHECKS = {"parameters": "parameter_paths", "token": "token_parameter", "registries": "registries"}


def run(module: AnsibleAWSModule) -> tuple[Json, list[str]]:
    """The module's result, and warnings."""
    params = module.params
    near, far = Findings(), Findings()
    lacks = [name for name, there in TOOLS.items() if not there()]
    with ThreadPoolExecutor(max_workers=1) as pool:
        # The host and the registries are looked at while AWS and the repository are asked, which takes as long.
        answers = pool.submit(ask, module, far, lacks)
        result = look_at_host(near, lacks)
        if params["project"]:
            check_docker(near, result, params)
        project = near.tried(look_at_project, module, result) if params["project"] else None
        asked = answers.result()
    findings = near.joined(far)
    result.update(identity=asked.identity, parameters=asked.parameters, commit=asked.commit, inputs=params["inputs"])
    result["logged_in"] = params["registries"] if asked.logged_in else None
    at_target = None if params["inputs"] is None else False
    result.update(release=None, lock=None, services=[], at_target=at_target, differences=[], digests={}, checkout=None)
    if project:
        host = project.host
        result.update(
            release=record_without_parameters(host.release) if host.release else None,
            lock=host.holder,
            services=[row_of(container) for container in host.containers],
        )
        if params["inputs"] is not None:
            result.update(compare(params, findings, result, project))
    result.update(changed=False, problems=findings.problems, unchecked=findings.unchecked)
    return result, findings.warnings


def look_at_host(findings: Findings, lacks: list[str]) -> Json:
    """What the host has, besides the tools that it lacks."""
    there = {
        "engine": _host.version_of("docker", "version", "--format", "{{.Server.Version}}"),
        "compose": _host.version_of("docker", "compose", "version", "--short"),
    }
    return {
        "distribution": _host.distribution(_host.read("/etc/os-release")),
        **there,
        "missing": [name for name, found in there.items() if not found] + lacks,
        "daemon_config": findings.tried(_host.daemon_config) or {},
    }


def check_docker(findings: Findings, host: Json, params: Json) -> None:
    """Note what of Docker is too old, and where it has too little room."""
    for name, title, least in (
        ("engine", "Docker Engine", _host.MINIMUM_ENGINE),
        ("compose", "Docker Compose", _host.MINIMUM_COMPOSE),
    ):
        if host[name]:
            findings.problem(_host.age_problem(title, host[name], least))
        else:
            findings.unchecked.append(name)
    folder = _host.data_folder(host["daemon_config"])
    if host["engine"]:
        folder = findings.tried(Engine().data_folder) or folder
    needed = int(params["min_free_gb"] * _host.GIGABYTE)
    findings.problem(findings.tried(_host.room_problem, folder, needed, _host.DOCKER_FILES))
    findings.problem(
        findings.tried(_host.room_problem, params["project_dir"], _host.PROJECT_BYTES, _host.PROJECT_FILES)
    )


class Asked(t.NamedTuple):
    """What AWS and the repository said, as far as they were asked.

    The host's ARN, the versions of the parameters by their names, the token, whether the host needn't log in to registries, and
    the commit.
    """

    identity: str | None = None
    parameters: dict[str, int] | None = None
    token: str | None = None
    logged_in: bool = False
    commit: str | None = None


def ask(module: AnsibleAWSModule, findings: Findings, lacks: list[str]) -> Asked:
    """Ask AWS and the repository for what the options name."""
    params = module.params
    asked = ask_aws(module, findings, lacks)
    if not params["repository"]:
        return asked
    if "git" in lacks or (params["token_parameter"] and not asked.token):
        findings.unchecked.append("repository")
        return asked
    return asked._replace(commit=findings.tried(ask_repository, module, asked.token))


def ask_aws(module: AnsibleAWSModule, findings: Findings, lacks: list[str]) -> Asked:
    """Ask AWS for what the options name."""
    params = module.params
    asked = [check for check, option in AWS_CHECKS.items() if params[option] is not None]
    if not asked:
        return Asked()
    region = None if "boto3" in lacks else module.region
    if region is None:
        findings.unchecked += ["identity", "clock", *asked]
        if "boto3" not in lacks:
            findings.problem("No region is set: set the option region, or AWS_REGION on the host.")
        return Asked()

    def client(service: str, region: str | None = region, config: t.Any = None) -> t.Any:
        return module.client(service, region=region, config=config or retrying_config())

    ssm = functools.lru_cache(maxsize=1)(lambda: client("ssm"))

    identity = identify(client)
    check_identity(findings, identity, own_registry=params["registries"] == [])
    if identity.problem and not identity.unreachable:
        findings.unchecked += asked
        return Asked()
    versions = token = None
    logged_in = False
    if "parameters" in asked:
        versions = parameter_versions(findings, ssm(), params["parameter_paths"])
    if "token" in asked:
        token = findings.tried(lambda: read_token(module, params["token_parameter"], ssm()))
    if "registries" in asked:
        names = params["registries"] or [identity.account]
        if names == [None]:
            findings.unchecked.append("registries")
        else:
            logged_in = check_registries(findings, names, region, client)
    return Asked(identity.arn, versions, token, logged_in)


def check_identity(findings: Findings, identity: Identity, own_registry: bool) -> None:
    """Note what is wrong with who the host is, and with its clock.

    :param own_registry: whether the account's own registry is meant, for which the account must be known.
    """
    if identity.problem and identity.unreachable and not own_registry:
        findings.warnings.append(identity.problem)
    else:
        findings.problem(identity.problem)
    if identity.arn is None:
        findings.unchecked.append("identity")
    if identity.ahead is None:
        findings.unchecked.append("clock")
    else:
        problem, warning = _host.clock_verdict(identity.ahead)
        findings.problem(problem)
        findings.warnings += [warning] if warning else []


def ask_repository(module: AnsibleAWSModule, token: str | None) -> str | None:
    """The commit that is wanted, as for `commit_of`. Errors: DeployError."""
    params = module.params
    check_repository(params["repository"])
    check_ref(params["ref"])
    access = {
        "username": params["token_username"],
        "token": (lambda: token) if token else None,
        "token_name": params["token_parameter"],
    }
    with private_git(params["repository"], params["git_timeout"], module.tmpdir, **access) as git:
        return commit_of(git, params["ref"], params["project_dir"])


class Project(t.NamedTuple):
    """What was released and what runs; `digests` has the images of the last release as the registries have them now."""

    host: Host
    digests: dict[str, str]


def look_at_project(module: AnsibleAWSModule, found: Json) -> Project:
    """See what was released and what runs. Errors: DeployError."""
    params = module.params
    folder = params["project_dir"]
    records, engine = Records(params["state_dir"], params["project"]), Engine()
    host = look(records, engine if found["engine"] else None, folder, f"{folder}/.env")
    if params["inputs"] is None or found["missing"] or host.release is None:
        return Project(host, {})
    return Project(host, up_to_date.digests_of(host.release, engine, [stored_logins.stored, stored_logins.minted]))


def record_without_parameters(record: Record) -> Json:
    """A record as the module returns it."""
    return {name: value for name, value in record.to_json().items() if name != "parameters"}


def compare(params: Json, findings: Findings, found: Json, project: Project) -> Json:
    """Whether a deploy would change something, and which of its work is done."""
    if found["missing"]:
        findings.unchecked.append("target")
        return {"differences": [f"the host lacks {', '.join(found['missing'])}"]}
    versions = {} if params["parameter_paths"] is None else found["parameters"]
    sources = up_to_date.Sources(params["inputs"], params["repository"], found["commit"], versions, project.digests)
    changes = up_to_date.changes(sources, project.host)
    told = {"at_target": not changes, "differences": texts(changes), "digests": project.digests}
    checkout = project.host.checkout
    if sources.commit and sources.commit == checkout.commit and not (checkout.edits or checkout.interrupted):
        where = {name: params[name] for name in ("repository", "ref")}
        told["checkout"] = {**where, "after": checkout.commit, "tree": params["project_dir"]}
    return told


def main() -> None:
    """Entry point."""
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_together=[("project", "project_dir")],
        required_by={"inputs": ["project"]},
        supports_check_mode=True,
        check_boto3=False,
    )
    answer, problem = attempt(run, module)
    if answer is None:
        module.fail_json(msg=problem)
    else:
        result, warnings = answer
        show_warnings(warnings)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
