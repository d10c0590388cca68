"""The record of a release: what it was made of, who made it, and how it ended."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.text import short_commit
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import Difference, Reason
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck

FORMAT = 2
#: Format 1 had these fields and this result under other names.
_FIELDS_OF_FORMAT_1 = {"inputs": "options_digest", "origin": "started_from"}
_RESULTS_OF_FORMAT_1 = {"good": "succeeded"}


class Result(enum.Enum):
    """How far a release came."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Image(t.NamedTuple):
    """An image as the compose files name it, and by digest."""

    reference: str
    pinned: str


@dataclasses.dataclass(frozen=True)
class Record:
    """One release.

    `images` has every service. Of these, the `idle` have no containers: they are for jobs only, or have no replicas. `parameters` has a row a setting: key, source, name, path, version; never a value. `definitions`
    is compose's hash of each service's container, as it was when the release was ready. `file_digests` has the compose files
    and the mounted files of a project without a commit. Times are UTC, like `2026-11-23T07:00:00Z`.
    """

    action: str
    commit: str | None
    files: t.Sequence[str]
    images: t.Mapping[str, Image]
    run: str
    by: str
    started_from: str
    repository: str | None = None
    ref: str | None = None
    restores: int | None = None
    profiles: t.Sequence[str] = dataclasses.field(default_factory=list)
    idle: t.Sequence[str] = dataclasses.field(default_factory=list)
    parameters: t.Sequence[Json] = dataclasses.field(default_factory=list)
    http_checks: t.Sequence[HttpCheck] = dataclasses.field(default_factory=list)
    options_digest: str = ""
    definitions: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    file_digests: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    number: int = 0
    started: str = ""
    ended: str | None = None
    result: Result = Result.STARTED
    problem: str | None = None

    @classmethod
    def from_json(cls, data: Json) -> Record | None:
        """The record that some JSON stands for; None if it is damaged, or of a format that this version does not know."""
        if data.get("format") == 1:
            data = {_FIELDS_OF_FORMAT_1.get(name, name): value for name, value in data.items()}
            data["result"] = _RESULTS_OF_FORMAT_1.get(data.get("result", ""), data.get("result"))
        elif data.get("format") != FORMAT:
            return None
        known = {field.name for field in dataclasses.fields(cls)}
        try:
            fields = {name: value for name, value in data.items() if name in known}
            fields["result"] = Result(fields["result"])
            fields["images"] = {name: Image(**image) for name, image in fields["images"].items()}
            fields["http_checks"] = [HttpCheck(**check) for check in fields.get("http_checks", ())]
            return cls(**fields)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> Json:
        """The record as JSON; `from_json` makes the same record of it."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields.update(
            format=FORMAT,
            result=self.result.value,
            files=list(self.files),
            profiles=list(self.profiles),
            idle=list(self.idle),
            images={name: image._asdict() for name, image in self.images.items()},
            parameters=[dict(row) for row in self.parameters],
            http_checks=[check._asdict() for check in self.http_checks],
            definitions=dict(self.definitions),
            file_digests=dict(self.file_digests),
        )
        return fields

    @property
    def succeeded(self) -> bool:
        """Whether the release became ready."""
        return self.result is Result.SUCCEEDED

    @property
    def versions(self) -> dict[str, int]:
        """The version of every parameter, by its name."""
        return {row["name"]: row["version"] for row in self.parameters if row["name"]}

    @property
    def pinned(self) -> dict[str, str]:
        """Image references by digest, by service."""
        return {service: image.pinned for service, image in self.images.items()}

    def replace(self, **changes: t.Any) -> Record:
        """The same record with some fields changed."""
        return dataclasses.replace(self, **changes)

    def differences(self, earlier: Record, settings: t.Sequence[str] = ()) -> list[Difference]:
        """What this record has that an earlier one did not have, or had otherwise.

        :param settings: the keys whose values differ; they are named where no parameter explains them.
        """
        found = []
        if self._options() != earlier._options():
            found.append(Difference(Reason.OPTIONS, "", "the options of the deploy"))
        if self.commit != earlier.commit:
            change = f"{short_commit(earlier.commit)} -> {short_commit(self.commit)}"
            found.append(Difference(Reason.COMMIT, "", f"commit {change}"))
        old, new = earlier.versions, self.versions
        changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        found += [Difference(Reason.PARAMETER, name, _version_change(name, old, new)) for name in changed]
        if not changed:
            found += [Difference(Reason.SETTING, key, f"setting {key}") for key in settings]
        found += [
            Difference(Reason.IMAGE, service, f"image of {service}")
            for service, pinned in self.pinned.items()
            if earlier.pinned.get(service) != pinned
        ]
        return found

    def _options(self) -> tuple[t.Any, ...]:
        # Which services are idle follows from the files, but earlier versions did not record it.
        services = list(self.profiles), sorted(self.idle)
        return list(self.files), services, list(self.http_checks), self.options_digest, self.repository


def _version_change(name: str, old: t.Mapping[str, int], new: t.Mapping[str, int]) -> str:
    if name not in old:
        return f"parameter {name} is new"
    if name not in new:
        return f"parameter {name} is gone"
    return f"parameter {name}: version {old[name]} -> {new[name]}"
