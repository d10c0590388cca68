"""Submodules and what is kept in Git LFS, among what services use."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._release.obstacles.only_referenced import check
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.obstacle_looks import MISLEADS, SURPRISES, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def model(source):
    return {"services": {"web": {"volumes": [{"type": "bind", "source": source, "target": "/x"}]}}}


@pytest.mark.parametrize("source", ["$HERE/static", "$HERE/static/logo.png"])
@pytest.mark.parametrize("staged", [True, False])
def test_a_pointer_in_what_is_mounted_is_refused(look, source, staged):
    look.commit("static/logo.png", "static/index.html")
    folder = look.stage("static/index.html") if staged else look.folder
    write(folder / "static/logo.png", POINTER)
    ((kind, text),) = look.found(check, model(source))
    assert kind is MISLEADS and "static/logo.png is kept in Git LFS" in text and "git lfs untrack" in text


def test_a_pointer_among_secrets(look):
    look.commit("key.pem")
    write(look.folder / "key.pem", POINTER)
    ((_kind, text),) = look.found(check, {"services": {}, "secrets": {"key": {"file": "$HERE/key.pem"}}})
    assert text.startswith("The secret key uses")


@pytest.mark.parametrize("source", ["$HERE/theme", "$HERE/theme/css", "$HERE/theme/css/x.css", "$HERE/deep"])
@pytest.mark.parametrize("staged", [True, False])
def test_a_submodule_in_what_is_mounted_is_refused(look, source, staged):
    names = ("theme", "deep/er")
    look.now = dict.fromkeys(names, "160000")
    if staged:
        modules = "".join(f'[submodule "{name}"]\n\tpath = {name}\n\turl = ../{name}.git\n' for name in names)
        write(look.stage() / ".gitmodules", modules)
    ((kind, text),) = look.found(check, model(source))
    assert kind is MISLEADS and "is a submodule" in text and "git subtree add" in text


def test_who_mounts_the_whole_repository_is_only_told(look):
    look.now = {"docs": "160000"}
    assert [kind for kind, _text in look.found(check, model("$HERE"))] == [SURPRISES]


def test_what_is_not_mounted_or_not_tracked_is_let_be(look):
    look.now = {"docs": "160000", "themes": "160000"}
    write(look.folder / "data/pointer", POINTER)
    write(look.folder / "doc/pointer", POINTER)
    for source in ("$HERE/data", "$HERE/doc", "$HERE/theme", "/etc"):
        assert look.found(check, model(source)) == []


def test_what_a_container_put_in_a_files_place_is_not_opened(look):
    look.commit("conf/a", "conf/b", "conf/c")
    for name in "abc":
        (look.folder / "conf" / name).unlink()
    os.mkfifo(look.folder / "conf/a")
    (look.folder / "conf/b").symlink_to("/dev/zero")
    assert look.found(check, model("$HERE/conf")) == []
