# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: provision_plan
short_description: Say what has to be done to bring resources in AWS to what an inventory wants
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Compares what the info modules of C(amazon.aws) found with what is wanted, attribute by attribute, and says what has to be created,
    changed and removed. Asks nobody and changes nothing itself.
  - It is what the roles that provision use in the place of the check mode of other modules, which can't look at what doesn't exist yet,
    doesn't say what would change, and in some of them isn't there.
extends_documentation_fragment:
  - popcon.deploy.attributes
options:
  area:
    description:
      - What is compared.
    type: str
    choices: [access, key, network, target]
    required: true
  wanted:
    description:
      - What is wanted, as the role of that area puts it together.
    type: dict
    required: true
  found:
    description:
      - What was found, lists of what info modules returned.
    type: dict
    required: true
  owner:
    description:
      - The value of the tag C(ManagedBy) that a resource has if it may be changed or removed. Its old name O(mark) is accepted
        until 1.0.0.
    type: str
    aliases: [mark]
    required: true
  adopt:
    description:
      - Take over resources that are there already under a name that is wanted, and have another owner tag or none.
    type: bool
    default: false
  state:
    description:
      - Whether what is wanted is to be there; with V(absent), what has the owner tag is to go.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing in any mode. In check mode it says C(changed) if something has to be done; otherwise the tasks that do it say so.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: See whether the key has to be made
  popcon.deploy.provision_plan:
    area: key
    wanted:
      alias: alias/popcon-dev
      tags: {}
    found:
      keys: []
    owner: popcon.deploy/popcon-dev
"""

RETURN = r"""
rows:
  description: What has to be done, a row for each resource that is not as it should be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: create
      kind: key
      name: alias/popcon-dev
      id: null
      changes: [{attribute: rotation, before: null, after: true}]
      note: ""
ids:
  description: The ids of what is there, by kind and name.
  returned: success
  type: dict
  sample: {key: {alias/popcon-dev: "arn:aws:kms:ap-northeast-2:123456789012:key/1"}}
problems:
  description: What keeps it from being done, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import conclude
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision import hosts, key, network, plan, roles

AREAS = {"access": roles, "key": key, "network": network, "target": hosts}


def run(params: Json, check_mode: bool) -> Json:
    """The module's result."""
    area, owner, removing = AREAS[params["area"]], params["owner"], params["state"] == "absent"
    settings = {**params["wanted"], "removing": removing}
    found = area.found(params["found"], settings, owner)
    # What does not have our owner tag must not be removed, whatever it is called.
    wanted = [] if removing else area.wanted(settings, owner)
    in_the_way = getattr(area, "KINDS", ()) if removing else ()
    ids: Json = {}
    for one in found:
        ids.setdefault(one.kind, {})[one.name] = one.id
    rows = plan.plan(wanted, found, owner, params["adopt"], in_the_way)
    if area is hosts and not removing:
        rows = area.protect(rows, settings)
    return {"changed": check_mode and bool(plan.changing(rows)), "ids": ids, **plan.result(rows)}


def main() -> None:
    """Entry point."""
    spec = {
        "area": {"type": "str", "choices": sorted(AREAS), "required": True},
        "wanted": {"type": "dict", "required": True},
        "found": {"type": "dict", "required": True},
        "owner": plan.OWNER_OPTION,
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    conclude(module, run, module.params, module.check_mode)


if __name__ == "__main__":
    main()
