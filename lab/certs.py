"""The lab's certificate authority and the edge's certificate, made with the openssl program."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from . import engine
from .config import EDGE_ADDRESS, EDGE_NAMES
from .console import run

# Longer than any lab lives, shorter than what TLS libraries begin to refuse.
_DAYS = 365
_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


def ensure(directory: Path) -> None:
    """Make `ca.crt`, `server.crt` and `server.key` in `directory` unless they are there.

    The authority's key is thrown away once it has signed: hosts trust this authority for AWS's and Docker Hub's names,
    and nobody shall be able to sign another certificate.
    """
    if (directory / "server.crt").exists():
        return
    if shutil.which("openssl") is None:
        engine.apt_install("openssl")
    directory.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        work = Path(scratch)
        (work / "server.ext").write_text(
            # A controller knows no names of the lab.
            f"subjectAltName = {','.join(f'DNS:{name}' for name in EDGE_NAMES)},IP:{EDGE_ADDRESS}\n"
            "basicConstraints = critical,CA:FALSE\n"
            "keyUsage = critical,digitalSignature\n"
            "extendedKeyUsage = serverAuth\n"
            "subjectKeyIdentifier = hash\n"
            "authorityKeyIdentifier = keyid\n"
        )
        usage = "keyUsage=critical,keyCertSign,cRLSign"
        for command in (
            f"req -x509 {_KEY} -days {_DAYS} -subj /CN=popcon-lab-authority -addext {usage} -keyout ca.key -out ca.crt",
            f"req -new {_KEY} -subj /CN=popcon-lab-edge -keyout server.key -out server.csr",
            f"x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days {_DAYS} -extfile server.ext"
            " -out server.crt",
        ):
            run("openssl", *command.split(), cwd=work)
        for name in ("ca.crt", "server.key", "server.crt"):
            (work / name).rename(directory / name)
