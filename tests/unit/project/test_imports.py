"""Imports go one way: modules use the packages of module_utils, and these use only those named here."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODULE_UTILS = ROOT / "plugins/module_utils"
PREFIX = ("ansible_collections", "popcon", "deploy", "plugins")

#: What each package may import. A package may name only those above it, so there is no circle.
ALLOWED = {
    "_common": set(),
    "_settings/formats": {"_common"},
    "_settings": {"_common", "_settings/formats"},
    "_git": {"_common"},
    "_docker": {"_common"},
    "_docker/lint": {"_common"},
    "_registry": {"_common", "_docker"},
    "_provision": {"_common"},
    "_release/obstacles": {"_common", "_docker"},
    "_release": {"_common", "_settings", "_git", "_docker", "_docker/lint", "_registry", "_release/obstacles"},
    "_status": {"_common", "_settings", "_git", "_docker", "_registry", "_release"},
    "_preflight/checks": {"_common", "_settings", "_git", "_docker", "_registry", "_release", "_status"},
    "_preflight": {"_common", "_preflight/checks"},
    "_rotation/strategies": {"_common", "_docker"},
    "_rotation": {"_common", "_settings", "_docker", "_rotation/strategies"},
}


def imported(path: Path) -> t.Iterator[tuple[str, ...]]:
    """The modules of this collection's plugins that a file imports, as parts below `plugins`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not followed by this test"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = tuple(name.split("."))
            if parts[: len(PREFIX)] == PREFIX:
                yield parts[len(PREFIX) :]


def package_of(parts: tuple[str, ...]) -> str:
    """The package of an imported module or name, given below `module_utils`."""
    while not (MODULE_UTILS / "/".join(parts)).with_suffix(".py").is_file():
        parts = parts[:-1]
        assert parts, "it names no file of module_utils"
    return "/".join(parts[:-1])


def arrows() -> dict[str, set[str]]:
    """The packages that each package imports."""
    found: dict[str, set[str]] = {}
    for path in MODULE_UTILS.rglob("*.py"):
        package = "/".join(path.relative_to(MODULE_UTILS).parts[:-1])
        for parts in imported(path):
            assert parts[0] == "module_utils", f"{path} imports {'.'.join(parts)}"
            found.setdefault(package, set()).add(package_of(parts[1:]))
    return {package: names - {package} for package, names in found.items()}


def test_every_file_of_module_utils_is_in_a_package() -> None:
    assert [path.name for path in MODULE_UTILS.glob("*.py")] == []
    packages = {"/".join(path.relative_to(MODULE_UTILS).parts[:-1]) for path in MODULE_UTILS.rglob("*.py")}
    assert packages == ALLOWED.keys()


def test_the_directions_have_no_circle() -> None:
    above: set[str] = set()
    for package, allowed in ALLOWED.items():
        assert allowed <= above, package
        above.add(package)


def test_packages_import_only_what_they_may() -> None:
    assert {package: names - ALLOWED[package] for package, names in arrows().items() if names - ALLOWED[package]} == {}


def test_modules_import_only_module_utils() -> None:
    for path in (ROOT / "plugins/modules").glob("*.py"):
        assert {parts[0] for parts in imported(path)} <= {"module_utils"}, path.name
