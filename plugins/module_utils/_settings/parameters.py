"""From Parameter Store to keys: reading, choosing, pinning and naming parameters."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.base import KEY

# The most GetParameters takes, and the most GetParametersByPath gives at a time.
BATCH = 10

# A version number, or a label as LabelParameterVersion takes it.
_PIN = re.compile(r"[0-9]{1,18}|(?!aws|ssm)[A-Za-z_.-][A-Za-z0-9_.-]{0,99}", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter as read; its value is left out of repr."""

    name: str
    path: str
    version: int
    value: str = dataclasses.field(repr=False)

    @property
    def relative(self) -> str:
        """The name below the path it was read from, without a slash in front."""
        return self.name[len(self.path) :].strip("/")


@dataclasses.dataclass(frozen=True)
class Override:
    """A key that two paths hold: the parameter that lost, and the one that won."""

    key: str
    name: str
    by: str


def read_parameters(client: t.Any, paths: t.Sequence[str]) -> list[Parameter]:
    """All parameters at any depth below the paths, decrypted, in the order of the paths.

    :param client: a boto3 SSM client, with retries configured.
    :param paths: hierarchies such as `/popcon`; a slash at the end doesn't matter.
    :raises DeployError: a path that isn't one, a path without parameters, and whatever AWS refuses.
    """
    found = []
    for path in dict.fromkeys(_plain_path(path) for path in paths):
        below = _read_path(client, path)
        if not below:
            raise DeployError(
                f"No parameters under {path} in {client.meta.region_name}. Check the path, the region and the account: "
                f"aws ssm get-parameters-by-path --recursive --path {path} --region {client.meta.region_name} "
                "--query 'Parameters[].Name'"
            )
        found += below
    return found


def _plain_path(path: str) -> str:
    if not path.startswith("/"):
        raise DeployError(f"{path!r} is not a parameter path: it must start with a slash.")
    return path.rstrip("/") or "/"


def _read_path(client: t.Any, path: str) -> list[Parameter]:
    region = client.meta.region_name
    with aws_errors_in_words(f"read the parameters under {path}", "ssm:GetParametersByPath", region):
        # A page may be empty and still have a successor: the paginator goes by the token alone.
        pages = client.get_paginator("get_parameters_by_path").paginate(
            Path=path, Recursive=True, WithDecryption=True, PaginationConfig={"PageSize": BATCH}
        )
        return [
            Parameter(name=found["Name"], path=path, version=found["Version"], value=found["Value"])
            for page in pages
            for found in page["Parameters"]
        ]


def choose(parameters: t.Iterable[Parameter], include: t.Sequence[str], exclude: t.Sequence[str]) -> list[Parameter]:
    """The parameters that match a pattern of `include`, if there is any, and none of `exclude`.

    :raises DeployError: nothing is left.
    """
    chosen = [
        parameter
        for parameter in parameters
        if (not include or _matches(parameter, include)) and not _matches(parameter, exclude)
    ]
    if not chosen:
        raise DeployError("The patterns of include and exclude leave no parameter.")
    return chosen


def _matches(parameter: Parameter, patterns: t.Iterable[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(parameter.name if pattern.startswith("/") else parameter.relative, pattern)
        for pattern in patterns
    )


def pin(client: t.Any, parameters: t.Sequence[Parameter], pins: t.Mapping[str, t.Any]) -> list[Parameter]:
    """The same parameters, the pinned ones as of the version or label they're pinned to.

    :param pins: from a parameter's name, whole or below its path, to a version number or a label.
    :raises DeployError: a pin of a parameter that wasn't read, or to a version or label that isn't there.
    """
    wanted = {}
    for parameter, selector in _by_name(parameters, pins, "pins").items():
        if isinstance(selector, bool) or not isinstance(selector, (str, int)) or not _PIN.fullmatch(str(selector)):
            raise DeployError(f"The pin of {parameter.name} is neither a version number nor a label.")
        # The newest version was read already.
        if str(selector) != str(parameter.version):
            wanted[parameter.name] = str(selector)
    read = _read_pinned(client, wanted)
    return [
        dataclasses.replace(parameter, version=read[parameter.name]["Version"], value=read[parameter.name]["Value"])
        if parameter.name in read
        else parameter
        for parameter in parameters
    ]


def _read_pinned(client: t.Any, wanted: t.Mapping[str, str]) -> dict[str, dict[str, t.Any]]:
    names = [f"{name}:{selector}" for name, selector in wanted.items()]
    read: dict[str, dict[str, t.Any]] = {}
    refused: list[str] = []
    with aws_errors_in_words("read the pinned parameters", "ssm:GetParameters", client.meta.region_name):
        for start in range(0, len(names), BATCH):
            reply = client.get_parameters(Names=names[start : start + BATCH], WithDecryption=True)
            read.update((found["Name"], found) for found in reply["Parameters"])
            # GetParameters reports what it can't find here, and as a success.
            refused += reply.get("InvalidParameters", [])
    refused += [name for name in names if name.rpartition(":")[0] not in read and name not in refused]
    if refused:
        raise DeployError(f"Pinned versions or labels that do not exist: {', '.join(sorted(refused))}.")
    return read


def assign_keys(
    parameters: t.Iterable[Parameter], rename: t.Mapping[str, str]
) -> tuple[dict[str, Parameter], list[Override]]:
    """Give each parameter its key; of two paths that hold the same key the later one wins.

    :param rename: from a parameter's name, whole or below its path, to the key it gets instead of the usual one.
    :returns: (key -> parameter, what was overridden).
    :raises DeployError: names that make no key, two names of one path that make the same key, a rename of what wasn't
    read.
    """
    parameters = list(parameters)
    renamed = _by_name(parameters, rename, "rename")
    keys: dict[str, Parameter] = {}
    overrides = []
    problems = []
    for parameter in parameters:
        key = renamed.get(parameter) or usual_key(parameter.relative)
        if not KEY.fullmatch(key):
            problems.append(f"{parameter.name} makes {key!r}, which is no valid key")
            continue
        other = keys.get(key)
        if other and other.path == parameter.path:
            problems.append(f"{other.name} and {parameter.name} both make {key}")
        elif other and other.name != parameter.name:
            overrides.append(Override(key=key, name=other.name, by=parameter.name))
        keys[key] = parameter
    if problems:
        raise DeployError(f"{'; '.join(problems)}. Use rename or exclude.")
    return keys, overrides


def usual_key(relative: str) -> str:
    """The key of a parameter by its name below the path: `db/password` gives `DB_PASSWORD`."""
    return re.sub(r"[/.-]", "_", relative).upper()


def _by_name(parameters: t.Iterable[Parameter], by_name: t.Mapping[str, t.Any], option: str) -> dict[Parameter, t.Any]:
    found: dict[Parameter, t.Any] = {}
    used = set()
    for parameter in parameters:
        for name in (parameter.name, parameter.relative):
            if name in by_name and parameter not in found:
                found[parameter] = by_name[name]
                used.add(name)
    unused = sorted(set(by_name) - used)
    if unused:
        raise DeployError(f"Named in {option}, but not among the parameters read: {', '.join(unused)}.")
    return found
