"""Secrets are taken out of a text in every shape programs commonly write them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from urllib.parse import quote_plus

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.redact import MASK, redactor

SECRET = "p$a\"s\\s w'ö#d"


@pytest.mark.parametrize(
    "shape",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        SECRET.replace("$", "$$"),
    ],
)
def test_shapes(shape):
    redacted = redactor([SECRET])(f"login with {shape} failed")
    assert MASK in redacted and redacted.startswith("login with ") and redacted.endswith(" failed")
    assert SECRET not in redacted and "s w" not in redacted and "cCR" not in redacted


def test_lines_of_a_key():
    assert "abcdef" not in redactor(["-----BEGIN\nabcdef\n-----END"])("bad line: abcdef")


def test_the_longer_of_two_secrets_goes_first():
    assert redactor(["abcd", "abcdefgh"])("abcdefgh") == MASK


@pytest.mark.parametrize("short", ["", "1", "prd"])
def test_what_is_too_short_to_be_a_secret_stays(short):
    assert redactor([short])("port 3310, prd") == "port 3310, prd"
