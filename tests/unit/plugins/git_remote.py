"""Real git repositories for the tests: a remote to push to, and a server that hands it out over HTTPS with a token."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
import typing as t
from pathlib import Path

from ansible_collections.popcon.deploy.plugins.module_utils._git.command import Git
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import make_certificate

GIT = t.cast(str, shutil.which("git"))
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    **{f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(where: Path, *args: str, **more: t.Any) -> str:
    """Run git as a person would."""
    done = subprocess.run(
        [GIT, *args], cwd=where, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, encoding="utf-8", **more
    )
    return done.stdout.strip()


class Remote:
    """A bare repository C(popcon/gitops.git) below a folder, and a clone to make commits in."""

    def __init__(self, root: Path) -> None:
        self.path = root / "popcon" / "gitops.git"
        self.work = root / "work"
        self.path.mkdir(parents=True)
        git(self.path, "init", "-q", "--bare", "-b", "main")
        git(root, "clone", "-q", str(self.path), "work")
        git(self.work, "checkout", "-q", "-b", "main")

    @property
    def url(self) -> str:
        """What the file transport takes."""
        return f"file://{self.path}"

    def commit(self, files: dict[str, str | None], branch: str = "main") -> str:
        """Write the files (None removes one), commit, push with force; returns the commit."""
        for name, text in files.items():
            path = self.work / name
            if text is None:
                path.unlink()
                continue
            if path.parent.is_file():
                path.parent.unlink()
            if path.is_dir():
                shutil.rmtree(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "--allow-empty", "-m", "change")
        git(self.work, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.work, "rev-parse", "HEAD")

    def files(self, commit: str) -> dict[str, str]:
        """What the commit holds."""
        names = git(self.work, "ls-tree", "-r", "--name-only", commit).splitlines()
        return {name: git(self.work, "cat-file", "blob", f"{commit}:{name}") for name in names}


def client(home: Path, url: str, **more: t.Any) -> Git:
    """The collection's git in a private folder."""
    home.mkdir(exist_ok=True)
    return Git(GIT, str(home), url, more.pop("timeout", 20), **more)


def content(folder: Path) -> dict[str, str]:
    """All files but those in C(.git)."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(folder)): path.read_text().rstrip("\n") for path in found}


class Held:
    """Files and folders held open, since a file system may give a freed inode number to the next file at once."""

    def __init__(self, root: Path, *names: str) -> None:
        self.root = root
        self.open = {name: os.open(root / name, os.O_RDONLY) for name in names}

    def same(self, name: str) -> bool:
        """Whether the path still leads to what it led to."""
        return os.path.samestat(os.fstat(self.open[name]), os.stat(self.root / name))


def snapshot(folder: Path) -> dict[str, t.Any]:
    """All names below the folder with what stat says, but when they were read."""
    found = {}
    for path in folder.rglob("*"):
        info = path.lstat()
        found[str(path)] = (info.st_ino, info.st_mode, info.st_size, info.st_mtime_ns)
    return found


class Server:
    """C(git http-backend) with TLS and a token on 127.0.0.1, and the one action of Parameter Store that a token needs.

    O(answers) are status codes to give instead, first to last; O(redirect) sends all to another server;
    O(authorizations) are the distinct credentials that came.
    """

    def __init__(self, root: Path, token: str) -> None:
        self.root, self.token = root, token
        self.answers: list[int] = []
        self.redirect: str | None = None
        self.authorizations: set[str] = set()
        self.parameters = {"/popcon-deploy/GIT_TOKEN": token}
        self.requests = 0
        # Servers of the same folder share it.
        self.certificate = next(root.glob("*.pem"), None) or make_certificate(root, ())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._tls = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._tls.socket = context.wrap_socket(self._tls.socket, server_side=True)
        self._plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        for server in (self._tls, self._plain):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.base = f"https://127.0.0.1:{self._tls.server_port}"
        self.url = f"{self.base}/popcon/gitops.git"
        self.aws = f"http://127.0.0.1:{self._plain.server_port}"

    def close(self) -> None:
        """Stop answering."""
        for server in (self._tls, self._plain):
            server.shutdown()
            server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server_state: Server

    def log_message(self, format: str, *args: t.Any) -> None:
        """Keep the tests' output clean."""

    def do_GET(self) -> None:
        """Answer as the state says, else as git http-backend does."""
        state = self.server_state
        state.requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "X-Amz-Target" in self.headers:
            return self._parameter(json.loads(body)["Name"])
        if self.headers.get("Authorization"):
            state.authorizations.add(self.headers["Authorization"])
        if state.answers:
            return self._send(state.answers.pop(0))
        if state.redirect:
            return self._send(302, {"Location": state.redirect + self.path})
        expected = base64.b64encode(f"x-access-token:{state.token}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            return self._send(401, {"WWW-Authenticate": 'Basic realm="git"'})
        return self._backend(body)

    do_POST = do_GET

    def _send(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _parameter(self, name: str) -> None:
        value = self.server_state.parameters.get(name)
        if value is None:
            error = {"__type": "ParameterNotFound", "message": ""}
        elif value == "denied":
            error = {"__type": "AccessDeniedException", "message": "not authorized to perform: kms:Decrypt on x"}
        else:
            parameter = {"Name": name, "Type": "SecureString", "Value": value, "Version": 1}
            return self._send(200, body=json.dumps({"Parameter": parameter}).encode())
        return self._send(400, body=json.dumps(error).encode())

    def _backend(self, body: bytes) -> None:
        path, _mark, query = self.path.partition("?")
        environment = {
            **ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.server_state.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            [GIT, "http-backend"],
            input=body,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        head, _gap, answer = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self._send(int(headers.pop("Status", "200").split()[0]), headers, answer)
