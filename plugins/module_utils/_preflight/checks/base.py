"""What a check of the preflight is, and what the checks share: what was found, and what is wrong."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import retrying_config
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import attempt
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json

if t.TYPE_CHECKING:
    from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.identity import Caller
    from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host

T = t.TypeVar("T")

#: What a release needs installed.
TOOLS = ("engine", "compose", "git", "boto3")


@dataclasses.dataclass
class Findings:
    """What keeps a deploy from working, what may one day, and the names of the checks that could not be made yet."""

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


@dataclasses.dataclass
class Found:
    """What was found so far; None is what is missing, or what no check could find.

    The first block is what checks need of each other, the second what only the module returns.
    """

    engine: str | None = None
    compose: str | None = None
    git: str | None = None
    boto3: object = None
    daemon_config: Json = dataclasses.field(default_factory=dict)
    region: str | None = None
    #: Who asks AWS; only if AWS answers it.
    caller: Caller | None = None
    #: Seconds that the host's clock is ahead of AWS's.
    ahead: float | None = None
    token: str | None = None
    parameters: dict[str, int] | None = None
    commit: str | None = None
    #: The project as it is on the host.
    project: Host | None = None

    distribution: Json = dataclasses.field(default_factory=dict)
    identity: str | None = None
    logged_in: bool = False
    release: Json | None = None
    lock: Json | None = None
    services: list[Json] = dataclasses.field(default_factory=list)
    up_to_date: bool = False
    differences: list[str] = dataclasses.field(default_factory=list)
    digests: dict[str, str] = dataclasses.field(default_factory=dict)
    checkout: Json | None = None

    @property
    def missing(self) -> list[str]:
        """The tools that the host lacks."""
        return [name for name in TOOLS if not getattr(self, name)]


@dataclasses.dataclass
class Look:
    """What a check gets: the module, for its options and for AWS, what was found, and where to note what is wrong."""

    module: t.Any
    found: Found
    findings: Findings = dataclasses.field(default_factory=Findings)

    @property
    def options(self) -> Json:
        """Those of the module."""
        return t.cast("Json", self.module.params)

    def given(self, option: str) -> bool:
        """Whether an option is set."""
        return self.options[option] not in (None, "")

    def client(self, service: str, region: str | None = None, config: t.Any = None) -> t.Any:
        """A boto3 client."""
        return self.module.client(service, region=region or self.found.region, config=config or retrying_config())

    @functools.cached_property
    def ssm(self) -> t.Any:
        """The client for SSM, which takes longer to make than to use."""
        return self.client("ssm")


class Unchecked(Exception):
    """Raised by a check that can't be made for a reason that its needs in the table don't tell."""


class Check(t.NamedTuple):
    """A row of the table.

    `name` is what RV(unchecked) has if the check can't be made. `run` is called with the `Look` and then with what the check
    `needs`, names of `Found`; a DeployError that it raises is a problem. `asked_by` are the options any of which asks for it;
    without some it is always made.
    """

    name: str
    run: t.Callable[..., None]
    asked_by: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
