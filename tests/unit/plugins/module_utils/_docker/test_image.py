"""Parts of image references, and what is said of images that can't be had; `pinned` is tested with releases and targets."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker import image
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import EngineError


@pytest.mark.parametrize(
    ("reference", "registry", "bare"),
    [
        ("mysql:9", "docker.io", "mysql"),
        ("library/mysql", "docker.io", "library/mysql"),
        ("localhost/app:1", "localhost", "localhost/app"),
        ("reg:5000/app", "reg:5000", "reg:5000/app"),
        ("reg:5000/team/app:v1", "reg:5000", "reg:5000/team/app"),
        ("1.dkr.ecr.x.amazonaws.com/app:y", "1.dkr.ecr.x.amazonaws.com", "1.dkr.ecr.x.amazonaws.com/app"),
    ],
)
def test_parts_of_a_reference(reference, registry, bare):
    assert (image.registry_of(reference), image.without_tag(reference)) == (registry, bare)


@pytest.mark.parametrize(
    ("status", "message", "words", "refused"),
    [
        (404, "manifest unknown", "does not exist", False),
        (500, "errors:\nmanifest unknown: manifest unknown\n", "does not exist", False),
        (401, "", "refused access", True),
        (403, "denied: canary-secret", "refused access", True),
        (500, "no basic auth credentials", "refused access", True),
        (500, "dial tcp: lookup reg: canary-secret", "could not be asked", False),
    ],
)
def test_what_is_said_of_an_image(status, message, words, refused):
    text, was_refused = image.image_problem("reg/app:1", "reg", EngineError(status, message))
    assert words in text and "reg/app:1" in text and was_refused is refused
    assert "canary-secret" not in text
