"""Whether AWS knows the host."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import email.utils
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words, retrying_config
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import attempt
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look, Unchecked


def check(look: Look, _boto3: object) -> None:
    """Find the region to ask in, who the host is, and how far its clock is off."""
    look.found.region = look.module.region
    if look.found.region is None:
        look.findings.problem("No region is set: set the option region, or AWS_REGION on the host.")
        raise Unchecked
    caller = identify(look.client)
    look.found.identity, look.found.ahead = caller.arn, caller.ahead
    # The name of the account's own registry has the account in it.
    if caller.problem and caller.unreachable and look.options["registries"] != []:
        look.findings.warnings.append(caller.problem)
    else:
        look.findings.problem(caller.problem)
    if caller.unreachable or not caller.problem:
        look.found.caller = caller
    if caller.arn is None:
        raise Unchecked


class Caller(t.NamedTuple):
    """Who a host is to AWS.

    `arn` and `account` are None for a `problem`, `ahead` (seconds that the host's clock is ahead of AWS's) if AWS did not
    answer. `unreachable` is for a problem that concerns STS alone, which not every deploy needs.
    """

    arn: str | None = None
    account: str | None = None
    ahead: float | None = None
    problem: str | None = None
    unreachable: bool = False


def identify(client: t.Callable[..., t.Any]) -> Caller:
    """Ask AWS who this host is, and what time.

    :param client: makes a boto3 client, by a service and a configuration.
    """
    from botocore.config import Config
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    # An endpoint that drops packets would keep everybody waiting for minutes with the usual number of tries.
    sts = client("sts", config=retrying_config().merge(Config(retries={"mode": "standard", "total_max_attempts": 3})))
    answer: dict[str, t.Any] = {}
    unreachable = False

    def ask() -> None:
        nonlocal answer, unreachable
        with aws_errors_in_words("ask AWS who this host is", "sts:GetCallerCaller", sts.meta.region_name):
            try:
                answer = sts.get_caller_identity()
            except ClientError as exc:
                answer = t.cast("dict[str, t.Any]", exc.response)
                raise
            except (ConnectionError, HTTPClientError):
                unreachable = True
                raise

    _none, problem = attempt(ask)
    stamp = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    ahead = time.time() - email.utils.parsedate_to_datetime(stamp).timestamp() if stamp else None
    return Caller(answer.get("Arn"), answer.get("Account"), ahead, problem, unreachable)
