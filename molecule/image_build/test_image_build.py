"""An image, from all of a repository."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


def test_it_has_its_own_tag_and_is_the_latest(builder, commit):
    repository = f"{builder.mark}/app"
    assert builder.tags(repository) == [f"front-{commit}", "front-latest"]
    own, latest = (builder.manifest(repository, tag) for tag in builder.tags(repository))
    assert own == latest


def test_it_says_what_it_was_made_of(builder, commit):
    image = builder.configuration(f"{builder.mark}/app", "front-latest")
    assert image["config"]["Labels"]["org.opencontainers.image.revision"].startswith(commit)
    assert (image["os"], image["architecture"]) == ("linux", "amd64")


def test_it_was_pushed_once(builder, commit):
    assert builder.pushes(f"{builder.mark}/app") == {f"front-{commit}": 1, "front-latest": 1}
