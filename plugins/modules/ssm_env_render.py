# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_env_render
short_description: Render an environment file from Parameter Store, on the host that needs it
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Reads the parameters below one or more paths of AWS Systems Manager Parameter Store and writes them as the
    environment file of an app, exactly as the file's reader reads it back, whatever is in the values.
  - The host reads its parameters itself, with its instance profile. No value crosses the controller, a task argument, a
    log, a diff, a result or an error message.
  - A parameter's key is its name below the path, in upper case, with C(/), C(-) and C(.) turned into C(_); below
    V(/popcon) the parameter C(/popcon/db/password) has the key C(DB_PASSWORD).
  - The file is written whole or not at all. It has its mode and owner before its first byte, and no copy of the old one
    is left.
options:
  path:
    description:
      - The paths to read, with everything below them, decrypted.
      - If several paths hold the same key, the later path wins and RV(overridden) tells so. If one path makes the same
        key twice, that is an error.
      - A path without any parameter is an error.
    type: list
    elements: str
    required: true
  dest:
    description:
      - The file to write, as an absolute path. Its folder must exist.
      - No symbolic link on the way is followed. Every folder on the way must belong to root, to the user the task runs
        as or to O(owner), and none may be writable by others, except a sticky one such as C(/tmp).
    type: path
    required: true
  format:
    description:
      - What will read the file. A value that the format can't carry is an error that names the key.
      - V(compose) is for Docker Compose, both as the project's C(.env) and as a service's C(env_file). It carries every
        value. Do not source it from a shell.
      - V(raw) is for C(docker run --env-file) and for Compose's C(format) V(raw). It can't carry line feeds, a carriage
        return at the end, or a line over 64 KiB.
      - V(systemd) is for C(EnvironmentFile=). It can't carry Unicode noncharacters, which systemd doesn't take for
        UTF-8.
      - V(portable) reads the same in Compose, in sh and in systemd. It can't carry what V(systemd) can't, a backquote
        together with a single quote or a backslash at the end, or keys that shells keep for themselves, such as C(UID).
    type: str
    choices: [compose, raw, systemd, portable]
    default: compose
  contract:
    description:
      - The app's C(.env.example), as an absolute path on the host, in the syntax of Compose.
      - A key without a value there is required. Required keys that are missing or empty are an error that names all of
        them.
      - A key with a value there is optional, and the value is its default. RV(rendered) tells which keys came by a
        default.
      - A default can't refer to another variable.
    type: path
  contract_keys:
    description:
      - The required keys, where there is no file that lists them.
    type: list
    elements: str
  unknown_keys:
    description:
      - What to do about keys that the contract doesn't list. V(report) names them in RV(unknown) and in a warning,
        V(refuse) fails.
    type: str
    choices: [report, refuse]
    default: report
  include:
    description:
      - Patterns (C(*), C(?), C([...]), also across slashes) of the parameters to use. Without any, all are used.
      - A pattern that starts with a slash is matched with the whole name, another with the name below the path.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns of parameters to leave out, as for O(include).
    type: list
    elements: str
    default: []
  rename:
    description:
      - Keys for parameters that shouldn't have the usual one, by the parameter's name, whole or below the path.
      - A name that isn't among the parameters read is an error.
    type: dict
    default: {}
  extra:
    description:
      - Further keys with their values. They win over parameters.
      - Not for secrets. Task arguments pass through the S3 bucket of the C(aws_ssm) connection and through logs.
    type: dict
    default: {}
  pins:
    description:
      - Versions or labels to read instead of the newest version, by the parameter's name, whole or below the path.
      - The C(name) and C(version) of RV(rendered) of an earlier run bring back what that run rendered.
      - A name that isn't among the parameters read, or a version or label that doesn't exist, is an error.
    type: dict
    default: {}
  allow_keys:
    description:
      - Reserved keys to accept. They configure the tools rather than the app, and are refused otherwise.
      - These are C(COMPOSE_*), C(DOCKER_*), C(BUILDX_*), C(BUILDKIT_*), C(LD_*), C(PATH), C(IFS), C(BASH_ENV),
        C(BASHOPTS) and C(SHELLOPTS).
    type: list
    elements: str
    default: []
  owner:
    description:
      - The user (name or number) who is to own the file. By default the user the task runs as.
    type: str
  group:
    description:
      - The group (name or number) of the file. By default the primary group of O(owner).
    type: str
  mode:
    description:
      - The permissions of the file. With V(0640), for an app that runs in another group than its owner's, O(group) is
        required. Wider ones are not to be had.
    type: str
    choices: ["0600", "0640"]
    default: "0600"
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.attributes.linux
  - amazon.aws.common.modules
  - amazon.aws.region.modules
attributes:
  check_mode:
    support: full
    details:
      - The parameters are read and the file is compared, but not written.
  diff_mode:
    support: partial
    details:
      - Names the keys that are added, removed or changed, and a change of mode or owner. Values are never shown.
  idempotent:
    support: full
requirements:
  - python >= 3.9
  - boto3 >= 1.26 (the packages C(python3-boto3) of Debian, Ubuntu and Amazon Linux will do)
notes:
  - The instance profile needs C(ssm:GetParametersByPath) on each path and, with O(pins), C(ssm:GetParameters) on the
    parameters; and C(kms:Decrypt) if the parameters are encrypted by a customer managed key.
  - Parameter Store gives ten parameters per call, so a path of 1,000 parameters costs 100 calls. Throttled calls are
    repeated up to ten times, ever slower. Use C(aws_config) for other settings.
  - For Compose, variables in the environment of the C(docker compose) process win over those of the C(.env).
seealso:
  - module: popcon.deploy.ecr_login
"""

EXAMPLES = r"""
---
- name: Render the settings of the app
  popcon.deploy.ssm_env_render:
    path: /popcon
    dest: /srv/popcon/.env
    contract: /srv/popcon/.env.example
    region: ap-northeast-2

- name: Let the environment's own values win over the common ones, and refuse what the app doesn't know
  popcon.deploy.ssm_env_render:
    path:
      - /popcon/common
      - /popcon/prod
    dest: /srv/popcon/.env
    contract: /srv/popcon/.env.example
    unknown_keys: refuse
    exclude:
      - internal/*
    rename:
      db/root-password: MYSQL_ROOT_PASSWORD
    extra:
      IMAGE_TAG: 1.4.2
    region: ap-northeast-2

- name: Render what a release recorded, the database password by its label
  popcon.deploy.ssm_env_render:
    path: /popcon
    dest: /srv/popcon/.env
    pins:
      DB_PASSWORD: current
      JAVA_OPTS: 3
    region: ap-northeast-2

- name: Render the settings of a systemd unit, readable by the group of its user
  popcon.deploy.ssm_env_render:
    path: /popcon
    dest: /etc/popcon/worker.env
    format: systemd
    contract_keys:
      - REDIS_HOST
      - REDIS_PORT
    group: popcon
    mode: "0640"
    region: ap-northeast-2
"""

RETURN = r"""
---
file:
  description: The path of the file, O(dest).
  returned: success
  type: str
  sample: /srv/popcon/.env
rendered:
  description: The keys in the file, sorted, and where each came from. There are no values.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      type: str
      sample: DB_PASSWORD
    source:
      description: V(parameter), V(extra), or V(default) for a default of the contract.
      type: str
      sample: parameter
    name:
      description: The parameter's whole name; null for another source.
      type: str
      sample: /popcon/DB_PASSWORD
    path:
      description: The one of O(path) it was found below; null for another source.
      type: str
      sample: /popcon
    version:
      description: The parameter's version; null for another source.
      type: int
      sample: 4
  sample:
    - {key: DB_PASSWORD, source: parameter, name: /popcon/DB_PASSWORD, path: /popcon, version: 4}
    - {key: IMAGE_TAG, source: extra, name: null, path: null, version: null}
counts:
  description: How many parameters were read, and how many keys came from each source.
  returned: success
  type: dict
  sample: {default: 0, extra: 1, parameter: 11, read: 11}
added:
  description: Keys that the file didn't have.
  returned: success
  type: list
  elements: str
  sample: [IMAGE_TAG]
removed:
  description: Keys that the file has no longer.
  returned: success
  type: list
  elements: str
  sample: []
modified:
  description: Keys whose value in the file is another than before. After a change of O(format) these may be all keys.
  returned: success
  type: list
  elements: str
  sample: [DB_PASSWORD]
overridden:
  description: Parameters that lost their key to a later path, or to O(extra), and what won.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      type: str
      sample: DB_HOST
    name:
      description: The whole name of the parameter that lost.
      type: str
      sample: /popcon/common/db/host
    by:
      description: The whole name of the parameter that won, or V(extra).
      type: str
      sample: /popcon/prod/db/host
  sample: []
unknown:
  description: Keys in the file that the contract doesn't list; empty without a contract.
  returned: success
  type: list
  elements: str
  sample: []
"""

import collections
import dataclasses
import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import (
    require_sdk,
    retrying_config,
    show_warnings,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import conclude
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import open_secret_file, owner_ids
from ansible_collections.popcon.deploy.plugins.module_utils._settings import render
from ansible_collections.popcon.deploy.plugins.module_utils._settings.contract import refuse_unknown
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.table import FORMATS
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import key_changes


def run(module: AnsibleAWSModule) -> dict[str, t.Any]:
    """Render the file and return the module's result."""
    require_sdk()
    params = module.params
    uid, gid = owner_ids(params["owner"], params["group"])
    contract = read_contract(params, uid)
    choice = render.Choice(**{name: params[name] for name in render.Choice._fields})
    client = module.client("ssm", config=retrying_config())
    rendered = render.render(client, params["path"], contract, choice, params["format"])
    if params["unknown_keys"] == "refuse":
        refuse_unknown(rendered.unknown)
    show_warnings(render.unknown_warning(rendered.unknown))
    return {
        **write(module, rendered.settings.content, uid, gid),
        # Not "dest": to that ansible-core adds the file's size, which is derived from the values.
        "file": params["dest"],
        "rendered": rendered.settings.sources,
        "counts": {
            "read": rendered.read,
            **dict.fromkeys(("parameter", "extra", "default"), 0),
            **collections.Counter(source["source"] for source in rendered.settings.sources),
        },
        "overridden": [dataclasses.asdict(override) for override in rendered.overridden],
        "unknown": rendered.unknown,
    }


def read_contract(params: dict[str, t.Any], uid: int) -> dict[str, str] | None:
    """The contract's keys and defaults, or None if there is no contract."""
    if params["contract_keys"] is not None:
        return dict.fromkeys(params["contract_keys"], "")
    return None if params["contract"] is None else render.read_contract(params["contract"], uid)


def write(module: AnsibleAWSModule, content: bytes, uid: int, gid: int) -> dict[str, t.Any]:
    """Write the file if it differs in content, mode or owner, and tell the difference by key names."""
    params = module.params
    with open_secret_file(params["dest"], mode=int(params["mode"], 8), uid=uid, gid=gid) as file:
        before = file.read()
        private = file.is_private()
        changed = before != content or not private
        if not module.check_mode:
            if changed:
                file.write(content)
            else:
                file.discard_leftover()
    difference = key_changes(before or b"", content, params["format"])
    lines = render.change_lines(difference)
    if before is not None and not private:
        lines.append("(mode or owner changed)")
    diff = {"prepared": "".join(f"{params['dest']}: {line}\n" for line in lines)} if changed else {}
    return {"changed": changed, "diff": diff, **difference}


def main() -> None:
    """Wire options to work."""
    module = AnsibleAWSModule(
        argument_spec={
            "path": {"type": "list", "elements": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "format": {"type": "str", "choices": list(FORMATS), "default": "compose"},
            "contract": {"type": "path"},
            "contract_keys": {"type": "list", "elements": "str", "no_log": False},
            "unknown_keys": {"type": "str", "choices": ["report", "refuse"], "default": "report", "no_log": False},
            "include": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "rename": {"type": "dict", "default": {}},
            "extra": {"type": "dict", "default": {}},
            "pins": {"type": "dict", "default": {}},
            "allow_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str", "choices": ["0600", "0640"], "default": "0600"},
        },
        mutually_exclusive=[("contract", "contract_keys")],
        required_if=[
            ("mode", "0640", ["group"]),
            ("unknown_keys", "refuse", ["contract", "contract_keys"], True),
        ],
        supports_check_mode=True,
        # run() names the package to install; and Debian's boto3, older than amazon.aws warns about, is enough here.
        check_boto3=False,
    )
    conclude(module, run, module)


if __name__ == "__main__":
    main()
