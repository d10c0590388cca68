"""What a lab keeps on this machine: its secrets, its certificates and the file to source. All in .state/, mode 0700."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shlex
import shutil
import string
import sys
from pathlib import Path

from . import certs
from .config import (
    ACCOUNT_ADDRESS,
    EDGE_ADDRESS,
    GIT_ADDRESS,
    GIT_USER,
    LAB,
    REGION,
    SECURE_ENDPOINT_URL,
    STATE,
)

_SECRETS = STATE / "secrets.json"
_SEEDED = STATE / "seeded.json"
#: Mounted into containers.
TLS = STATE / "tls"
HTPASSWD = STATE / "htpasswd"
#: For people: `. lab/.state/env`.
ENV = STATE / "env"


def exists() -> bool:
    """Whether this working copy has the keys of a lab."""
    return _SECRETS.exists()


def prepare() -> dict[str, str]:
    """Make what is missing and return the lab's secrets: they live as long as the lab."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    if not exists():
        _write(_SECRETS, json.dumps(_new_secrets(), indent=1))
    certs.ensure(TLS)
    known = load_secrets()
    if not HTPASSWD.exists():
        digest = base64.b64encode(hashlib.sha1(known["git_token"].encode()).digest()).decode()
        # Read by the git server's nginx, as its own user, through a mount; the folder is closed to everybody else.
        _write(HTPASSWD, f"{GIT_USER}:{{SHA}}{digest}\n", mode=0o644)
    return known


def load_secrets() -> dict[str, str]:
    """The secrets: admin_access_key, admin_secret_key, git_token, db_username, db_password, db_root_password."""
    known: dict[str, str] = json.loads(_SECRETS.read_text())
    return known


def load_seeded() -> dict[str, str]:
    """What `up` last put into the registry, the git server and the account: name -> hash or id."""
    return json.loads(_SEEDED.read_text()) if _SEEDED.exists() else {}


def save_seeded(**facts: str) -> None:
    """Add to what `load_seeded` returns."""
    _write(_SEEDED, json.dumps({**load_seeded(), **facts}, indent=1))


def write_env(access_key_id: str, secret_access_key: str, **more: str) -> None:
    """Write the file that makes a shell, or a test, the deployment controller of this lab; `more` is exported too."""
    addresses = ",".join((ACCOUNT_ADDRESS, EDGE_ADDRESS, GIT_ADDRESS))
    values = {
        "AWS_ENDPOINT_URL": SECURE_ENDPOINT_URL,
        "AWS_CA_BUNDLE": str(TLS / "ca.crt"),
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_SESSION_MANAGER_PLUGIN": session_manager_plugin(),
        # The lab's client needs a Python with websockets: this one.
        "POPCON_LAB_PYTHON": sys.executable,
        **more,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    # A profile or a session token of the user's own would win over, or spoil, the keys above.
    lines.append("unset AWS_PROFILE AWS_SESSION_TOKEN")
    for name in ("NO_PROXY", "no_proxy"):
        lines.append(f'export {name}="${{{name}:+${name},}}{addresses}"')
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    _write(ENV, "\n".join(lines) + "\n")


def session_manager_plugin() -> str:
    """AWS's own plugin where it is installed, else the lab's client."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sessionmanagerplugin/bin"))
    return shutil.which("session-manager-plugin", path=places) or str(LAB / "client" / "session-manager-plugin")


def remove() -> None:
    """Forget everything; nothing to do is fine."""
    shutil.rmtree(STATE, ignore_errors=True)


def _new_secrets() -> dict[str, str]:
    letters = string.ascii_uppercase + "234567"
    # Values that break what is naive about quoting, expansion, comments and lines, each in its own way. MySQL allows 32
    # characters in a user name; everything is allowed in a password but NUL.
    return {
        "admin_access_key": "AKIA" + "".join(secrets.choice(letters) for _dummy in range(16)),
        "admin_secret_key": secrets.token_urlsafe(30),
        "git_token": f"lab_{secrets.token_urlsafe(30)}",
        "db_username": f"pop $u ${{X}} #'\"\\ {secrets.token_hex(4)}",
        "db_password": f"$ecret${{HOME}} #{secrets.token_hex(8)} 'one' \"two\"\nline2 \\n $$ `id` $(id) %s = : \\",
        "db_root_password": f"#r00t '{secrets.token_hex(8)}' \"${{PATH}}\" \\\\ $1 ${{X:-y}} !",
    }


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one go, so that a lab stopped half-way finds the old one or the new one."""
    scratch = path.with_suffix(".new")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as stream:
        stream.write(text)
    scratch.replace(path)
