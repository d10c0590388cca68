"""Whether the host can read and decrypt the parameters, and which versions they have."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Findings, Look
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import assign_keys, read_parameters


def check(look: Look, _caller: object) -> None:
    """Find the versions of the parameters."""
    look.found.parameters = parameter_versions(look.findings, look.ssm, look.options["parameter_paths"])


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
