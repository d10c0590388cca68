"""Where a release takes the wanted files from."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.popcon.deploy.plugins.modules import compose_release

PROJECT: t.Any = types.SimpleNamespace(folder="/srv/app", env_file="/srv/app/.env")


@pytest.mark.parametrize(
    ("options", "check", "tree"),
    [
        # Under the lock, the release sees for itself what the clone has.
        ({"tree": "/srv/app", "commit": "c" * 40}, False, None),
        ({}, True, "/srv/app"),
        ({"tree": "/preview/", "commit": "c" * 40}, True, "/preview"),
        ({"commit": "c" * 40}, True, "/srv/app"),
    ],
)
def test_the_folder_of_the_wanted_files(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, str], check: bool, tree: str | None
) -> None:
    monkeypatch.setattr(compose_release.checkout, "head", lambda folder: None)
    defaults = {name: option.get("default") for name, option in compose_release.ARGUMENT_SPEC.items()}
    module: t.Any = types.SimpleNamespace(params={**defaults, **options}, check_mode=check)
    assert compose_release.wanted(module, PROJECT).tree == tree
