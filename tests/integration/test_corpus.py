"""Every app of the corpus on the machine's engine: deployed, changed by its next commit, and left alone by a deploy without a change."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.tests.corpus.apps import APPS, App
from ansible_collections.popcon.deploy.tests.corpus.deployed import Deployed

#: One of each kind of input, for a run that has no time for all.
_QUICK = {"env-file-of-the-project", "extends-other-file", "include-nested", "secrets", "sidecars", "sub-folder"}
_DEPLOYABLE = [
    pytest.param(app, id=app.name, marks=[] if app.name in _QUICK else [pytest.mark.thorough])
    for app in APPS
    if not app.why_not
]


@pytest.mark.parametrize("app", _DEPLOYABLE)
def test_an_app_is_deployed_changed_and_left_alone(app: App, redis: str, tmp_path: Path) -> None:
    clone = tmp_path / "app"
    first, second = app.repository(clone, redis)
    (clone / app.folder / ".env").write_text(app.settings())
    project = Deployed(f"popcon-corpus-{app.name}", clone, tmp_path / "state", redis, app.files, app.profiles)
    try:
        assert project.deploy(first)["changed"]
        assert project.disagreements() == []
        assert not project.deploy(first)["changed"]
        before = project.ids()

        plan = project.dry_run(second, tmp_path)["plan"]
        assert {line.split()[1].rstrip(":") for line in plan} == app.recreated, plan
        assert project.ids() == before

        assert project.deploy(second)["changed"]
        assert project.disagreements() == []
        after = project.ids()
        assert {name for name in after if not before.get(name, set()) & after[name]} | _more(
            before, after
        ) == app.recreated
        assert not project.deploy(second)["changed"]
        assert project.ids() == after
    finally:
        project.remove()


def _more(before: t.Mapping[str, set[str]], after: t.Mapping[str, set[str]]) -> set[str]:
    """The services that have more containers than before."""
    return {name for name in after if len(after[name]) > len(before.get(name, ()))}
