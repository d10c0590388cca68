# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: compose_rollback
short_description: Bring a compose project back to a release that it had before
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Puts back what P(popcon.deploy.compose_release#module) recorded of a successful release, its files, settings and images together, and
    records that as a release of its own.
  - Needs neither Parameter Store nor the repository; a registry only for images that were removed from the host since.
  - What can't be put back is refused before anything is touched. If the release doesn't become ready any more, the one that
    ran is put back, and the task fails.
  - The next deploy brings the host to what the repository, Parameter Store and the registry say then. To stay with the old release,
    change those.
notes:
  - Runs on the host, as root.
requirements:
  - Docker Engine
  - docker compose >= 2.20
seealso:
  - module: popcon.deploy.compose_release
  - module: popcon.deploy.compose_release_info
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.attributes.linux
  - popcon.deploy.release
  - popcon.deploy.release.project
  - popcon.deploy.release.who
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(release). Without it, each run goes back to the successful release before the last.
options:
  release:
    description:
      - Number of the release to go back to.
      - By default the last successful one, or if that is the one that runs, the successful one before it.
    type: int
  keep_settings:
    description:
      - Settings that keep the values they have now, such as passwords that were rotated since, whose old values are refused.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Go back to what ran before
  popcon.deploy.compose_rollback:
    project: popcon
    project_dir: /opt/popcon/app

- name: Go back to a certain release
  popcon.deploy.compose_rollback:
    project: popcon
    project_dir: /opt/popcon/app
    release: 11
    keep_settings: [DB_PASSWORD]
"""

RETURN = r"""
restored:
  description: Number of the release that was put back, or would be.
  returned: success
  type: int
  sample: 11
plan:
  description: As in RV(popcon.deploy.compose_release#module:plan).
  returned: success
  type: list
  elements: str
differences:
  description: As in RV(popcon.deploy.compose_release#module:differences).
  returned: success
  type: list
  elements: str
release:
  description: As in RV(popcon.deploy.compose_release#module:release).
  returned: always
  type: int
rolled_back_to:
  description: As in RV(popcon.deploy.compose_release#module:rolled_back_to).
  returned: when the release failed and the one before was put back
  type: int
pulled:
  description: As in RV(popcon.deploy.compose_release#module:pulled).
  returned: success
  type: list
  elements: str
pruned:
  description: As in RV(popcon.deploy.compose_release#module:pruned).
  returned: success
  type: list
  elements: str
services:
  description: As in RV(popcon.deploy.compose_release#module:services).
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.popcon.deploy.plugins.module_utils._release.module import SHARED_ARGUMENTS, carry_out
from ansible_collections.popcon.deploy.plugins.module_utils._release.rollout import Rollout
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import Project

ARGUMENT_SPEC: dict[str, t.Any] = {
    **SHARED_ARGUMENTS,
    "release": {"type": "int"},
    # Not secret: names of settings.
    "keep_settings": {"type": "list", "elements": "str", "default": [], "no_log": False},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    number, keep_settings = module.params["release"], module.params["keep_settings"]

    def dry_run(rollout: Rollout, _project: Project) -> dict[str, t.Any]:
        return rollout.dry_run_rollback(number, keep_settings)

    def run(rollout: Rollout, _project: Project) -> dict[str, t.Any]:
        return rollout.roll_back(number, keep_settings)

    carry_out(module, dry_run, run)


if __name__ == "__main__":
    main()
