# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gitops_checkout
short_description: Bring a folder on the host to a commit of a git repository, in place
version_added: 0.1.0
description:
  - Finds the commit that O(ref) stands for on the remote, fetches it and updates O(dest) file by file. The host's own
    git does the work; a token is read on the host from Parameter Store, with the host's own role.
  - The folder, every folder in it that stays, and every file that doesn't change keep their inodes, so that
    containers which mount them see the update. A file that changes is replaced. A container that mounts such a file
    by itself keeps the old content until it is started anew; P(popcon.deploy.compose_release#module) recreates it.
  - Files that are not from the repository, such as C(.env), are never changed or removed.
  - Tracked files that were edited on the host are named, kept in a commit and brought back to what the repository has.
  - A repository whose history was rewritten (a force-push), a clone that is damaged or half made, and what a killed
    git left behind are mended.
author:
  - popcon.deploy contributors (@popcon)
options:
  repository:
    description:
      - URL of the repository, as C(https://) or C(file://), without a user or token in it.
      - If the folder was a clone of another one, it becomes one of this, and the result says so.
    type: str
    required: true
  ref:
    description:
      - Branch, tag or commit. A commit is given with 7 to 40 digits and must be on a branch or a tag. If a branch and
        a tag have the same name, write C(refs/heads/...) or C(refs/tags/...).
      - A commit that is given in full and was checked out or staged here before is taken from the clone, without the
        network, so that going back works while the repository can't be reached, or no longer has it.
    type: str
    default: main
  dest:
    description:
      - Folder to bring to the commit, as an absolute path. It is made if it is missing, with the folders above it.
      - A folder that holds files but is no clone becomes one if none of its files is in the way of another one.
    type: path
    required: true
  token_parameter:
    description:
      - Name of the parameter, usually a SecureString, that holds the token for a private repository.
      - Reading it needs V(ssm:GetParameter), and V(kms:Decrypt) if the key is not the AWS managed one.
    type: str
  token_username:
    description:
      - User name that goes with the token. GitHub takes any; GitLab and Bitbucket have their own rules.
    type: str
    default: x-access-token
  timeout:
    description:
      - Seconds that one git command may take. A command that fails for a passing reason is tried three times.
    type: int
    default: 120
  scratch_dir:
    description:
      - Where check mode puts the wanted files, as a folder with the path of O(dest) below this one, readable to its
        owner only. The next run removes or replaces it.
    type: path
    default: /var/lib/popcon/preview
  written_files:
    description:
      - Files that a deploy writes into O(dest), relative to it, such as C(.env) with the rendered settings.
      - A commit that has one of them is refused before anything is changed. They are never changed, removed or kept in a
        commit here, also where an earlier commit had them.
    type: list
    elements: str
    default: []
  stage:
    description:
      - If files in O(dest) would change, only fetch the commit into its clone, and leave the files, the index and HEAD of
        O(dest) alone. The task that brings them there later, P(popcon.deploy.compose_release#module), needs no network then.
      - Where no file would change, or O(dest) is no whole clone yet, it is brought to the commit at once.
    type: bool
    default: false
notes:
  - The token is in no argument, no environment variable, no file and no configuration, and git gives it to the host in
    O(repository) only, also when that one redirects elsewhere.
  - git runs without the host's and the user's settings and hooks, with the protocol of O(repository) alone, and
    checks the objects it fetches. C(.git) is readable by its owner only. C(.git/config) is written anew when it isn't what this module writes.
  - Submodules and Git LFS are not fetched.
  - Two runs on the same folder wait for one another, by a kernel lock on it.
  - Overwritten edits are in the commit that RV(local_edits_commit) names. C(git -C DEST show COMMIT) prints them.
requirements:
  - Python 3.9 or newer
  - git 2.20 or newer
  - boto3 and botocore (C(python3-boto3)), only for O(token_parameter)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - popcon.deploy.attributes
  - popcon.deploy.attributes.linux
attributes:
  check_mode:
    support: full
    details:
      - The commit is fetched into a temporary clone. O(dest) is not changed. If it would be, the wanted files are
        written below O(scratch_dir), for the tasks that come next; RV(tree) is where.
  diff_mode:
    support: full
    details:
      - The commit and the names of the files, never what is in them.
  idempotent:
    support: full
    details:
      - Until a branch or tag moves.
"""

EXAMPLES = r"""
---
- name: Bring the application's folder to the newest commit of its main branch
  popcon.deploy.gitops_checkout:
    repository: https://github.com/example/gitops.git
    dest: /opt/popcon/app
    token_parameter: /popcon-deploy/GIT_TOKEN
    region: ap-northeast-2
  register: checkout

- name: Go back to the commit before
  popcon.deploy.gitops_checkout:
    repository: https://github.com/example/gitops.git
    ref: "{{ checkout.before }}"
    dest: /opt/popcon/app
  when: checkout.before is not none

- name: Follow a tag of a public repository
  popcon.deploy.gitops_checkout:
    repository: https://github.com/example/public-gitops.git
    ref: v1.4.0
    dest: /opt/popcon/app

- name: Have the newest commit on the host, without changing a file that containers use
  popcon.deploy.gitops_checkout:
    repository: https://github.com/example/gitops.git
    dest: /opt/popcon/app
    token_parameter: /popcon-deploy/GIT_TOKEN
    region: ap-northeast-2
    stage: true
"""

RETURN = r"""
---
repository:
  description: The repository.
  returned: success
  type: str
  sample: https://github.com/example/gitops.git
ref:
  description: The ref that was asked for.
  returned: success
  type: str
  sample: main
before:
  description: The commit that was checked out; null if there was none.
  returned: success
  type: str
  sample: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c
after:
  description: The commit that is checked out now, or is staged, or would be checked out outside check mode.
  returned: success
  type: str
  sample: 8c0de9a5bfb34f2b7c8d1e0f9a6b5c4d3e2f1a0b
tree:
  description:
    - Folder that holds the wanted files. O(dest), but in check mode, if files would change, the one below O(scratch_dir).
    - Null with O(stage), if files would change, as only the clone has them then.
  returned: success
  type: str
  sample: /opt/popcon/app
changed_files:
  description:
    - Files that were written or removed in O(dest), or are still to be, relative to it. At most 500 of them.
    - That is what this run did to the folder. It may be less than the commits differ by, after a run that was stopped.
  returned: success
  type: list
  elements: str
  sample: [docker-compose.yml]
changed_files_count:
  description: How many files those are in all.
  returned: success
  type: int
  sample: 1
local_edits:
  description: Tracked files that were changed or removed on the host, relative to O(dest). At most 500 of them.
  returned: success
  type: list
  elements: str
  sample: [nginx/default.conf]
local_edits_commit:
  description: The commit in the clone that keeps those edits; null if none were overwritten yet.
  returned: success
  type: str
  sample: 5a69788796a5b4c3d2e1f00f1e2d3c0f1e2d3c4b
recovered:
  description: What was wrong with the clone and is mended, or would be, one sentence each.
  returned: success
  type: list
  elements: str
  sample: [".git/index.lock, left by a killed git, is removed"]
"""

import os
import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import show_warnings
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._git.checkout import displayed, synchronise
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import check_ref, check_repository, private_git
from ansible_collections.popcon.deploy.plugins.module_utils._git.token import read_token

ARGUMENT_SPEC: dict[str, t.Any] = {
    "repository": {"type": "str", "required": True},
    "ref": {"type": "str", "default": "main"},
    "dest": {"type": "path", "required": True},
    "token_parameter": {"type": "str", "no_log": False},
    "token_username": {"type": "str", "default": "x-access-token", "no_log": False},
    "timeout": {"type": "int", "default": 120},
    "scratch_dir": {"type": "path", "default": "/var/lib/popcon/preview"},
    "written_files": {"type": "list", "elements": "str", "default": []},
    "stage": {"type": "bool", "default": False},
}

# A result travels through the session's terminal.
MOST_NAMES = 500


def run(module: AnsibleAWSModule) -> dict[str, t.Any]:
    """The result of the module. Errors: DeployError."""
    params = module.params
    repository, ref, name = params["repository"], params["ref"], params["token_parameter"]
    dest, scratch = os.path.normpath(params["dest"]), os.path.normpath(params["scratch_dir"])
    if not os.path.isabs(dest) or not os.path.isabs(scratch) or not dest.strip("/"):
        raise DeployError("dest and scratch_dir must be absolute paths, and dest can't be the root folder.")
    if any(not character.isprintable() or character == ":" for character in params["token_username"]):
        raise DeployError("token_username must be one line without a colon.")
    written = [os.path.normpath(path) for path in params["written_files"]]
    if any(os.path.isabs(path) or path.split("/")[0] in (".", "..", ".git") for path in written):
        raise DeployError("written_files must be paths of files in dest, relative to it.")
    check_repository(repository)
    check_ref(ref)
    access = {
        "username": params["token_username"],
        "token": (lambda: read_token(module, name)) if name else None,
        "token_name": name,
    }
    with private_git(repository, params["timeout"], module.tmpdir, **access) as git:
        outcome = synchronise(git, ref, dest, scratch + dest, module.check_mode, params["stage"], written)
    return {"repository": repository, "ref": ref, **outcome}


def shown(outcome: dict[str, t.Any]) -> dict[str, t.Any]:
    """An outcome as the module returns it: names as text, not too many of them, and what diff mode shows."""
    changed, edits = displayed(outcome["changed_files"]), displayed(outcome["local_edits"])
    return {
        **outcome,
        "changed_files": changed[:MOST_NAMES],
        "changed_files_count": len(changed),
        "local_edits": edits[:MOST_NAMES],
        "diff": {
            "before": f"{outcome['before']}\n",
            "after": "".join(f"{line}\n" for line in (outcome["after"], *changed[:MOST_NAMES])),
        },
    }


def warnings(outcome: dict[str, t.Any], dest: str) -> list[str]:
    """What an operator should hear of even when all went well."""
    said = [f"{dest}: {sentence}." for sentence in outcome["recovered"]]
    if outcome["local_edits"]:
        names = ", ".join(displayed(outcome["local_edits"])[:10])
        commit = outcome["local_edits_commit"]
        done = f"are overwritten and kept in commit {commit}" if commit else "would be overwritten"
        said.append(f"Edits made in {dest} {done}: {names}. Make such changes in the repository.")
    return said


def main() -> None:
    """Entry point."""
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, check_boto3=False)
    outcome, problem = attempt(run, module)
    if outcome is None:
        module.fail_json(msg=problem)
    else:
        show_warnings(warnings(outcome, module.params["dest"]))
        module.exit_json(**shown(outcome))


if __name__ == "__main__":
    main()
