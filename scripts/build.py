"""Builds the collection's tarball, the same bytes whenever and wherever: `build.py COLLECTION FOLDER` prints its path.

The collection is a copy of the tree, as scripts/export makes it: its changelog is brought to the version of galaxy.yml.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import yaml


def build(collection: Path, folder: Path, date: str, epoch: int) -> Path:
    """:param date: of the release, as YYYY-MM-DD; :param epoch: the time that all files in the tarball have."""
    galaxy = yaml.safe_load((collection / "galaxy.yml").read_text())
    _run(collection, "antsibull-changelog", "release", "--version", galaxy["version"], "--date", date)
    _run(collection, "ansible-galaxy", "collection", "build", "--force", "--output-path", str(folder))
    tarball = folder / "{namespace}-{name}-{version}.tar.gz".format(**galaxy)
    _normalise(tarball, epoch)
    return tarball


def _run(collection: Path, *command: str) -> None:
    subprocess.run(command, cwd=collection, check=True, stdout=sys.stderr)


def _normalise(tarball: Path, epoch: int) -> None:
    """Write it anew, without what ansible-galaxy takes from the clock and from the order of files in folders."""
    with tarfile.open(tarball) as archive:
        members = archive.getmembers()
        content = {member.name: archive.extractfile(member).read() for member in members if member.isfile()}
    files = json.loads(content["FILES.json"])
    files["files"].sort(key=lambda entry: entry["name"])
    content["FILES.json"] = _json(files)
    manifest = json.loads(content["MANIFEST.json"])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(content["FILES.json"]).hexdigest()
    content["MANIFEST.json"] = _json(manifest)
    with (
        tarball.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for member in sorted(members, key=lambda member: member.name):
            member.mtime = epoch
            member.size = len(content.get(member.name, b""))
            archive.addfile(member, io.BytesIO(content[member.name]) if member.isfile() else None)


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _commit(form: str) -> str:
    command = ["git", "show", "--no-patch", f"--format={form}", "--date=format:%Y-%m-%d", "HEAD"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2]).resolve(), date=_commit("%cd"), epoch=int(_commit("%ct"))))
