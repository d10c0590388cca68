# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_build_info
short_description: Say which images have to be built, and what the registry has
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Finds for each image the last commit that changed what it is built from, makes the tag that says so, and asks the registry
    whether it has that image already, and whether C(<name>-latest) is the same one.
  - A tag is C(<name>-<commit>). Settings that aren't in the commit - build arguments, target, platform, folder, Dockerfile - add a
    hash of them, unless they are the defaults. So an image with that tag need not be built again.
  - Refuses build arguments that look secret, and a source folder with changes that are in no commit.
  - The registry is asked in its own protocol, for a registry of ECR with a token that is kept nowhere, else with the login that
    Docker has stored, if any. Registries that want a token of their own (C(Bearer)) are not supported.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.attributes.looking
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  images:
    description:
      - The images.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What its tags begin with.
        type: str
        required: true
      source:
        description:
          - The git repository that was cloned, a folder or a URL, as it was given.
        type: str
        required: true
      ref:
        description:
          - What of it was cloned. A folder may have uncommitted changes if this is not V(HEAD).
        type: str
        default: HEAD
      folder:
        description:
          - The folder in it that is given to Docker.
        type: str
        default: ""
      dockerfile:
        description:
          - The Dockerfile in that folder.
        type: str
        default: Dockerfile
      args:
        description:
          - Build arguments.
        type: dict
        default: {}
      target:
        description:
          - The stage to build, if not the last.
        type: str
      platform:
        description:
          - What the image is to run on.
        type: str
        default: linux/amd64
      secrets:
        description:
          - Files that are there while the image is built. Returned as they are.
        type: list
        elements: dict
        default: []
        suboptions:
          id:
            description:
              - What the Dockerfile calls it.
            type: str
            required: true
          src:
            description:
              - The file.
            type: path
            required: true
  checkouts:
    description:
      - A folder with a clean clone of each image's repository, by the image's name.
    type: path
    required: true
  registry:
    description:
      - The registry's name. By default that of the caller's own account in O(region).
    type: str
  repository:
    description:
      - The repository in it, which all images are in.
    type: str
    required: true
  config_path:
    description:
      - Docker's configuration file, for a registry that isn't ECR's. By default that in the home of the user.
    type: path
  latest:
    description:
      - Whether C(<name>-latest) is to be the image, too.
    type: bool
    default: true
attributes:
  platform:
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: See what has to be built
  popcon.deploy.image_build_info:
    images:
      - name: frontend
        source: https://github.com/kt-cloud-TECHUP-T1/pop-con-frontend.git
        args:
          NEXT_PUBLIC_API_URL: http://203.0.113.10:8080
    checkouts: /tmp/checkouts
    repository: dev-app
    region: ap-northeast-2
  delegate_to: localhost
  register: plan

- name: Say it
  ansible.builtin.debug:
    msg: "{{ plan.images | popcon.deploy.table('build_plan') }}"
"""

RETURN = r"""
registry:
  description: The registry's name.
  returned: success
  type: str
  sample: 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com
login:
  description: Whether it is a registry of ECR, which takes a login that M(popcon.deploy.ecr_login) makes.
  returned: success
  type: bool
images:
  description: Each image as it was given, and what is known of it.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description:
        - What there is to do. V(build) if the registry hasn't the image, V(tag) if only C(<name>-latest) is another one,
          else V(none).
      type: str
      returned: always
    path:
      description: The folder to give to Docker.
      type: str
      returned: always
    commit:
      description: The last commit that changed it.
      type: str
      returned: always
    tag:
      description: The image's own tag.
      type: str
      returned: always
    reference:
      description: The image's name with that tag.
      type: str
      returned: always
    references:
      description: All names it is to have, that one first.
      type: list
      elements: str
      returned: always
    digest:
      description: The digest of the image in the registry.
      type: str
      returned: when the registry has it
    size:
      description: The bytes a pull of the whole image takes.
      type: int
      returned: when the registry has it
"""

import os
import typing as t
from dataclasses import asdict

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import client_factory
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, conclude
from ansible_collections.popcon.deploy.plugins.module_utils._registry import build_tag, ecr, stored_logins
from ansible_collections.popcon.deploy.plugins.module_utils._registry.manifest import Repository

IMAGE_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "source": {"type": "str", "required": True},
    "ref": {"type": "str", "default": "HEAD"},
    **{
        option: {"type": "dict" if option == "args" else "str", "default": default}
        for option, default in build_tag.DEFAULTS.items()
    },
    "secrets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "no_log": False,
        "options": {"id": {"type": "str", "required": True}, "src": {"type": "path", "required": True}},
    },
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "images": {"type": "list", "elements": "dict", "required": True, "options": IMAGE_SPEC},
    "checkouts": {"type": "path", "required": True},
    "registry": {"type": "str"},
    "repository": {"type": "str", "required": True},
    "config_path": {"type": "path"},
    "latest": {"type": "bool", "default": True},
}


def find_repository(module: AnsibleAWSModule) -> Repository:
    """The repository, with credentials to read it.

    :raises DeployError: there are none, or the own account isn't known.
    """
    client = client_factory(module)
    wanted: str | None = module.params["registry"]
    try:
        found = ecr.named_registry(wanted) if wanted else ecr.find_registries([], module.region, client)[0]
    except DeployError:
        if not wanted:
            raise
        login = stored_logins.login(wanted, module.params["config_path"])
        return Repository(wanted, module.params["repository"], login.basic if login else None, made_by_push=True)
    token = ecr.mint(found.service, found.region, client)
    return Repository(found.name, module.params["repository"], token.credentials.basic, made_by_push=False)


def look(image: build_tag.Image, checkouts: str, repository: Repository, latest: bool) -> build_tag.Image:
    """The image as RETURN has it.

    :raises DeployError: it can't be built, or the registry can't be asked.
    """
    checkout = os.path.join(checkouts, image["name"])
    commit = build_tag.last_commit(image, checkout)
    tag = build_tag.tag(image, commit)
    stored = repository.find(tag)
    others = [f"{image['name']}-latest"] if latest else []
    behind = stored is not None and any(repository.find(other) != stored for other in others)
    return {
        **image,
        "action": "build" if stored is None else "tag" if behind else "none",
        "path": os.path.join(checkout, image["folder"]),
        "commit": commit,
        "tag": tag,
        "reference": f"{repository.registry}/{repository.name}:{tag}",
        "references": [f"{repository.registry}/{repository.name}:{name}" for name in [tag, *others]],
        **(asdict(stored) if stored else {}),
    }


def run(module: AnsibleAWSModule) -> dict[str, t.Any]:
    """The result of the module.

    :raises DeployError: whatever an operator can act on.
    """
    images = [build_tag.complete(image) for image in module.params["images"]]
    build_tag.check(images)
    for image in images:
        build_tag.refuse_changes(image, os.path.join(module.params["checkouts"], image["name"]))
    repository = find_repository(module)
    return {
        "changed": False,
        "registry": repository.registry,
        "login": not repository.made_by_push,
        "images": [look(image, module.params["checkouts"], repository, module.params["latest"]) for image in images],
    }


def main() -> None:
    """Entry point."""
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, check_boto3=False)
    conclude(module, run, module)


if __name__ == "__main__":
    main()
