"""When a host is where a deploy would bring it, and what the registries are asked for that."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import EngineError
from ansible_collections.popcon.deploy.plugins.module_utils._git.checkout import Checkout
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import texts
from ansible_collections.popcon.deploy.plugins.module_utils._release.host import Host
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Result
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import Settings
from ansible_collections.popcon.deploy.plugins.module_utils._status import up_to_date
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import (
    COMMIT,
    DIGEST,
    sample_record,
)

OTHER = "sha256:" + "2" * 64
URL = "https://git.example.com/app.git"
RECORD = sample_record(
    number=7,
    result=Result.SUCCEEDED,
    repository=URL,
    options_digest="options",
    parameters=[
        {"key": "A", "source": "parameter", "name": "/p/A", "version": 2},
        {"key": "B", "source": "parameter", "name": "/p/B", "version": 1},
        {"key": "C", "source": "default", "name": None, "version": None},
        {"key": "D", "source": "extra", "name": None, "version": None},
    ],
)
DIGESTS = {"reg/web:1": f"reg/web@{DIGEST}", "reg/db:1": f"reg/db@{DIGEST}"}
SOURCES = up_to_date.Sources("options", URL, COMMIT, {"/p/A": 2, "/p/B": 1}, DIGESTS)


def container(service):
    return {
        "Name": f"/app-{service}-1",
        "Config": {"Labels": {"com.docker.compose.service": service}, "Image": f"reg/{service}@{DIGEST}"},
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
        "RestartCount": 0,
        "State": {"Status": "running", "Running": True},
    }


BOTH = (container("web"), container("db"))


def host(release=RECORD, commit=COMMIT, containers=BOTH):
    nothing = Settings(b"", {})
    checkout = Checkout(commit)
    return Host("/nowhere/.env", release, release, None, checkout, [], nothing, nothing, True, containers)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({}, []),
        ({"options_digest": "others"}, ["the options of the deploy"]),
        ({"repository": "https://elsewhere"}, ["the options of the deploy"]),
        ({"commit": "b" * 40}, ["commit aaaaaaaaaaaa -> bbbbbbbbbbbb"]),
        ({"commit": None}, ["commit aaaaaaaaaaaa -> none"]),
        ({"versions": {"/p/A": 3, "/p/B": 1}}, ["parameter /p/A: version 2 -> 3"]),
        ({"versions": {"/p/A": 1, "/p/B": 1}}, ["parameter /p/A: version 2 -> 1"]),
        ({"versions": {"/p/B": 1}}, ["parameter /p/A is gone"]),
        ({"versions": {"/p/A": 2, "/p/B": 1, "/p/C": 1}}, ["parameter /p/C is new"]),
        ({"versions": {}}, ["parameter /p/A is gone", "parameter /p/B is gone"]),
        ({"versions": None}, ["the parameters are not known"]),
        ({"digests": {**DIGESTS, "reg/db:1": f"reg/db@{OTHER}"}}, ["image of db"]),
        ({"digests": {}}, ["image of web", "image of db"]),
    ],
)
def test_where_things_come_from(sources, said):
    assert texts(up_to_date.changes(SOURCES._replace(**sources), host())) == said


def test_what_drifted_is_changed_by_a_deploy_too():
    assert texts(up_to_date.changes(SOURCES, host(containers=[container("web")]))) == ["db is missing"]


def test_before_the_first_release():
    assert texts(up_to_date.changes(SOURCES, host(release=None))) == ["no release has succeeded yet"]


def test_a_project_without_a_repository():
    release = RECORD.replace(repository=None, commit=None)
    sources = SOURCES._replace(repository=None, commit=None)
    assert up_to_date.changes(sources, host(release=release, commit=None)) == []


class FakeEngine:
    """Registries that want a certain header."""

    def __init__(self, digests):
        self.digests, self.asked = digests, []

    def registry_digest(self, reference, auth):
        self.asked.append((reference, auth))
        answer = self.digests[reference]
        if isinstance(answer, dict):
            answer = answer.get(auth, EngineError(401, "denied"))
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_registries_are_asked_with_the_next_login_where_one_is_refused():
    record = sample_record(images={name: Image(f"reg.x/{name}:1", "") for name in ("web", "db")})
    engine = FakeEngine({"reg.x/web:1": {"new": DIGEST}, "reg.x/db:1": {"old": OTHER}})
    asked = []

    def auth(name):
        return lambda registry: asked.append((name, registry)) or name

    assert up_to_date.digests_of(record, engine, [auth("old"), auth("new")]) == {
        "reg.x/web:1": f"reg.x/web@{DIGEST}",
        "reg.x/db:1": f"reg.x/db@{OTHER}",
    }
    # Once a registry, however many images it has.
    assert asked == [("old", "reg.x"), ("new", "reg.x")]
    assert sorted(engine.asked) == [("reg.x/db:1", "old"), ("reg.x/web:1", "new"), ("reg.x/web:1", "old")]


def test_an_image_that_no_registry_tells():
    engine = FakeEngine({"reg/web:1": DIGEST, "reg/db:1": EngineError(404, "manifest unknown")})
    assert up_to_date.digests_of(RECORD, engine, [lambda _registry: None]) == {"reg/web:1": f"reg/web@{DIGEST}"}


def test_a_reference_by_digest_needs_no_registry():
    pinned = f"reg/web:1@{DIGEST}"
    engine = FakeEngine({})
    assert up_to_date.digests_of(sample_record(images={"web": Image(pinned, pinned)}), engine, []) == {pinned: pinned}
    assert engine.asked == []
