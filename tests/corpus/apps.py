"""The corpus: small compose apps of the shapes that teams deploy, each with a change that its next commit makes.

An app is a folder in `apps/`: what a team has in its gitops repository, without symbolic links to folders, which a collection must
not have: they are in `LINKS`. All images are redis:8.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

FOLDER = Path(__file__).parent / "apps"
IMAGE = "redis:8"
_COMPOSE = "docker-compose.yml"
#: By app and name in it.
LINKS = {"links-in-git": {"current": "versions/one"}}
_GIT = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]


class App(t.NamedTuple):
    """An app, and the next commit: in `path`, `old` becomes `new`, which recreates or creates the services `recreated`.

    `path` may be a symbolic link. An app that is not to be deployed here has `why_not`.
    """

    name: str
    path: str
    old: str
    new: str
    recreated: set[str]
    files: tuple[str, ...] = (_COMPOSE,)
    profiles: tuple[str, ...] = ()
    why_not: str = ""

    @property
    def folder(self) -> str:
        """The folder of the first compose file, in the repository."""
        return os.path.dirname(self.files[0])

    def settings(self) -> str:
        """What is to be in `.env`: the defaults of the app's contract."""
        contract = FOLDER / self.name / self.folder / ".env.example"
        return contract.read_text() if contract.exists() else ""

    def repository(self, clone: Path, image: str = IMAGE) -> tuple[str, str]:
        """Make a git repository whose two commits are the app and its change, at the first one; gives both.

        :param image: where redis:8 is really to be had, with the tag 8.
        """
        shutil.copytree(FOLDER / self.name, clone, symlinks=True)
        for name, target in LINKS.get(self.name, {}).items():
            (clone / name).symlink_to(target)
        for path in (path for path in clone.rglob("*") if path.is_file() and image != IMAGE):
            text = path.read_text().replace(IMAGE, image).replace(":-redis}", f":-{image[: -len(':8')]}}}")
            path.write_text(text)
        git(clone, "init", "--quiet", "--initial-branch=main")
        (clone / ".gitignore").write_text(".env\n")
        first = commit(clone)
        changed = clone / self.path
        if changed.is_symlink():
            assert os.readlink(changed) == self.old
            changed.unlink()
            changed.symlink_to(self.new)
        else:
            text = changed.read_text() if changed.exists() else ""
            assert self.old in text, f"{self.name}: {self.path} has no {self.old!r}"
            changed.write_text(text.replace(self.old, self.new, 1))
        second = commit(clone)
        git(clone, "checkout", "--quiet", "--detach", first)
        return first, second


def git(clone: Path, *arguments: str, check: bool = True) -> str:
    """Run git in a clone."""
    done = subprocess.run([*_GIT, *arguments], cwd=clone, capture_output=True, text=True, check=check)
    return done.stdout.strip()


def commit(clone: Path) -> str:
    """Commit all that is in the clone."""
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message=Change")
    return git(clone, "rev-parse", "HEAD")


APPS = [
    App("anchors", _COMPOSE, "LEVEL: info", "LEVEL: warn", {"api"}),
    App("build-and-develop", _COMPOSE, "  cache:\n", "  cache:\n    init: true\n", {"cache"}),
    App("cache-aside", _COMPOSE, "--appendonly yes", "--appendonly no", {"cache"}),
    App("command-forms", _COMPOSE, 'echo "pid', 'echo "now', {"folded"}),
    App("configs", "routes.conf", "/ app", "/ edge", {"app"}),
    App("data-below", "conf/db.conf", "32mb", "64mb", {"db"}),
    App("env-file-long", "env/default.env", "world", "there", {"app"}),
    App("env-file-of-the-project", _COMPOSE, "  plain:\n", "  plain:\n    env_file: [.env]\n", {"plain"}),
    App("env-file-raw", "raw.env", "^a$", "^b$", {"app"}),
    App("environment-forms", _COMPOSE, "        two\n", "        three\n", {"map"}),
    App("extends-other-file", "common/base.yml", "init: true", "init: false", {"api", "worker"}),
    App("extends-same-file", _COMPOSE, "A: one", "A: eins", {"base", "api", "public-api"}),
    App("extensions", _COMPOSE, "max-size: 10m", "max-size: 20m", {"app", "worker"}),
    App("external", _COMPOSE, "networks: [proxy]", "networks: [proxy, default]", {"app"}, why_not="no such network"),
    App(
        "files-in-two-folders", "prod/compose.yml", "extra.env", "app.env", {"app"},
        files=("base/compose.yml", "prod/compose.yml"),
    ),
    App("gpus", _COMPOSE, "count: 1", "count: 2", {"train"}, why_not="no GPU"),
    App("gpus-short", _COMPOSE, "gpus: all", "gpus: [{driver: nvidia, count: 2}]", {"infer"}, why_not="no GPU"),
    App("hardened", _COMPOSE, "size=16m", "size=32m", {"app"}),
    App("health-chain", _COMPOSE, "SCHEMA:-3", "SCHEMA:-4", {"migrate"}),
    App("hidden-files", ".well-known/security.txt", "security@", "sec@", {"app"}),
    App("hooks", _COMPOSE, "redis-cli save", "redis-cli bgsave", {"app"}),
    App("hosts-and-dns", _COMPOSE, "legacy: 10.0.0.6", "legacy: 10.0.0.7", {"other"}),
    App("include-long", "infra/infra.env", "RETENTION=7d", "RETENTION=9d", {"db"}),
    App("include-nested", "parts/pay/rates.csv", "1390", "1400", {"pay"}, files=("compose.yaml",)),
    App("include-short", "monitoring/metrics.conf", "15s", "30s", {"metrics"}),
    App("init-job", _COMPOSE, "999:999 /store", "999:999 /store /data", {"permissions"}),
    App("interpolation", _COMPOSE, "ABSENT:+given", "ABSENT-taken", {"app"}),
    App("label-file", "labels/app.labels", "tier=front", "tier=back", {"app"}),
    App("labels", _COMPOSE, "number: 5", "number: 6", {"worker"}),
    App("links-in-git", "current", "versions/one", "versions/two", {"app"}),
    App("name-in-file", _COMPOSE, "PROJECT:", "NAME:", {"app"}),
    App("names", _COMPOSE, "hostname: api-two", "hostname: api-2", {"api_v2"}),
    App("networks", _COMPOSE, "www]", "www, web]", {"app"}),
    App("platform-and-pull", _COMPOSE, "pull_policy: always", "pull_policy: always\n    init: true", {"app"}),
    App("ports", _COMPOSE, '"6384"', '"6387"', {"app"}),
    App("profiles", _COMPOSE, "[monitoring]\n", "[monitoring]\n    init: true\n", {"exporter"}, profiles=("monitoring",)),
    App("pwd", "a.conf", "a 1", "a 2", {"app"}),
    App("replicas", _COMPOSE, "replicas: 2", "replicas: 3", {"worker"}),
    # Not called .yml, as linters know nothing of its tags.
    App("reset-and-override", "compose.prod", "39111", "39112", {"app"}, files=(_COMPOSE, "compose.prod")),
    App("resources", _COMPOSE, "mem_limit: 128m", "mem_limit: 160m", {"app"}),
    App("secrets", "keys/public.pem", "one", "another", {"app", "audit"}),
    App("sidecars", _COMPOSE, "volumes: [shared:/var/shared]", "volumes: [shared:/var/common]",
        {"app", "vpn", "debugger", "shipper"}),
    App("sub-folder", "shared/html/index.html", "hello", "hi", {"app"}, files=("prod/docker-compose.yml",)),
    App("two-files", "prod.conf", "mode prod", "mode production", {"app"}, files=(_COMPOSE, "docker-compose.prod.yml")),
    App("volumes-long", "conf.d/b.conf", "b", "c", {"app"}),
]  # fmt: skip
