"""Files below a root that somebody else writes."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common import inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with files, and a file of the same name outside of it."""
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "secret").write_text("inside")
    (root / "a/b/file").write_text("file")
    for name, target in {
        "absolute": "/secret",
        "up": "../../../../../../secret",
        "a/b/back": "../../secret",
        "folder": "a/./b",
        "host": str(tmp_path / "secret"),
        "loop": "loop",
        "zero": "/dev/zero",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    with (root / "large").open("wb") as file:
        file.truncate(inside.MAX_SIZE + 1)
    return root


def content(root: Path, path: str, **options) -> bytes | None:
    with inside.found_inside(str(root), path, **options) as found:
        return inside.plain_content(found)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/secret", b"inside"),
        ("a//b/../b/./file", b"file"),
        ("../../secret", b"inside"),
        ("absolute", b"inside"),
        ("up", b"inside"),
        ("a/b/back", b"inside"),
        ("folder/back", b"inside"),
        ("folder/file", b"file"),
        ("a", None),
        ("/", None),
        ("fifo", None),
        ("large", None),
    ],
)
def test_a_path_is_seen_as_from_the_root(root, path, wanted):
    assert content(root, path) == wanted


@pytest.mark.parametrize("path", ["host", "loop", "zero", "none", "secret/x", "a/none/file"])
def test_what_is_not_below_the_root_is_not_there(root, path):
    with pytest.raises(OSError):
        content(root, path)


def test_what_may_not_be_looked_at_is_not_followed(root):
    assert content(root, "a/b/file", may=lambda path: path != "/secret") == b"file"
    for path in ("secret", "a/b/back", "folder/back", "absolute"):
        with pytest.raises(PermissionError):
            content(root, path, may=lambda path: path != "/secret")
    with pytest.raises(PermissionError):
        content(root, "folder/file", may=lambda path: not path.startswith("/a/b"))


def test_no_descriptor_stays_open(root):
    before = os.listdir("/proc/self/fd")
    for path in ("a/b/back", "absolute", "folder/../b/file"):
        content(root, path)
    for path in ("loop", "a/none"):
        with pytest.raises(OSError):
            content(root, path)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_device_is_not_opened():
    with inside.found_inside("/", "dev/zero") as found:
        assert inside.plain_content(found) is None


def test_a_file_of_the_kernels_is_not_read_without_end():
    assert content(Path("/proc/self"), "status") == b""
