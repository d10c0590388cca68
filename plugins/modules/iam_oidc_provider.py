# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_oidc_provider
short_description: Let an account trust an OpenID Connect provider, such as GitHub Actions
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Makes the provider if the account has none for the address. An account can have one only, so all environments share it; one that
    somebody else made is used as it is, if it knows the audience.
  - With O(state=absent), removes the provider if it has the owner tag and no role trusts it but those in O(roles).
  - Neither C(amazon.aws) nor C(community.aws) has a module for OpenID Connect providers.
extends_documentation_fragment:
  - popcon.deploy.attributes
  - popcon.deploy.provision
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  url:
    description:
      - Address of the provider.
    type: str
    default: https://token.actions.githubusercontent.com
  audience:
    description:
      - The audience of the tokens that are accepted.
    type: str
    default: sts.amazonaws.com
  roles:
    description:
      - With O(state=absent), names of roles that are removed as well.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Trust GitHub Actions
  popcon.deploy.iam_oidc_provider:
    owner: popcon.deploy
    region: ap-northeast-2
"""

RETURN = r"""
rows:
  description: What was, or would be, done, as in RV(popcon.deploy.provision_plan#module:rows).
  returned: success
  type: list
  elements: dict
  sample: []
problems:
  description: What keeps it from being done, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

import json

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision.module import Compared, converge, pairs, unpaired
from ansible_collections.popcon.deploy.plugins.module_utils._provision.plan import Resource


class OidcProvider(Compared):
    """An OpenID Connect provider of the account."""

    noun = "OIDC provider"
    rights = "iam:*OpenIDConnectProvider"

    def __init__(self, module: AnsibleAWSModule) -> None:
        super().__init__(module)
        self._iam = module.client("iam")
        self._host = self.params["url"].partition("://")[2]

    def wanted(self) -> list[Resource]:
        """The provider as the options have it."""
        return [Resource("OIDC provider", self._host, {"audiences": [self.params["audience"]], "tags": self.tags})]

    def found(self) -> list[Resource]:
        """The provider as it is, if it is."""
        with aws_errors_in_words("look at the OIDC providers", "iam:ListOpenIDConnectProviders", self.region):
            arns = [one["Arn"] for one in self._iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
            arn = next((arn for arn in arns if arn.endswith(f":oidc-provider/{self._host}")), None)
            if arn is None:
                return []
            one = self._iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        attributes = {"audiences": sorted(one["ClientIDList"]), "tags": unpaired(one.get("Tags", []))}
        made = Resource("OIDC provider", self._host, attributes, arn)
        if self.params["state"] == "absent":
            return [] if self._others(arn) else [made]
        if made.owner != self.params["owner"] and self.params["audience"] in attributes["audiences"]:
            # Somebody else's, and good enough: an account has one for all.
            return self.wanted()
        return [made]

    def _others(self, arn: str) -> bool:
        """Whether a role trusts it that stays."""
        with aws_errors_in_words("look at the roles that trust it", "iam:ListRoles", self.region):
            pages = self._iam.get_paginator("list_roles").paginate()
            roles = [role for page in pages for role in page["Roles"] if role["RoleName"] not in self.params["roles"]]
        return any(arn in json.dumps(role["AssumeRolePolicyDocument"]) for role in roles)

    def _create(self, row: Json) -> None:
        self._iam.create_open_id_connect_provider(
            Url=self.params["url"], ClientIDList=[self.params["audience"]], Tags=pairs(self.tags)
        )

    def _update(self, row: Json) -> None:
        arn = row["id"]
        for one in row["changes"]:
            if one["attribute"] == "audiences":
                for audience in set(one["after"]) - set(one["before"]):
                    self._iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=audience)
                for audience in set(one["before"]) - set(one["after"]):
                    self._iam.remove_client_id_from_open_id_connect_provider(
                        OpenIDConnectProviderArn=arn, ClientID=audience
                    )

    def _tag(self, row: Json, tags: list[dict[str, str]]) -> None:
        self._iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=row["id"], Tags=tags)

    def _untag(self, row: Json, names: list[str]) -> None:
        self._iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=row["id"], TagKeys=names)

    def _delete(self, row: Json) -> None:
        self._iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=row["id"])


def main() -> None:
    """Entry point."""
    options = {
        "url": {"type": "str", "default": "https://token.actions.githubusercontent.com"},
        "audience": {"type": "str", "default": "sts.amazonaws.com"},
        "roles": {"type": "list", "elements": "str", "default": []},
    }
    converge(OidcProvider, options)


if __name__ == "__main__":
    main()
