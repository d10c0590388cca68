"""What is to run in a compose project, and how the record of a release tells it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import UNTOUCHED, Project, Target


def record_fields(
    project: Project, target: Target, references: t.Mapping[str, str], images: t.Mapping[str, str]
) -> Json:
    """What a record says of a target, before it is begun.

    :param references: images as the files have them, by service name; `images` have them by digest.
    """
    return {
        "run": project.run,
        "action": target.action,
        "restores": target.restores,
        "commit": target.commit,
        "repository": target.repository,
        "ref": target.ref,
        "files": list(target.files),
        "images": {
            name: {"reference": reference, "pinned": images.get(name, reference)}
            for name, reference in references.items()
        },
        "parameters": [dict(parameter) for parameter in target.parameters],
        "http_checks": [check._asdict() for check in target.http_checks],
        "inputs": target.inputs,
        "by": project.by,
        "origin": project.origin,
    }


def recorded_target(records: Records, record: Json, tree: str) -> Target:
    """The target that a record describes; `tree` holds its files."""
    return Target(
        action="rollback",
        tree=tree,
        files=record["files"],
        env=records.env_path(record["number"]),
        commit=record["commit"],
        repository=record["repository"],
        ref=record["ref"],
        restores=record["number"],
        images=record["images"],
        parameters=record["parameters"],
        http_checks=[HttpCheck(**check) for check in record["http_checks"]],
        inputs=record["inputs"],
    )


def differences(good: Json, fields: Json, settings: t.Sequence[str]) -> list[str]:
    """What a new record has otherwise than a good one, in words; `settings` are the keys whose values differ."""
    said = []
    if good["commit"] != fields["commit"]:
        said.append(f"commit {_short(good['commit'])} -> {_short(fields['commit'])}")
    old, new = ({p["name"]: p["version"] for p in record["parameters"] if p["name"]} for record in (good, fields))
    said += [
        f"parameter {name}: version {old.get(name)} -> {new.get(name)}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if not any("parameter" in text for text in said):
        said += [f"setting {key}" for key in settings]
    said += [
        f"image of {name}"
        for name, image in fields["images"].items()
        if good["images"].get(name, {}).get("pinned") != image["pinned"]
    ]
    if any(good[name] != fields[name] for name in ("files", "http_checks", "inputs", "repository")):
        said.append("the options of the deploy")
    return said


def refuse_other_images(good: Json, references: t.Mapping[str, str]) -> None:
    """Refuse to keep the images of a release where the files ask for others by now."""
    recorded = {name: image["reference"] for name, image in good["images"].items()}
    other = sorted(name for name, reference in references.items() if recorded.get(name) != reference)
    if other:
        raise DeployError(
            f"The compose files name other images for {', '.join(other)} than release {good['number']} has: deploy them first."
            f" {UNTOUCHED}"
        )


def pinned_images(images: t.Mapping[str, Json]) -> dict[str, str]:
    """Image references by digest, by service name, from the form of the record."""
    return {name: image["pinned"] for name, image in images.items()}


def _short(commit: str | None) -> str:
    return commit[:7] if commit else "none"
