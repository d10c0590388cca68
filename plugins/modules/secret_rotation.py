# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secret_rotation
short_description: Give secrets in Parameter Store new values, while the old ones stay valid until no host uses them
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Makes a new random value on the host, stores it as a pending value where deploys don't read, makes the service accept it beside
    the value in use, logs in with it, and only then puts it into the parameter. That is O(phase=advance).
  - Then it is for a deploy to bring the new value to all hosts. After that, O(phase=retire) makes the service refuse the old
    value, tries that it does, and deletes the pending value.
  - The parameter has a value that logs in at any time, so a deploy may come at any time. If a run is killed, run it again; it resumes.
    What to do is decided from what is there, so no second pending value is made while there is one.
  - A parameter that somebody else changed meanwhile is left alone, and the task fails and says so.
notes:
  - Runs on one host, which runs the services that the strategies change, as a user who may use the Docker Engine.
  - The role P(popcon.deploy.secret_rotation#role) has the IAM policy that it needs, in C(files/policy.json).
requirements:
  - python >= 3.9
  - boto3 >= 1.26 (the packages C(python3-boto3) of Debian, Ubuntu and Amazon Linux will do)
  - Docker Engine, with its C(docker) command, for strategies that work in a service
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.attributes.linux
  - popcon.deploy.release.who
  - amazon.aws.common.modules
  - amazon.aws.region.modules
attributes:
  check_mode:
    support: full
    details:
      - The same as O(phase=plan).
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Until the rotation ends, each phase changes nothing when it is repeated. After that, O(phase=advance) begins another one.
options:
  path:
    description:
      - Paths in Parameter Store that make the app's settings, later ones over earlier ones, as in
        O(popcon.deploy.ssm_env_render#module:path).
    type: list
    elements: str
    required: true
  pending_path:
    description:
      - Path for pending values and the lock. It must not be below a path that deploys read, and the hosts' own roles should not be able to
        read it.
      - By default the last one of O(path) with C(-rotation) added.
    type: str
  key_id:
    description:
      - The KMS key for every C(SecureString) that is written, pending values and parameters. By default the account's key for Parameter
        Store.
    type: str
  secrets:
    description:
      - How each secret can be rotated, by its key in the settings. Values are mappings with C(strategy), one of V(command), V(mariadb),
        V(mysql), V(plain), V(redis), and what that strategy takes.
      - With C(length), by default 32, and C(alphabet), by default letters, digits, C(-) and C(_), of what the new value is made.
    type: dict
    required: true
  rotate:
    description:
      - Keys of the secrets to rotate. Text such as V([A,B]), which C(-e) makes of a list, is a list too.
    type: list
    elements: str
    required: true
  phase:
    description:
      - V(plan) says what would be done, and where a rotation under way is.
      - V(advance) does all that comes before the roll-out, and keeps the lock.
      - V(retire) does what comes after it, and gives the lock back.
      - V(unlock) gives the lock back and leaves the rotation where it is, for when the roll-out failed.
    type: str
    choices: [plan, advance, retire, unlock]
    required: true
  revert:
    description:
      - Take the rotation that is under way back. It can be as long as the old value logs in. The roll-out and V(retire) follow as for a
        rotation.
      - A rotation that was begun to be taken back is taken back further, with this option or without it.
    type: bool
    default: false
  proof:
    description:
      - For V(retire), the version of its parameter that all hosts are proven to have, by key. Nothing is retired unless they are the
        RV(rotated[].new_version) of V(advance).
    type: dict
    default: {}
  role_arn:
    description:
      - A role to assume for all work on parameters, for an hour at most. By default it is done as the host itself.
    type: str
  lock_seconds:
    description:
      - How long nobody else can rotate secrets of O(pending_path), if the lock isn't given back.
    type: int
    default: 3600
  project:
    description:
      - Name of the compose project, in whose containers the strategies work.
    type: str
    required: true
  state_dir:
    description:
      - Folder of what is remembered of projects. The history there gets a line for each rotation that ended.
    type: path
    default: /var/lib/popcon/projects
  run:
    description:
      - Name of this run. The lock is the run's, so V(advance), V(retire) and V(unlock) need the same one; and with the name of a run that
        was killed, its lock need not be waited for. What that run has ended within O(lock_seconds) is not rotated once more.
      - By default a new name for each task.
    type: str
"""

EXAMPLES = r"""
- name: Prepare a new password of the database
  popcon.deploy.secret_rotation: &rotation
    path: /popcon
    secrets: &secrets
      DB_PASSWORD:
        strategy: mysql
        service: mysql
        user_key: DB_USERNAME
        admin_user: root
        admin_key: DB_ROOT_PASSWORD
        hosts: ["%"]
    rotate: [DB_PASSWORD]
    phase: advance
    project: popcon
    role_arn: arn:aws:iam::123456789012:role/popcon-rotation
    run: "{{ rotation_run }}"
    region: ap-northeast-2
  register: rotation

- name: Retire the old one, when all hosts have the new one
  popcon.deploy.secret_rotation:
    path: /popcon
    secrets: *secrets
    rotate: [DB_PASSWORD]
    phase: retire
    proof: "{{ dict(rotation.rotated | map(attribute='key') | zip(rotation.rotated | map(attribute='new_version'))) }}"
    project: popcon
    role_arn: arn:aws:iam::123456789012:role/popcon-rotation
    run: "{{ rotation_run }}"
    region: ap-northeast-2
"""

RETURN = r"""
rotated:
  description: The secrets of O(rotate), never with a value. Empty for O(phase=unlock).
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      type: str
      sample: DB_PASSWORD
    name:
      description: Name of its parameter.
      type: str
      sample: /popcon/DB_PASSWORD
    old_version:
      description: Version that is replaced.
      type: int
      sample: 3
    new_version:
      description: Version that the hosts must have before O(phase=retire); null in a plan that is still to make it.
      type: int
      sample: 4
    state:
      description:
        - V(settled) if there is no rotation, V(created) if there is a pending value, V(applied) if the service accepts it, V(promoted) if the
          parameter has it, V(reverting) if it is being taken back; then V(retired) or V(reverted).
      type: str
      sample: promoted
    steps:
      description: What was done; in a plan, what is to be done.
      type: list
      elements: str
      sample: [create, apply, promote]
by:
  description: Who did it.
  returned: success
  type: str
  sample: alice
origin:
  description: Where it was done from.
  returned: success
  type: str
  sample: laptop
run:
  description: Name of the run.
  returned: success
  type: str
  sample: 5f1c0d8e
time:
  description: When it was done, in UTC.
  returned: success
  type: str
  sample: "2026-11-23T07:00:00Z"
"""

import dataclasses
import functools
import re
import socket
import typing as t
import uuid

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import (
    aws_errors_in_words,
    require_sdk,
    retrying_config,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import conclude
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import now
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._docker.exec import executor
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.pending import Holder, PendingValues, pending_path
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.proof import versions_of
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.request import find_secrets, keys_of
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.rotation import Rotation, ended_by
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import assign_keys, read_parameters

# How long to wait for a deploy on this host, which may restart the services that the strategies work in.
WAIT_SECONDS = 600.0

ARGUMENT_SPEC: Json = {
    "path": {"type": "list", "elements": "str", "required": True},
    "pending_path": {"type": "str"},
    "key_id": {"type": "str"},
    # It says how to rotate them, not what they are.
    "secrets": {"type": "dict", "required": True, "no_log": False},
    "rotate": {"type": "list", "elements": "str", "required": True},
    "phase": {"type": "str", "choices": ["plan", "advance", "retire", "unlock"], "required": True},
    "revert": {"type": "bool", "default": False},
    "proof": {"type": "dict", "default": {}},
    "role_arn": {"type": "str"},
    "lock_seconds": {"type": "int", "default": 3600},
    "project": {"type": "str", "required": True},
    "state_dir": {"type": "path", "default": "/var/lib/popcon/projects"},
    "run": {"type": "str"},
    "by": {"type": "str"},
    "origin": {"type": "str"},
}


def run(module: AnsibleAWSModule) -> Json:
    """Do the phase and return the module's result. Errors: DeployError."""
    require_sdk()
    params = module.params
    phase = "plan" if module.check_mode else params["phase"]
    # The action plugin gives these; the defaults are for who goes without it.
    holder = Holder(
        params["by"] or "unknown", params["origin"] or socket.gethostname(), params["run"] or uuid.uuid4().hex
    )
    who = dataclasses.asdict(holder)
    stamp = {**who, "time": now()}
    path = pending_path(params["path"], params["pending_path"])
    client = parameter_client(module, holder)
    pending_values = PendingValues(client, path, params["key_id"])
    if phase == "unlock":
        pending_values.unlock(holder.run)
        return {"changed": False, "rotated": [], **stamp}
    records = Records(params["state_dir"], params["project"])

    def prepared() -> Rotation:
        parameters, _overrides = assign_keys(read_parameters(client, params["path"]), {})
        settings = {key: parameter.value for key, parameter in parameters.items()}
        services = functools.partial(executor, params["project"])
        wanted = find_secrets(keys_of(params["rotate"]), params["secrets"], parameters, settings, services)
        ended = ended_by(holder.run, records.history, params["lock_seconds"])
        return Rotation(client, pending_values, wanted, settings, holder, records.audit, ended)

    if phase == "plan":
        return {"changed": False, "rotated": prepared().plan(params["revert"]), **stamp}
    # Also keeps out this very task, done again by the connection while the first one still runs.
    with records.locked(who, WAIT_SECONDS, lambda _text: None):
        rotation = prepared()
        if phase == "advance":
            rotated = rotation.advance(params["revert"], params["lock_seconds"])
        else:
            rotated = rotation.retire(versions_of(params["proof"]), params["lock_seconds"])
    return {"changed": any(entry["steps"] for entry in rotated), "rotated": rotated, **stamp}


def parameter_client(module: AnsibleAWSModule, holder: Holder) -> t.Any:
    """The boto3 client for the parameters: the host's own, or that of the role to assume."""
    role = module.params["role_arn"]
    if not role:
        return module.client("ssm", config=retrying_config())
    # As CloudTrail will name it.
    session = re.sub(r"[^A-Za-z0-9_=,.@-]", "-", f"{holder.by}-{holder.run}")[:64]
    sts = module.client("sts", config=retrying_config())
    with aws_errors_in_words(f"assume the role {role}", f"sts:AssumeRole on {role}", module.region):
        credentials = sts.assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
    return module.client(
        "ssm",
        config=retrying_config(),
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def main() -> None:
    """Wire options to work."""
    # run() names the package to install; and Debian's boto3, older than amazon.aws warns about, is enough here.
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, check_boto3=False)
    conclude(module, run, module)


if __name__ == "__main__":
    main()
