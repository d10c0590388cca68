"""Parameters at paths and with a key of one's own, one of which was there."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

MINE = ("/shop/prod/DB_HOST", "/elsewhere/GREETING", "/shop/prod/DB_PASSWORD", "/shop/prod/KEPT")


def test_parameters(aws):
    found = aws("ssm").get_parameters(Names=list(MINE), WithDecryption=True)["Parameters"]
    assert {parameter["Name"]: (parameter["Value"], parameter["Version"]) for parameter in found} == {
        "/shop/prod/DB_HOST": ("shop-mysql", 1),
        "/elsewhere/GREETING": ("$HOME # 'quoted'", 1),
        "/shop/prod/DB_PASSWORD": ("hunter2", 1),
        # A secret that is there may have been rotated since.
        "/shop/prod/KEPT": ("theirs", 1),
    }


def test_all_are_ours_now(aws, tags):
    ssm = aws("ssm")
    assert {parameter["Name"] for parameter in ssm.describe_parameters()["Parameters"]} == set(MINE)
    for name in MINE:
        found = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        assert tags(found) == {"Team": "web", "ManagedBy": "popcon.deploy/shop"}


def test_the_key_has_the_name_it_was_given(aws):
    aliases = {alias["AliasName"] for alias in aws("kms").list_aliases()["Aliases"]}
    assert "alias/shop-secrets" in aliases and "alias/shop" not in aliases
