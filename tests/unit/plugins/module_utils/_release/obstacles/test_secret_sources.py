"""Secrets and configs without a source."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.secret_sources import check
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import FAILS, write


def model(entry, kind="secrets"):
    return {"services": {"web": {kind: [{"source": "tok", "target": "/run/secrets/tok"}]}}, kind: {"tok": entry}}


@pytest.mark.parametrize("kind", ["secrets", "configs"])
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "tok", "external": True}, "tok is external"),
        ({"name": "shop_tok", "file": "$HERE/tok.txt"}, "/app/tok.txt, which neither the commit nor the host has"),
        ({"name": "shop_tok", "environment": "OTHER"}, "the setting OTHER"),
    ],
)
def test_what_has_no_source_is_refused(look, kind, entry, words):
    ((found, text),) = look.found(check, model(entry, kind))
    assert found is FAILS and words in text and text.startswith(f"The {kind[:-1]} tok ")


def test_what_has_one_is_no_obstacle(look):
    write(look.folder / "tok.txt")
    for entry in ({"file": "$HERE/tok.txt"}, {"environment": "TOKEN"}, {"content": "x"}):
        assert look.found(check, model({"name": "shop_tok", **entry})) == []


def test_what_no_service_uses_is_let_be(look):
    assert look.found(check, {"services": {"web": {}}, "secrets": {"tok": {"name": "tok", "external": True}}}) == []
