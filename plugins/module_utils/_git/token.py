"""The token for a git repository, from Parameter Store."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import (
    aws_errors_in_words,
    require_sdk,
    retrying_config,
)
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError


def read_token(module: t.Any, name: str, client: t.Any = None) -> str:
    """The token in the parameter `name`, which the module will then show nobody.

    :param module: an AnsibleAWSModule.
    :param client: for SSM, where there is one already: to make one takes as long as several calls.
    :raises DeployError: it can't be read, or can't be a token.
    """
    require_sdk()
    client = client or module.client("ssm", config=retrying_config())
    region = client.meta.region_name
    with aws_errors_in_words(f"read the parameter {name}", "ssm:GetParameter", region):
        try:
            token = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"].strip()
        except client.exceptions.ParameterNotFound:
            raise DeployError(
                f"There is no parameter {name} in {region}. Store the token there as a SecureString, or correct "
                "token_parameter or the region."
            ) from None
    module.no_log_values.add(token)
    if not token or not token.isascii() or not token.isprintable():
        raise DeployError(f"The parameter {name} holds no token, which is one line of printable characters.")
    return token
