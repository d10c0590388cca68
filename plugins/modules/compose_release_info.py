# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: compose_release_info
short_description: Say what runs of a compose project, what should, and what was released when
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Compares the containers, the project's folder and its settings with what was recorded of the last successful release.
  - Asks nothing but the host itself, neither AWS nor a registry nor the repository.
notes:
  - Runs on the host, as the user who deploys.
requirements:
  - Docker Engine
  - docker compose >= 2.20
  - git
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.attributes.looking
  - popcon.deploy.attributes.linux
  - popcon.deploy.release.project
options:
  history:
    description:
      - How many entries of the history to return.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Ask what runs
  popcon.deploy.compose_release_info:
    project: popcon
    project_dir: /opt/popcon/app
  register: app

- name: Refuse what nobody deployed
  ansible.builtin.assert:
    that: app.drift | length == 0
    fail_msg: "{{ app.drift | join('\n') }}"
"""

RETURN = r"""
release:
  description: The last successful release, as in RV(releases); null before the first.
  returned: success
  type: dict
newest:
  description: The newest release, which may have failed or be under way, as in RV(releases); null before the first.
  returned: success
  type: dict
releases:
  description: The releases that are remembered, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    number:
      description: Number of the release on this host, never used again.
      type: int
      sample: 12
    action:
      description: What made it.
      type: str
      choices: [deploy, rollback]
      sample: deploy
    restores:
      description: Of a rollback, the number of the release it brought back.
      type: int
      sample: 9
    commit:
      description: Commit of the project's folder; null if it was not from a repository.
      type: str
      sample: 4f1d3c2b5a69788796a5b4c3d2e1f00112233445
    images:
      description: By service, the image as the compose files name it (C(reference)) and by digest (C(pinned)).
      type: dict
      sample: {"frontend": {"reference": "example.com/dev-app:web", "pinned": "example.com/dev-app@sha256:9c5f0c3b"}}
    parameters:
      description: Versions of the parameters that its settings came from, by their names.
      type: dict
      sample: {"/popcon/DB_PASSWORD": 4}
    by:
      description: Who did it.
      type: str
      sample: alice
    started_from:
      description: Where it was done from.
      type: str
      sample: https://github.com/example/gitops/actions/runs/1
    started:
      description: When it began, in UTC.
      type: str
      sample: "2026-11-23T07:00:00Z"
    ended:
      description: When it ended; null if it didn't yet, or its end was not recorded.
      type: str
      sample: "2026-11-23T07:01:10Z"
    result:
      description: What became of it.
      type: str
      choices: [started, succeeded, failed, interrupted]
      sample: succeeded
    problem:
      description: What went wrong; null if nothing did.
      type: str
      sample: Service backend (container popcon-backend) is unhealthy.
    restorable:
      description: Whether all that P(popcon.deploy.compose_rollback#module) needs to go back to it is on the host.
      type: bool
      sample: true
    why_not:
      description: Why not; null if it is.
      type: str
      sample: "images have to be pulled again: backend"
history:
  description: What was done, newest first. Besides the fields listed, some of RV(releases).
  returned: success
  type: list
  elements: dict
  contains:
    time:
      description: When it ended, in UTC.
      type: str
      sample: "2026-11-23T07:01:10Z"
    action:
      description: What was done.
      type: str
      choices: [deploy, rollback, automatic rollback]
      sample: deploy
    release:
      description: Number of the release.
      type: int
      sample: 12
    run:
      description: Name of the run.
      type: str
      sample: 5c0e8f7a6b1d4e2f9a3c0b1d2e4f6a8c
    seconds:
      description: How long it took.
      type: float
      sample: 70
lock:
  description: Who holds the deploy lock (C(by), C(started_from), C(since), C(run), C(pid)); null if nobody does.
  returned: success
  type: dict
  sample: {"by": "alice", "started_from": "laptop", "since": "2026-11-23T07:00:00Z", "run": "5c0e8f7a", "pid": 4711}
commit:
  description: The commit that O(project_dir) is at; null if it is no clone.
  returned: success
  type: str
  sample: 4f1d3c2b5a69788796a5b4c3d2e1f00112233445
services:
  description: What runs, and what should and doesn't.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: Name in the compose file.
      type: str
      sample: frontend
    container:
      description: Name of the container; null without one.
      type: str
      sample: popcon-frontend-1
    id:
      description: Id of the container; null without one.
      type: str
      sample: 8f3c1e0b6d5a
    image:
      description: Image without tag; null without a container.
      type: str
      sample: 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/dev-app
    digest:
      description: Digest of the image; empty for a container that was not made by P(popcon.deploy.compose_release#module).
      type: str
      sample: sha256:9c5f0c3b
    recorded_digest:
      description: The digest recorded of the last successful release; empty if the service is not part of it.
      type: str
      sample: sha256:9c5f0c3b
    state:
      description: Health where there is a healthcheck, otherwise the state; V(missing) without a container.
      type: str
      sample: healthy
    uptime_seconds:
      description: For how long the container has run; null if it doesn't.
      type: int
      sample: 86400
    restarts:
      description: How often the engine started the container again.
      type: int
      sample: 0
    ports:
      description: Ports published on the host.
      type: list
      elements: str
      sample: ["3000"]
    drift:
      description: How it differs from the last successful release.
      type: list
      elements: str
      sample: [is unhealthy]
drift:
  description:
    - Every difference from the last successful release, a sentence each; settings are told by name.
  returned: success
  type: list
  elements: str
  sample: ["backend is missing", "files edited: docker-compose.yml"]
unfinished:
  description:
    - A release that failed, was cut short or is under way, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["the last deploy (8) was interrupted"]
tokens:
  description: The registries that the user is logged in to.
  returned: success
  type: list
  elements: dict
  contains:
    registry:
      description: Name of the registry.
      type: str
      sample: 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com
    expires_at:
      description: When the stored token ends, in UTC; null if nobody knows, or a credential helper keeps it.
      type: str
      sample: "2026-11-23T15:04:05Z"
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import conclude
from ansible_collections.popcon.deploy.plugins.module_utils._status.report import report

ARGUMENT_SPEC: dict[str, t.Any] = {
    "project": {"type": "str", "required": True},
    "project_dir": {"type": "path", "required": True},
    "env_file": {"type": "path"},
    "state_dir": {"type": "path", "default": "/var/lib/popcon/projects"},
    "history": {"type": "int", "default": 20},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    params = module.params
    conclude(
        module,
        report,
        params["project"],
        params["project_dir"],
        params["env_file"],
        params["state_dir"],
        params["history"],
    )


if __name__ == "__main__":
    main()
