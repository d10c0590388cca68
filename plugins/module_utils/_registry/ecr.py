"""Amazon ECR as Docker sees it: the names of its registries, and the tokens that open them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import re
import time
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._registry.docker_config import Credentials

# "The authorization token is valid for 12 hours": GetAuthorizationToken in the ECR and in the ECR Public API reference.
TOKEN_LIFE_SECONDS = 12 * 3600
# How far ahead of this machine's clock AWS's may be for a stated end still to be believed.
_CLOCK_SLACK_SECONDS = 600

PUBLIC_REGISTRIES = ("public.ecr.aws", "ecr-public.aws.com")
# The only region where ECR Public has an API for tokens.
_PUBLIC_REGION = "us-east-1"
# As docker-credential-ecr-login has it (ecr-login/api/client.go): FIPS and dual-stack names, and the partitions,
# included.
_PRIVATE_NAME = re.compile(
    r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9][a-z0-9-]*)\."
    r"(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.com\.cn)"
    r"|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)
# DNS suffixes of the partitions other than `aws` and `aws-us-gov`, by the start of their regions' names (botocore's
# partitions.json).
_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
}

Client = t.Any
# Makes a boto3 client for a service in a region.
ClientFactory = t.Callable[[str, str], Client]


@dataclass(frozen=True)
class Registry:
    """A registry's host name, and the service and region that give its tokens."""

    name: str
    service: str
    region: str


@dataclass(frozen=True)
class Token:
    """Credentials for a registry and when they end, in seconds since 1970."""

    credentials: Credentials
    expires: float


def find_registries(wanted: t.Sequence[str], region: str | None, client: ClientFactory) -> list[Registry]:
    """The registries meant by a list of names and account ids; by an empty list, the caller's own account's.

    :param region: of the own account and of account ids. The own account is asked of STS, for which nobody needs a
        permission.
    :raises DeployError: a name that is none of ECR's, no region, or STS can't be asked.
    """
    if not wanted:
        return [private_registry(_own_account(_needed(region), client), _needed(region))]
    found = [private_registry(name, _needed(region)) if name.isdigit() else named_registry(name) for name in wanted]
    return list(dict.fromkeys(found))


def private_registry(account: str, region: str) -> Registry:
    """The registry of an account (12 digits) in a region.

    :raises DeployError: not 12 digits.
    """
    if not re.fullmatch(r"\d{12}", account):
        raise DeployError(
            f"{account} is no account id: those have 12 digits. In YAML, quote one: a leading 0 makes it octal."
        )
    suffix = next((s for start, s in _SUFFIXES.items() if region.startswith(start)), "amazonaws.com")
    return Registry(f"{account}.dkr.ecr.{region}.{suffix}", "ecr", region)


def named_registry(name: str) -> Registry:
    """The registry of this host name.

    :raises DeployError: none of ECR's.
    """
    if name in PUBLIC_REGISTRIES:
        return Registry(name, "ecr-public", _PUBLIC_REGION)
    match = _PRIVATE_NAME.fullmatch(name)
    if not match:
        raise DeployError(
            f"{name!r} is no registry of ECR: give an account id, a name such as "
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com without https:// and repository, or "
            f"{PUBLIC_REGISTRIES[0]}."
        )
    return Registry(name, "ecr", match.group("region"))


def mint(service: str, region: str, client: ClientFactory) -> Token:
    """A new token of `ecr` or `ecr-public` in a region; one serves all registries there that the caller may use.

    :raises DeployError: AWS can't be asked or refuses; the text names the missing action.
    """
    action = f"{service}:GetAuthorizationToken"
    needed = f"{action} on resource *"
    if service == "ecr-public":
        needed += " and sts:GetServiceBearerToken"
    with aws_errors_in_words("get a registry token", needed, region):
        data = client(service, region).get_authorization_token()["authorizationData"]
    # A list for private registries, a structure for public ones.
    data = data[0] if isinstance(data, list) and data else data
    credentials = Credentials.from_basic(str(data["authorizationToken"])) if data else None
    if credentials is None:
        raise DeployError(f"The answer to {action} in {region} holds no token that can be read.")
    return Token(credentials, _first_end(credentials, data.get("expiresAt"), time.time()))


def stated_end(credentials: Credentials) -> float | None:
    """When a token ends by its own word, in seconds since 1970, or None if it doesn't say.

    AWS calls the token opaque; in fact it is base64 of C({"payload": …, "datakey": …, "version": "2", "type":
    "DATA_KEY", "expiration": 1757147299}).
    """
    try:
        end = json.loads(base64.b64decode(credentials.secret, validate=True))["expiration"]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(end) if isinstance(end, (int, float)) and 0 < end < _YEAR_5138 else None


def note_of(token: Token) -> dict[str, t.Any] | None:
    """What must be remembered about a token because it doesn't say itself when it ends, or None. Not secret."""
    if stated_end(token.credentials) == token.expires:
        return None
    return {"token_sha256": _fingerprint(token.credentials), "expires_at": iso(token.expires)}


def known_end(credentials: Credentials, note: t.Any) -> float | None:
    """When a stored token ends, by its own word or the note made of it, the earlier of them; None if neither tells."""
    ends = [stated_end(credentials)]
    if isinstance(note, dict) and note.get("token_sha256") == _fingerprint(credentials):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            ends.append(datetime.strptime(note["expires_at"], _ISO).replace(tzinfo=timezone.utc).timestamp())
    return min((end for end in ends if end is not None), default=None)


def share_left(expires: float) -> float:
    """How much of a token's life is left, from 1 (new) to 0 and below (ended)."""
    return (expires - time.time()) / TOKEN_LIFE_SECONDS


def iso(seconds: float) -> str:
    """A time in seconds since 1970 as ISO 8601 in UTC, such as `2026-11-23T15:04:05Z`."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime(_ISO)


def accepts(registry: Registry, credentials: Credentials) -> bool:
    """Whether the registry itself takes the credentials now. It is asked over HTTPS, with the system's CAs and proxies.

    :raises DeployError: it can't be reached, or answers something that is neither yes nor no.
    """
    url = f"https://{registry.name}/v2/"
    if registry.service == "ecr-public":
        # ECR Public takes Basic credentials only where it exchanges them, and answers 400 elsewhere
        # (dependabot/proxy#157).
        url = f"https://{registry.name}/token/?service={registry.name}&scope=aws"
    answer = https.get(url, {"Authorization": f"Basic {credentials.basic}"})
    if answer.status != 200 and not answer.refused:
        raise DeployError(f"Cannot ask {registry.name} whether it accepts the token: {answer.trouble}.")
    return not answer.refused


def check_new(registry: Registry, token: Token) -> None:
    """:raises DeployError: the registry does not take a token that was made for it, or as for `accepts`."""
    if not accepts(registry, token.credentials):
        raise DeployError(
            f"{registry.name} refuses a token just made in {registry.region} for it. Check that the account exists, that "
            "its registry policy lets this role in, and that the name leads to AWS."
        )


_ISO = "%Y-%m-%dT%H:%M:%SZ"
# Above this a number is no date in seconds.
_YEAR_5138 = 1e11


def _needed(region: str | None) -> str:
    if not region:
        raise DeployError(
            "No region is set. Set the option region or AWS_REGION, or give registries by their full names."
        )
    return region


def _own_account(region: str, client: ClientFactory) -> str:
    with aws_errors_in_words("ask for the own account", "sts:GetCallerIdentity", region):
        return str(client("sts", region).get_caller_identity()["Account"])


def _first_end(credentials: Credentials, told: datetime | None, now: float) -> float:
    """When a new token ends: the earliest end that is stated and can be true, or else the documented life from now.

    Neither statement is trusted alone: moto says that its tokens ended in 2015, and not every token can be read.
    """
    ends = [stated_end(credentials), float(int(told.timestamp())) if told else None]
    latest = now + TOKEN_LIFE_SECONDS + _CLOCK_SLACK_SECONDS
    return min((end for end in ends if end and now < end <= latest), default=float(int(now)) + TOKEN_LIFE_SECONDS)


def _fingerprint(credentials: Credentials) -> str:
    return hashlib.sha256(credentials.basic.encode()).hexdigest()
