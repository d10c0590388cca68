# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_login
short_description: Log Docker in to Amazon ECR
version_added: 0.1.0
description:
  - Gives Docker on the host access to registries of Amazon ECR, with the credentials of the host, usually its
    instance profile. No secret is an argument, a result or part of a command line.
  - A stored token stays as long as the registry itself, which is asked every time, accepts it and enough of its life is
    left. So a second run changes nothing, while a revoked, foreign or ageing token is replaced before a pull can fail
    by it.
  - A new token is shown to the registry before it is stored.
author:
  - popcon.deploy contributors (@popcon)
options:
  registries:
    description:
      - The registries to log in to, each as an account id (12 digits, quoted) for that account's registry in O(region),
        as the full name of a registry in whatever region, or as V(public.ecr.aws).
      - Without any, the registry of the caller's own account in O(region).
      - A login needs V(ecr:GetAuthorizationToken) on V(*), for public registries V(ecr-public:GetAuthorizationToken)
        and V(sts:GetServiceBearerToken). To find the own account STS is asked, which needs a way to it but no
        permission.
    type: list
    elements: str
  min_remaining:
    description:
      - A stored token is replaced when less than this share of its 12 hours is left. At least V(0) and less than V(1).
      - What is left must last for the longest pull. The default leaves at least 6 hours.
    type: float
    default: 0.5
  config_path:
    description:
      - Docker's configuration file. The folder is made, with mode V(0700), if only it is missing.
      - The default is C(.docker/config.json) in the home that the password database has for the user that the module
        runs as. The environment variables E(DOCKER_CONFIG) and E(HOME) are not looked at.
    type: path
notes:
  - Everything else in C(config.json) keeps its meaning. A file that is not valid is an error and stays as it is. It is
    replaced in one step and has mode V(0600) from the first byte; a laxer mode is mended, also when nothing else
    changes.
  - Runs of this module wait for one another by a kernel lock on the folder. C(docker login) and other programs take no
    lock. What they wrote while this module worked is seen and kept, unless it falls into the instant between the last
    look at the file and its replacement.
  - If C(config.json) is a symbolic link, the file it leads to is replaced, as Docker itself does.
  - Where C(config.json) names a credential store (C(credsStore), or C(credHelpers) for the registry), the token is kept
    there and travels over the program's stdin. Where it names C(ecr-login) for the registry, that entry is removed, as
    Docker would not look for a token.
  - When a token ends is read in the token, or else in C(ecr-login.json) beside C(config.json), which is written only
    for tokens that do not tell. A stored token whose end is not known from either is replaced.
  - The registry is asked with Python's own HTTPS, by the system's certificates and the proxies of the environment
    (E(HTTPS_PROXY), E(NO_PROXY)). O(aws_ca_bundle) and O(validate_certs) concern the AWS APIs only.
  - In check mode no token is requested and nothing is written; stored tokens are still shown to their registries.
requirements:
  - Python 3.9 or newer
  - boto3 and botocore (C(python3-boto3))
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - popcon.deploy.attributes
  - popcon.deploy.attributes.linux
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Registries and what is known of their logins, never a credential.
  idempotent:
    support: full
    details:
      - Until the stored token is refused or has less life left than O(min_remaining) wants.
"""

EXAMPLES = r"""
---
- name: Log in to the registry of the host's own account
  popcon.deploy.ecr_login:
    region: ap-northeast-2

- name: Log in to registries of another account, another region and the public gallery
  popcon.deploy.ecr_login:
    region: ap-northeast-2
    registries:
      - "210987654321"
      - 123456789012.dkr.ecr.eu-west-1.amazonaws.com
      - public.ecr.aws
"""

RETURN = r"""
---
registries:
  description: The registries that were asked for, in that order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Host name of the registry.
      type: str
      returned: always
    changed:
      description: Whether the login was made or renewed by this run.
      type: bool
      returned: always
    expires_at:
      description: When the token ends, as ISO 8601 in UTC. None in check mode for one to be made.
      type: str
      returned: always
  sample:
    - name: 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com
      changed: true
      expires_at: "2026-11-24T03:04:05Z"
expires_at:
  description: The earliest of the registries' RV(registries[].expires_at); None if one of them has none.
  returned: success
  type: str
  sample: "2026-11-24T03:04:05Z"
config_path:
  description: The configuration file, before symbolic links are followed.
  returned: success
  type: str
  sample: /root/.docker/config.json
"""

import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import client_factory, require_sdk
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, conclude
from ansible_collections.popcon.deploy.plugins.module_utils._registry.ecr import find_registries
from ansible_collections.popcon.deploy.plugins.module_utils._registry.login import MIN_REMAINING, Login, Outcome, log_in

ARGUMENT_SPEC: dict[str, t.Any] = {
    "registries": {"type": "list", "elements": "str"},
    "min_remaining": {"type": "float", "default": MIN_REMAINING},
    "config_path": {"type": "path"},
}


def run(module: AnsibleAWSModule) -> dict[str, t.Any]:
    """The result of the module.

    :raises DeployError: whatever an operator can act on.
    """
    params = module.params
    if not 0 <= params["min_remaining"] < 1:
        raise DeployError("min_remaining is a share of a token's life: at least 0 and less than 1.")

    client = client_factory(module)
    login = Login.of(params["config_path"], module.check_mode)
    needs_region = not params["registries"] or any(name.isdigit() for name in params["registries"])
    if needs_region:
        require_sdk()
    registries = find_registries(params["registries"] or [], module.region if needs_region else None, client)
    return result(login, log_in(login, registries, params["min_remaining"], client))


def result(login: Login, outcome: Outcome) -> dict[str, t.Any]:
    """An outcome as the module returns it."""
    ends = [row["expires_at"] for row in outcome.rows]
    return {
        "changed": outcome.changed,
        "registries": outcome.rows,
        "expires_at": None if None in ends else min(ends),
        "config_path": login.path,
        "diff": {
            "before": {row["name"]: was for row, was in zip(outcome.rows, outcome.before)},
            "after": {row["name"]: "token" for row in outcome.rows},
        },
    }


def main() -> None:
    """Entry point."""
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, check_boto3=False)
    conclude(module, run, module)


if __name__ == "__main__":
    main()
