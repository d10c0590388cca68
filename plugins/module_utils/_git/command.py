"""Running git without trusting the host's settings, and saying in words what a remote repository answered.

The token travels to git in a memory file that only the network command inherits: it is in no argument, no environment,
no file with a name and no configuration. git reads it with a credential helper (git-credential(1)) that is bound to the
repository's own scheme and host, so a redirect to another host gets nothing. A helper is used rather than GIT_ASKPASS
because that needs an executable file, which a `noexec` temporary folder forbids, and because so git compares the host.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.process import run
from ansible_collections.popcon.deploy.plugins.module_utils._common.redact import redactor

# `--end-of-options`, GIT_CONFIG_COUNT and other newer things are not used, so that this one is enough.
MINIMUM_VERSION = (2, 20)
ATTEMPTS = 3
PAUSE_SECONDS = 2.0

_KEPT_ENVIRONMENT = (
    "PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
)  # fmt: skip

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.fileMode": "true",
    # A ref that a power failure left empty would have to be removed by hand. Known from git 2.36 on.
    "core.fsync": "all",
    "core.logAllRefUpdates": "always",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    # Housekeeping in the background would outlive the task and hold its terminal.
    "gc.auto": "0",
    "gc.autoDetach": "false",
    "maintenance.auto": "false",
    # Also stops a partial clone from fetching a missing object in the middle of a local command.
    "protocol.allow": "never",
    "submodule.recurse": "false",
}

# Below 1,000 bytes per second for 30 seconds a transfer counts as stuck.
_NETWORK_SETTINGS = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": "30"}

_HELPER = (
    '!f() { test "$1" != get || { printf \'username=%s\\npassword=\' "$POPCON_GIT_USERNAME";'
    ' cat "/dev/fd/$POPCON_GIT_TOKEN_FD"; echo; }; }; f'
)

_USERINFO = re.compile(r"(?<=://)[^/\s'\"]*@")

# What git and libcurl say (LC_ALL=C; OpenSSL's and GnuTLS's texts), whether trying again can help, and what it means.
_REMOTE_FAILURES: tuple[tuple[str, bool, str], ...] = (
    (
        r"Could not resolve (host|proxy)",
        True,
        "its host name can't be resolved. Check the spelling, the host's DNS and its proxy settings",
    ),
    (
        r"certificate verification failed|SSL certificate problem|unable to get local issuer|no alternative cert",
        False,
        "its TLS certificate is not trusted here. Install its certificate authority on the host, or correct the URL",
    ),
    (
        r"Authentication failed|error: 401|error: 403|HTTP Basic: Access denied",
        False,
        "{refused}",
    ),
    (r"could not read (Username|Password)", False, "{unasked}"),
    (
        r"[Rr]epository .*not found|error: 404|does not appear to be a git repository|does not exist",
        False,
        "there is no such repository, or {unseen}",
    ),
    (
        r"Failed to connect|Connection refused|Could not connect|No route to host|Network is unreachable",
        True,
        "no connection could be made. Check the port, the host's route, security group and proxy settings",
    ),
    (
        r"timed out|Timeout|too slow|Operation too slow",
        True,
        "it did not answer in time. Check the host's route to it, or raise the time limit",
    ),
    (
        r"error: (429|5\d\d)|early EOF|RPC failed|Connection reset|hung up unexpectedly|unexpected disconnect|"
        r"Empty reply|Recv failure|Send failure|SSL_ERROR_SYSCALL|GnuTLS recv|gnutls_handshake|non-properly terminated",
        True,
        "the connection broke or the server failed, {attempts} times. Try again later",
    ),
    (
        r"fsck error|fsckObjects",
        False,
        "it holds or sends objects that git's check refuses. Run `git fsck` in a clone of it",
    ),
    (r"transport '.*' not allowed", False, "it redirects to a protocol that is not allowed"),
    (r"No space left on device|Disk quota exceeded", False, "the host's disk is full. Make room, then run again"),
)


class GitFailure(Exception):
    """A git command failed for a reason there are no words for here; the text holds neither the token nor userinfo."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"git {command} failed" + (f": {said}" if said else ""))


class Git:
    """The host's git, run for one repository.

    `executable` is its path; `home` an empty private folder that stands in for the user's; `url` a URL that
    `check_repository` let pass; `timeout` the seconds one command may take; `token` is called at the first network
    command, if there is one at all, and `token_name` is how messages name it.
    """

    def __init__(
        self,
        executable: str,
        home: str,
        url: str,
        timeout: int,
        username: str = "x-access-token",
        token: t.Callable[[], str] | None = None,
        token_name: str | None = None,
    ) -> None:
        self.url = url
        self.home = home
        self.kept_fds: tuple[int, ...] = ()
        self._executable = executable
        self._timeout = timeout
        self._username = username
        self._read_token = token
        self._token_name = token_name
        self._token_fd: int | None = None
        self._redact_token = redactor([])

    def run(
        self,
        *args: str,
        git_dir: str | None = None,
        work_tree: str | None = None,
        index: str | None = None,
        stdin: bytes = b"",
        ok: tuple[int, ...] = (0,),
    ) -> bytes:
        """Run a local command and return its output. Errors: GitFailure when its exit code is not one of `ok`."""
        code, out, err = self._execute(args, _SETTINGS, git_dir, work_tree, index, stdin, None)
        if code not in ok:
            raise GitFailure(args[0], self._redact(err))
        return out

    def remote(self, *args: str, git_dir: str | None = None) -> bytes:
        """Run a command that talks to the repository, again after a passing failure, and return its output.

        Errors: DeployError in words for what is known to go wrong with a remote repository, else GitFailure.
        """
        scheme = urlsplit(self.url).scheme
        settings = {**_SETTINGS, **_NETWORK_SETTINGS, f"protocol.{scheme}.allow": "always"}
        if self._read_token is not None:
            self._keep_token(self._read_token())
            self._read_token = None
        if self._token_fd is not None:
            settings[f"credential.{_origin(self.url)}.helper"] = _HELPER
        for attempt in range(1, ATTEMPTS + 1):
            code, out, err = self._execute(args, settings, git_dir, None, None, b"", self._token_fd)
            if code == 0:
                return out
            passing, reason = explain_remote(err.decode(errors="replace"), self._token_name)
            if not passing or attempt == ATTEMPTS:
                break
            time.sleep(PAUSE_SECONDS * attempt)
        if reason is None:
            raise GitFailure(args[0], self._redact(err))
        raise DeployError(f"{self.url} can't be read: {reason}.")

    def _keep_token(self, token: str) -> None:
        self._token_fd = os.memfd_create("token")
        os.write(self._token_fd, token.encode())
        # HTTP's basic authentication sends the two as one.
        self._redact_token = redactor([token, f"{self._username}:{token}"])

    def _execute(
        self,
        args: tuple[str, ...],
        settings: dict[str, str],
        git_dir: str | None,
        work_tree: str | None,
        index: str | None,
        stdin: bytes,
        token_fd: int | None,
    ) -> tuple[int, bytes, bytes]:
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment.update(
            LC_ALL="C", HOME=self.home, XDG_CONFIG_HOME=self.home, GIT_CEILING_DIRECTORIES=self.home,
            GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null",
            GIT_TERMINAL_PROMPT="0", GIT_ASKPASS="", GIT_NO_REPLACE_OBJECTS="1", GIT_ATTR_NOSYSTEM="1",
            GIT_AUTHOR_NAME="popcon.deploy", GIT_AUTHOR_EMAIL="popcon.deploy@localhost",
            GIT_COMMITTER_NAME="popcon.deploy", GIT_COMMITTER_EMAIL="popcon.deploy@localhost",
        )  # fmt: skip
        # git checks the owner (safe.directory) of what it has to search for only: named, a checkout that another user
        # once made can be kept.
        if git_dir:
            environment["GIT_DIR"] = git_dir
        if work_tree:
            environment["GIT_WORK_TREE"] = work_tree
        if index:
            environment["GIT_INDEX_FILE"] = index
        passed = self.kept_fds
        if token_fd is not None:
            passed += (token_fd,)
            environment.update(POPCON_GIT_USERNAME=self._username, POPCON_GIT_TOKEN_FD=str(token_fd))
        command = [self._executable, "--no-pager"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # Its own process group, so that a time limit ends git's helpers too. The kept descriptors hold the lock on the
        # checkout for as long as such a process lives, even when this one was killed.
        try:
            return run(
                [*command, *args], stdin, self._timeout, lambda process: os.killpg(process.pid, signal.SIGKILL),
                cwd=work_tree or self.home, env=environment, pass_fds=passed, start_new_session=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 124, b"", f"timed out after {self._timeout} s".encode()

    def _redact(self, err: bytes) -> str:
        # What the server itself says ("remote: ...") is anybody's text: it is left out.
        text = " ".join(
            line.strip() for line in err.decode(errors="replace").splitlines() if line.startswith(("fatal:", "error:"))
        )
        return without_userinfo(self._redact_token(text))[:400]


@contextlib.contextmanager
def private_git(url: str, timeout: int, folder: str | None = None, **token: t.Any) -> t.Iterator[Git]:
    """The host's git with a home of its own, below `folder` or where temporary files go; the rest is as for `Git`.

    Errors: DeployError when git is missing or too old.
    """
    executable = shutil.which("git")
    if executable is None:
        raise DeployError("git is missing on this host: install it (apt-get install git, or dnf install git).")
    home = tempfile.mkdtemp(dir=folder)
    try:
        git = Git(executable, home, url, timeout, **token)
        check_version(git)
        yield git
    finally:
        shutil.rmtree(home, ignore_errors=True)


def without_userinfo(text: str) -> str:
    """`text` without the user and password of any URL in it."""
    return _USERINFO.sub("", text)


def explain_remote(said: str, token_name: str | None) -> tuple[bool, str | None]:
    """Whether trying again can help, and the reason with its cure (None if unknown), by git's error output `said`."""
    if token_name:
        token = f"the token in the parameter {token_name}"
        refused = f"{token} was refused. Put a valid one there that may read this repository"
        # The helper answers for the repository's own host, and for no other.
        unasked = "it redirects to another host, which is not given the token. Correct the URL"
        unseen = f"{token} may not see it. Check the URL and the token's permissions"
    else:
        refused = unasked = "it wants a token. Name the parameter that holds one with token_parameter"
        unseen = "it wants a token. Check the URL, or name the parameter that holds one with token_parameter"
    for pattern, passing, reason in _REMOTE_FAILURES:
        if re.search(pattern, said):
            return passing, reason.format(refused=refused, unasked=unasked, unseen=unseen, attempts=ATTEMPTS)
    return False, None


def check_version(git: Git) -> None:
    """Refuse a git that is too old. Errors: DeployError."""
    numbers = re.search(rb"(\d+)\.(\d+)", git.run("version"))
    found = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if found < MINIMUM_VERSION:
        raise DeployError(
            f"git is {found[0]}.{found[1]} on this host: {MINIMUM_VERSION[0]}.{MINIMUM_VERSION[1]} is needed."
        )


def check_repository(url: str) -> None:
    """Refuse all but plain `https` and `file` URLs, without repeating credentials. Errors: DeployError."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise DeployError(
            "The repository URL holds credentials, which end up in logs: take them out, replace them, and keep the new "
            "token in Parameter Store (token_parameter)."
        )
    host = bool(parts.hostname) if parts.scheme == "https" else parts.scheme == "file" and not parts.netloc
    if not host or not parts.path.strip("/") or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f\\]", url):
        raise DeployError(f"{url!r} is no repository URL: give it as https://host/path.git (or file:///path).")


def check_ref(ref: str) -> None:
    """Refuse what git-check-ref-format(1) refuses, and what git could take for an option. Errors: DeployError."""
    wrong = r"^[-/]|[\s\x00-\x1f\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^\.|[/.]$|\.lock(/|$)|^@$|^$"
    if re.search(wrong, ref):
        raise DeployError(f"{ref!r} is no ref: give a branch, a tag or a commit.")


def parse_refs(listing: bytes) -> dict[str, str]:
    """The output of `git ls-remote` as `{"refs/heads/main": commit}`; an annotated tag stands for its commit."""
    refs: dict[str, str] = {}
    for line in listing.decode(errors="replace").splitlines():
        commit, _tab, name = line.partition("\t")
        # The peeled line follows the tag's own and replaces it.
        refs[name[:-3] if name.endswith("^{}") else name] = commit
    return refs


def is_commit(ref: str) -> bool:
    """Whether `ref` is a full commit id (which, as for git, wins over a branch of that name)."""
    return re.fullmatch(r"[0-9a-f]{40}", ref) is not None


def find_ref(ref: str, refs: dict[str, str], url: str) -> str | None:
    """The full name in `refs` that `ref` means, or None if it can only be the beginning of a commit id.

    Errors: DeployError when it means nothing (with the nearest names) or both a branch and a tag.
    """
    if not refs:
        raise DeployError(f"{url} is empty: push a branch first.")
    if ref in refs:
        return ref
    found = [name for name in (f"refs/heads/{ref}", f"refs/tags/{ref}") if name in refs]
    if len(found) == 2:
        raise DeployError(f"{ref} is a branch and a tag of {url}: write {found[0]} or {found[1]}.")
    if found:
        return found[0]
    if re.fullmatch(r"[0-9a-f]{7,40}", ref):
        return None
    names = [name.split("/", 2)[2] for name in refs]
    near = difflib.get_close_matches(ref, names, 3)
    hint = f" Did you mean {' or '.join(near)}?" if near else " A commit is given with 7 to 40 digits, in lower case."
    raise DeployError(f"{url} has no branch or tag {ref}.{hint}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
