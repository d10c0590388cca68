"""The ansible-core that is promised is the one that is tested."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
LOCKED = re.findall(r"^ansible-core==(\d+\.\d+)", (ROOT / "requirements/test.txt").read_text(), re.MULTILINE)
OLDEST, NEWEST = sorted(LOCKED, key=lambda version: tuple(map(int, version.split("."))))


def test_the_oldest_that_is_promised_is_the_oldest_that_is_tested() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert runtime["requires_ansible"] == f">={OLDEST}.0"
    for meta in (ROOT / "roles").glob("*/meta/main.yml"):
        assert yaml.safe_load(meta.read_text())["galaxy_info"]["min_ansible_version"] == OLDEST, meta.parents[1].name


def test_the_readme_names_both() -> None:
    assert f"ansible-core {OLDEST} or newer ({OLDEST} and {NEWEST} are tested)" in (ROOT / "README.md").read_text()


def test_every_package_of_the_tests_has_its_hashes() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).strip())
        assert len(entries) > 10
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == [], path.name


def test_what_files_share_has_one_version() -> None:
    def locked(name: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))

    assert locked("controller") <= locked("lab") <= locked("test")
