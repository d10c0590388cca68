# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the modules have in common that make resources for which amazon.aws has no module, or none that tells the truth."""

from __future__ import annotations

import abc

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils import _plan
from ansible_collections.popcon.deploy.plugins.module_utils._errors import DeployError, attempt

#: Options of all of them; see the doc fragment `provision`.
OPTIONS: _plan.Json = {
    "mark": {"type": "str", "required": True},
    "tags": {"type": "dict", "default": {}},
    "adopt": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class Provider(abc.ABC):
    """A kind of resource: what is to be done about it, and how."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.params = module.params
        self.region = module.region

    @abc.abstractmethod
    def rows(self) -> list[_plan.Json]:
        """The plan."""

    @abc.abstractmethod
    def apply(self, row: _plan.Json) -> None:
        """Do what a row of the plan says."""


class Compared(Provider):
    """A kind of resource of which the plan is what differs."""

    @abc.abstractmethod
    def wanted(self) -> list[_plan.Resource]:
        """What is wanted, if it is to be there."""

    @abc.abstractmethod
    def found(self) -> list[_plan.Resource]:
        """What is there."""

    def rows(self) -> list[_plan.Json]:
        """The plan."""
        wanted = self.wanted() if self.params["state"] == "present" else []
        return _plan.plan(wanted, self.found(), self.params["mark"], self.params["adopt"])


def converge(module: AnsibleAWSModule, kind: type[Provider]) -> None:
    """Plan, apply unless in check mode or something is in the way, and leave the module."""
    done, failure = attempt(_converge, module, kind)
    if failure:
        module.fail_json(msg=failure)
    rows = done or []
    changed = bool(_plan.changing(rows))
    module.exit_json(changed=changed, rows=rows, problems=_plan.problems(rows), diff=_plan.difference(rows))


def _converge(module: AnsibleAWSModule, kind: type[Provider]) -> list[_plan.Json]:
    provider = kind(module)
    rows = provider.rows()
    if module.check_mode:
        return rows
    problems = _plan.problems(rows)
    if problems:
        raise DeployError(" ".join(problems))
    for row in _plan.changing(rows):
        provider.apply(row)
    return rows


def tags_to_change(row: _plan.Json) -> tuple[dict[str, str], list[str]]:
    """The tags that an update sets, and the names of those that it takes away."""
    pairs = [
        (one["attribute"][len("tags.") :], one["after"])
        for one in row["changes"]
        if one["attribute"].startswith("tags.")
    ]
    return {name: value for name, value in pairs if value is not None}, [name for name, value in pairs if value is None]


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def unpaired(tags: list[dict[str, str]]) -> dict[str, str]:
    """Tags as they are compared."""
    return _plan.own_tags({tag["Key"]: tag["Value"] for tag in tags})
