# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_parameters
short_description: Bring a table of parameters in Parameter Store to what is wanted, and leave secrets that exist alone
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Makes the parameters that are missing, and gives plain ones (String) the value of the table.
  - A secret (SecureString) that exists is neither read nor overwritten, unless it is named in O(replace). So it can be rotated, and
    needs no right to decrypt. Its value is never shown.
  - Parameters below the path that the table doesn't have are told of and left alone.
  - Unlike C(community.aws.ssm_parameter), it decrypts nothing, works on the whole table at once, and says what differs.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.provision
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  path:
    description:
      - Path that names without a slash at their beginning are below.
    type: str
    required: true
  plain:
    description:
      - Values that anybody may see, by name.
    type: dict
    default: {}
  secrets:
    description:
      - Values that nobody may see, by name. An empty one will do for a secret that exists.
    type: dict
    default: {}
  key_id:
    description:
      - The KMS key that secrets are encrypted with - an alias, or an ARN.
    type: str
    default: alias/aws/ssm
  replace:
    description:
      - Names of secrets that get the value of the table though they have one.
    type: list
    elements: str
    default: []
attributes:
  diff_mode:
    details:
      - Of secrets, names only.
  idempotent:
    support: partial
    details:
      - A secret in O(replace) is stored again each time, as nobody compares it.
"""

EXAMPLES = r"""
- name: Settings, and a password that is only used if there is none yet
  popcon.deploy.ssm_parameters:
    path: /popcon
    plain:
      DB_HOST: popcon-mysql
      DB_PORT: "3306"
    secrets:
      DB_PASSWORD: "{{ lookup('ansible.builtin.env', 'POPCON_DB_PASSWORD') }}"
    key_id: alias/popcon-dev
    owner: popcon.deploy/popcon-dev
    region: ap-northeast-2
"""

RETURN = r"""
rows:
  description: What was, or would be, done, as in RV(popcon.deploy.provision_plan#module:rows). Never a secret's value.
  returned: success
  type: list
  elements: dict
  sample:
    - action: update
      kind: parameter
      name: /popcon/DB_HOST
      id: /popcon/DB_HOST
      changes: [{attribute: value, before: mysql, after: popcon-mysql}]
      note: ""
problems:
  description: What keeps it from being done, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words, retrying_config
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.module import Provider, converge, pairs, unpaired
from ansible_collections.popcon.deploy.plugins.module_utils._provision.parameters import Table, rows, table


class Parameters(Provider):
    """A table of parameters in Parameter Store."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        super().__init__(module)
        self._ssm = module.client("ssm", config=retrying_config())
        names = ("path", "plain", "secrets", "key_id", "replace")
        self._table = table(*(self.params[name] for name in names))
        # None is needed there any more, nor returned. One that is part of a name, as of a user who is called like the app, would
        # blot that name out wherever it is shown.
        self.params["secrets"] = dict.fromkeys(self.params["secrets"], "")
        shown = " ".join([*self._table.plain, *self._table.secrets, self._table.key_id, *self.tags.values()])
        module.no_log_values.difference_update([value for value in module.no_log_values if value in shown])

    def rows(self) -> list[Json]:
        """The plan."""
        params = self.params
        removing = params["state"] == "absent"
        return rows(self._table, self._there(), params["tags"], params["owner"], params["adopt"], removing)

    def _there(self) -> list[Json]:
        """The parameters below the path, and those of the table elsewhere. Of a SecureString, not even the ciphertext."""
        wanted = self._table
        paths = {wanted.path, *(name.rpartition("/")[0] for name in [*wanted.plain, *wanted.secrets])}
        there: dict[str, Json] = {}
        for path in sorted(paths):
            there.update(self._below(path, recursive=path == wanted.path))
        for name, one in there.items():
            with aws_errors_in_words(f"read the tags of {name}", "ssm:ListTagsForResource", self.region):
                listed = self._ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
            one["Tags"] = unpaired(listed["TagList"])
        return list(there.values())

    def _below(self, path: str, recursive: bool) -> dict[str, Json]:
        with aws_errors_in_words(f"describe the parameters under {path}", "ssm:DescribeParameters", self.region):
            option = "Recursive" if recursive else "OneLevel"
            pages = self._ssm.get_paginator("describe_parameters").paginate(
                ParameterFilters=[{"Key": "Path", "Option": option, "Values": [path]}]
            )
            there = {one["Name"]: one for page in pages for one in page["Parameters"]}
        plain = [name for name, one in there.items() if one["Type"] != "SecureString"]
        for start in range(0, len(plain), 10):
            with aws_errors_in_words(f"read the plain parameters under {path}", "ssm:GetParameters", self.region):
                for one in self._ssm.get_parameters(Names=plain[start : start + 10])["Parameters"]:
                    there[one["Name"]]["Value"] = one["Value"]
        return there

    def apply(self, row: Json) -> None:
        """Do what a row says."""
        name = row["name"]
        doing = {"create": "make", "update": "change", "delete": "remove"}[row["action"]]
        with aws_errors_in_words(f"{doing} the parameter {name}", "ssm:PutParameter", self.region):
            if row["action"] == "delete":
                self._ssm.delete_parameter(Name=name)
            elif row["action"] == "create":
                self._ssm.put_parameter(**_stored(name, self._table), Tags=pairs(self.tags))
            else:
                if any(one["attribute"] == "value" for one in row["changes"]):
                    self._ssm.put_parameter(**_stored(name, self._table), Overwrite=True)
                self._change_tags(row)

    def _tag(self, row: Json, tags: list[dict[str, str]]) -> None:
        self._ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=row["name"], Tags=tags)

    def _untag(self, row: Json, names: list[str]) -> None:
        self._ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=row["name"], TagKeys=names)


def _stored(name: str, wanted: Table) -> Json:
    if name in wanted.secrets:
        return {"Name": name, "Type": "SecureString", "Value": wanted.secrets[name], "KeyId": wanted.key_id}
    return {"Name": name, "Type": "String", "Value": wanted.plain[name]}


def main() -> None:
    """Entry point."""
    options = {
        "path": {"type": "str", "required": True},
        "plain": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "key_id": {"type": "str", "default": "alias/aws/ssm"},
        "replace": {"type": "list", "elements": "str", "default": []},
    }
    converge(Parameters, options)


if __name__ == "__main__":
    main()
