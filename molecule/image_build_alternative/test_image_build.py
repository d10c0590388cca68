"""One image of two, from a stage of a Dockerfile in a folder, with arguments and a secret file, and no tag that moves."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json


def test_only_this_one_is_there_under_a_tag_with_its_settings(builder, commit):
    (tag,) = builder.tags(f"{builder.mark}/app")
    assert tag.startswith(f"page-{commit}-")
    assert builder.pushes(f"{builder.mark}/app") == {tag: 1}


def test_it_is_that_stage_and_the_secret_is_not_in_it(builder):
    repository = f"{builder.mark}/app"
    image = builder.configuration(repository, builder.tags(repository)[0])
    assert image["config"]["Labels"]["stage"] == "page"
    assert "GREETING=hello" in json.dumps(image["history"])
    assert "hunter2" not in json.dumps(image)
