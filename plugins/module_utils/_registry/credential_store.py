"""Where Docker keeps the logins of the user this runs as: `config.json` in a folder, and the credential helpers it names."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.process import run
from ansible_collections.popcon.deploy.plugins.module_utils._common.secret_file import open_secret_file
from ansible_collections.popcon.deploy.plugins.module_utils._registry.docker_config import (
    Config,
    Credentials,
    parse,
    render,
)

# How often a file is read anew because a program that takes no lock (docker login) changed it meanwhile.
_ATTEMPTS = 5
_HELPER_TIMEOUT_SECONDS = 60
# docker-credential-helpers, credentials/error.go; helpers print it to stdout and exit 1.
_NOT_FOUND = "credentials not found in native keychain"


def own_user() -> pwd.struct_passwd:
    """The password database's entry of the user this runs as.

    :raises DeployError: it has none.
    """
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise DeployError(f"There is no user {os.geteuid()} on this host.") from None


def read_json(path: str) -> Config:
    """The object in a private JSON file, empty if there is none; symbolic links are followed, as docker/cli does.

    :raises DeployError: as `_docker_config.parse` and `_secret_file.open_secret_file` do.
    """
    real = os.path.realpath(path)
    if not os.path.lexists(real):
        return {}
    with open_secret_file(real) as file:
        return parse(file.read(), path)


def update_json(path: str, change: t.Callable[[Config], Config], *, check: bool = False) -> bool:
    """Change the newest content of a private JSON file; True if the content, the mode or the owner had to change.

    Runs of this function wait for one another. Docker's own programs take no lock: what they wrote since the file was
    read is seen just before it is replaced, and the change is made to that instead.

    :param change: gives the new object for the object found; may be called several times.
    :param check: write nothing and make no folder.
    :raises DeployError: as `read_json`, and when the file never stays the same for long enough.
    """
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    if not os.path.isdir(folder):
        after = change({})
        if check or not after:
            return bool(after)
        _make_folder(folder)
    with open_secret_file(real) as file:
        for _attempt in range(_ATTEMPTS):
            found = file.read()
            before = parse(found, path)
            after = change(before)
            if after == before and (found is None or file.is_private()):
                return False
            if check:
                return True
            # render() may spell untouched parts otherwise, so bytes are kept where only mode or owner are wrong.
            data = found if found is not None and after == before else render(after)
            if file.read() == found:
                file.write(data)
                return True
    raise DeployError(f"{path} was changed by another program {_ATTEMPTS} times while it was being updated.")


def get_from_helper(helper: str, registry: str) -> Credentials | None:
    """What a credential helper keeps for a registry, or None.

    :raises DeployError: from this and the next function: the helper is missing, fails, or hangs. Nothing it
        printed is shown, as that could be a secret.
    """
    status, answer = _run(helper, "get", registry.encode())
    if status:
        if _NOT_FOUND in answer.decode(errors="replace"):
            return None
        raise _failed(helper, "get", status)
    try:
        found = json.loads(answer)
        credentials = Credentials(str(found["Username"]), str(found["Secret"]))
    except (ValueError, KeyError, TypeError):
        raise DeployError(f"docker-credential-{helper} get answered something that is no credentials.") from None
    return credentials if credentials.username and credentials.secret else None


def store_in_helper(helper: str, registry: str, credentials: Credentials) -> None:
    """Have a credential helper keep credentials, which it reads from its stdin."""
    entry = {"ServerURL": registry, "Username": credentials.username, "Secret": credentials.secret}
    status, _answer = _run(helper, "store", json.dumps(entry).encode())
    if status:
        raise _failed(helper, "store", status)


def _make_folder(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        # Another run made it since.
        return
    except OSError as exc:
        raise DeployError(f"Cannot make the folder {folder}: {os.strerror(exc.errno or 0)}.") from None


def _run(helper: str, action: str, data: bytes) -> tuple[int, bytes]:
    """Exit status and stdout of one call, as docker-credential-helpers has it: action on argv, the rest on stdin."""
    program = f"docker-credential-{helper}"
    path = shutil.which(program)
    if path is None:
        raise DeployError(f"Docker's config.json names the credential helper {program}, which is not on PATH.")
    user = own_user()
    env = {**os.environ, "HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    try:
        # What some helpers start, such as an agent of gpg's, lives on, and would hold a pipe open.
        status, out, _err = run([path, action], data, _HELPER_TIMEOUT_SECONDS, env=env, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise DeployError(f"{program} {action} did not end within {_HELPER_TIMEOUT_SECONDS} s.") from None
    except OSError as exc:
        raise DeployError(f"Cannot run {program}: {os.strerror(exc.errno or 0)}.") from None
    return status, out


def _failed(helper: str, action: str, status: int) -> DeployError:
    return DeployError(f"docker-credential-{helper} {action} failed with exit status {status}.")
