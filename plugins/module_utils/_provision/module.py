"""What the modules have in common that make resources for which amazon.aws has no module, or none that tells the truth."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import abc
import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError, conclude
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._provision import plan

#: Options of all of them; see the doc fragment `provision`.
OPTIONS: Json = {
    "owner": plan.OWNER_OPTION,
    "tags": {"type": "dict", "default": {}},
    "adopt": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class Provider(abc.ABC):
    """A kind of resource: what is to be done about it, and how."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.params = module.params
        self.region = module.region
        self.tags = plan.with_owner(self.params["tags"], self.params["owner"])

    @abc.abstractmethod
    def rows(self) -> list[Json]:
        """The plan."""

    @abc.abstractmethod
    def apply(self, row: Json) -> None:
        """Do what a row of the plan says."""

    @abc.abstractmethod
    def _tag(self, row: Json, tags: list[dict[str, str]]) -> None: ...

    @abc.abstractmethod
    def _untag(self, row: Json, names: list[str]) -> None: ...

    def _change_tags(self, row: Json) -> None:
        """Set and take away the tags that a row names."""
        name = "tags."
        changed = {
            one["attribute"][len(name) :]: one["after"] for one in row["changes"] if one["attribute"].startswith(name)
        }
        to_set = {key: value for key, value in changed.items() if value is not None}
        if to_set:
            self._tag(row, pairs(to_set))
        if len(to_set) < len(changed):
            self._untag(row, [key for key in changed if key not in to_set])


class Compared(Provider):
    """A kind of resource of which the plan is what differs; `noun` and `rights` are for messages."""

    noun: str
    rights: str

    @abc.abstractmethod
    def wanted(self) -> list[plan.Resource]:
        """What is wanted, if it is to be there."""

    @abc.abstractmethod
    def found(self) -> list[plan.Resource]:
        """What is there."""

    def rows(self) -> list[Json]:
        """The plan."""
        wanted = self.wanted() if self.params["state"] == "present" else []
        return plan.plan(wanted, self.found(), self.params["owner"], self.params["adopt"])

    @abc.abstractmethod
    def _create(self, row: Json) -> None: ...

    @abc.abstractmethod
    def _update(self, row: Json) -> None: ...

    @abc.abstractmethod
    def _delete(self, row: Json) -> None: ...

    def apply(self, row: Json) -> None:
        """Do what the row says."""
        with aws_errors_in_words(f"{row['action']} the {self.noun} {row['name']}", self.rights, self.region):
            {"create": self._create, "update": self._update, "delete": self._delete}[row["action"]](row)
            if row["action"] == "update":
                self._change_tags(row)


def converge(kind: type[Provider], options: Json, **more: t.Any) -> None:
    """Be the module with these options besides OPTIONS: plan, and apply unless in check mode or something is in the way.

    :param more: what AnsibleAWSModule takes besides.
    """
    module = AnsibleAWSModule(argument_spec={**options, **OPTIONS}, supports_check_mode=True, **more)
    conclude(module, _converge, module, kind)


def _converge(module: AnsibleAWSModule, kind: type[Provider]) -> Json:
    provider = kind(module)
    rows = provider.rows()
    result = plan.result(rows)
    if not module.check_mode:
        if result["problems"]:
            raise DeployError(" ".join(result["problems"]))
        for row in plan.changing(rows):
            provider.apply(row)
    return {"changed": bool(plan.changing(rows)), **result}


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def unpaired(tags: list[dict[str, str]]) -> dict[str, str]:
    """Tags as they are compared."""
    return plan.own_tags({tag["Key"]: tag["Value"] for tag in tags})
