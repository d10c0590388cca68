"""What pages refer to is there: files that they link to, headings in them, and options of roles."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.community import docker

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md"), *ROOT.glob("lab/*.md")]


def anchors(page):
    """The headings' anchors, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def options(role):
    """What a role can be told, and what it sets."""
    spec = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    texts = re.findall(rf"C\(({role}_\w+)\)", str(spec))
    return {name for entry in spec.values() for name in entry.get("options", {})} | set(texts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https:)([^)]+)\)", page.read_text()):
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_are_those_of_the_roles(page):
    for role in sorted(path.name for path in (ROOT / "roles").iterdir()):
        named = set(re.findall(rf"\b{role}_\w+", page.read_text()))
        # A module's name may begin with a role's.
        folders = [ROOT / "plugins/modules", Path(*docker.__path__) / "plugins/modules"]
        modules = {path.stem for folder in folders for path in folder.glob("*.py")}
        assert named - modules <= options(role), role
