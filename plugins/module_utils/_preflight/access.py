"""Whether a host may do and can reach what a deploy will need: AWS, its parameters, the repository, the registries."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import email.utils
import os
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words, retrying_config
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, attempt
from ansible_collections.popcon.deploy.plugins.module_utils._git.clone import complete, inspect, trusted
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import (
    Git,
    GitFailure,
    find_ref,
    is_commit,
    parse_refs,
)
from ansible_collections.popcon.deploy.plugins.module_utils._registry import ecr
from ansible_collections.popcon.deploy.plugins.module_utils._registry import login as _login
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import assign_keys, read_parameters

T = t.TypeVar("T")


@dataclasses.dataclass
class Findings:
    """What stands in the way of a deploy, what may one day, and the names of the checks that could not be made yet."""

    problems: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    unchecked: list[str] = dataclasses.field(default_factory=list)

    def problem(self, sentence: str | None) -> None:
        """Note a problem, if there is one; one cause that shows in several places is told once."""
        if sentence and sentence not in self.problems:
            self.problems.append(sentence)

    def tried(self, work: t.Callable[..., T], *args: t.Any) -> T | None:
        """The result of `work(*args)`, or None with its failure noted as a problem."""
        result, failure = attempt(work, *args)
        self.problem(failure)
        return result

    def joined(self, later: Findings) -> Findings:
        """These and then others."""
        both = Findings(self.problems[:], self.warnings + later.warnings, self.unchecked + later.unchecked)
        for sentence in later.problems:
            both.problem(sentence)
        return both


class Identity(t.NamedTuple):
    """Who a host is to AWS.

    `arn` and `account` are None for a `problem`, `ahead` (seconds that the host's clock is ahead of AWS's) if AWS did not
    answer. `unreachable` is for a problem that concerns STS alone, which not every deploy needs.
    """

    arn: str | None = None
    account: str | None = None
    ahead: float | None = None
    problem: str | None = None
    unreachable: bool = False


def identify(client: t.Callable[..., t.Any]) -> Identity:
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
        with aws_errors_in_words("ask AWS who this host is", "sts:GetCallerIdentity", sts.meta.region_name):
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
    return Identity(answer.get("Arn"), answer.get("Account"), ahead, problem, unreachable)


def parameter_versions(findings: Findings, client: t.Any, paths: t.Sequence[str]) -> dict[str, int] | None:
    """The versions of the parameters below the paths by their names, without those that a later path's replace.

    None if they can't all be read and made keys of; findings say why. Their values are read, to see that they can be
    decrypted, and dropped.

    :param client: for SSM.
    """
    # One by one, since each that can't be read is to be told.
    read = [findings.tried(read_parameters, client, [path]) for path in dict.fromkeys(map(_plain, paths))]
    if any(below is None for below in read):
        return None
    keys = findings.tried(assign_keys, [parameter for below in read for parameter in below or ()], {})
    return None if keys is None else {parameter.name: parameter.version for parameter in keys[0].values()}


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"


def commit_of(git: Git, ref: str, folder: str | None) -> str | None:
    """The commit that a ref stands for in the repository now; None where only fetching can tell, as for part of an id.

    :param folder: where a clone may be, which makes a full id that was there before independent of the network, as it
        does for `_checkout.synchronise`.
    :raises DeployError: the repository can't be asked, or has no such ref.
    """
    try:
        if folder and is_commit(ref) and inspect(git, folder).kind == "checkout":
            git_dir = os.path.join(folder, ".git")
            if ref in trusted(git, git_dir) and complete(git, git_dir, ref):
                return ref
        refs = parse_refs(git.remote("ls-remote", "--heads", "--tags", git.url))
    except GitFailure as failure:
        raise DeployError(f"{git.url} could not be asked for {ref}: {failure}.") from None
    if is_commit(ref):
        return ref
    name = find_ref(ref, refs, git.url)
    return refs[name] if name else None


def check_registries(findings: Findings, names: t.Sequence[str], region: str | None, client: ecr.ClientFactory) -> bool:
    """Note what would keep the host from logging in to registries; nothing is stored.

    :param names: of ECR's registries, or account ids.
    :returns: whether it needn't log in, as for each a token is stored that has life left and is accepted.
    """
    registries = findings.tried(ecr.find_registries, names, region, client) or []
    if registries and _logged_in(registries, client):
        return True
    tokens: dict[tuple[str, str], ecr.Token | None] = {}
    for registry in registries:
        source = (registry.service, registry.region)
        if source not in tokens:
            tokens[source] = findings.tried(ecr.mint, *source, client)
        token = tokens[source]
        if token:
            findings.tried(ecr.check_new, registry, token)
    return False


def _logged_in(registries: list[ecr.Registry], client: ecr.ClientFactory) -> bool:
    """Whether logging in would change nothing. What can't be told, such as of a broken config.json, is left to the login."""
    try:
        login = _login.Login.of(None, check=True)
        return not _login.log_in(login, registries, _login.MIN_LIFE, client).changed
    except DeployError:
        return False
