"""A host that plays engine, compose and clone, so that a whole rollout can run in memory and fail anywhere."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ansible_collections.popcon.deploy.plugins.module_utils._docker import compose, overlay
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import EngineError
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._git.written import refuse
from ansible_collections.popcon.deploy.plugins.module_utils._release import host as host_module
from ansible_collections.popcon.deploy.plugins.module_utils._release import planning, staging


class FakeHost:
    """Folders, images and containers of a project `app` with the services of its compose file, which is JSON here.

    `tags` are what the registry has; `broken` are pinned images whose containers exit; `fail` makes a step raise.
    """

    def __init__(self, root: Path) -> None:
        self.folder, self.state = root / "app", root / "state"
        self.folder.mkdir()
        self.commits: dict[str, str] = {}
        self.head: str | None = None
        self.edits: list[str] = []
        self.tracks: list[str] = []
        self.tags: dict[str, str] = {}
        self.stored: set[str] = set()
        self.broken: set[str] = set()
        self.running: dict[str, dict] = {}
        self.fail: dict[str, Exception] = {}
        self.done: list[str] = []
        self.job_settings = ""
        self.jobs: list[tuple[str, list[str], str]] = []
        self._made = 0

    def step(self, name: str) -> None:
        """Note a step, or fail as the test wants."""
        self.done.append(name)
        if name in self.fail:
            raise self.fail[name]

    def commit(self, name: str, services: dict) -> str:
        """A commit with a compose file; not checked out."""
        commit = (name * 40)[:40]
        self.commits[commit] = json.dumps({"services": services})
        return commit

    def tracked(self, written: list[str]) -> list[str]:
        """Which of the files that a deploy writes the commits have."""
        return [name for name in written if name in self.tracks]

    def checkout(self, commit: str, folder: Path | None = None) -> None:
        """Have the files of a commit in a folder."""
        (folder or self.folder).mkdir(exist_ok=True)
        (folder or self.folder).joinpath("compose.json").write_text(self.commits[commit])
        if folder is None:
            self.head = commit
            return
        for name in self.tracks:
            (folder / name).write_text("")

    def images(self) -> dict[str, str]:
        """The images that run, by service."""
        return {name: container["image"] for name, container in self.running.items()}

    def patch(self, monkeypatch, rollout) -> None:
        """Take the place of what the rollout uses."""
        host = self

        class FakeCheckout:
            Checkout = checkout.Checkout
            displayed = staticmethod(checkout.displayed)
            look = staticmethod(lambda _folder: checkout.Checkout(host.head, host.edits))
            head = staticmethod(lambda _folder: host.head)
            has = staticmethod(lambda _folder, commit: commit in host.commits)
            refuse_written = staticmethod(
                lambda _folder, commit, written: refuse("the clone", commit, host.tracked(written))
            )
            export = staticmethod(lambda _folder, commit, tree: host.checkout(commit, Path(tree)))
            tracked = staticmethod(lambda _folder, commit: {"compose.json": commit})
            keep = staticmethod(lambda _folder, commits: setattr(host, "kept", set(commits)))

            @staticmethod
            def switch(_folder, commit, _written=()):
                host.step(f"switch {commit[:1]}")
                host.checkout(commit)
                host.edits = []

        for module in (rollout, planning, staging, host_module):
            monkeypatch.setattr(module, "checkout", FakeCheckout)
        monkeypatch.setattr(rollout, "Engine", lambda: FakeEngine(host))
        monkeypatch.setattr(planning, "Compose", lambda *args: FakeCompose(host, *args))
        monkeypatch.setattr(rollout, "BootUnit", lambda _project: FakeBootUnit(host))
        monkeypatch.setattr("time.sleep", lambda _seconds: None)


class FakeBootUnit:
    """The unit that stands by."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def arm(self, command):
        self._host.step(f"arm {command[-1]}")

    def disarm(self):
        self._host.step("disarm")


class FakeEngine:
    """The engine's part."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def projects_in(self, _folder):
        return []

    def containers(self, _project):
        return [self._container(name, one) for name, one in sorted(self._host.running.items())]

    def _container(self, name, one):
        dead = one["image"] in self._host.broken
        return {
            "Id": one["id"],
            "Name": f"/app-{name}-1",
            "Image": f"id of {one['image']}",
            "Config": {
                "Labels": {
                    "com.docker.compose.service": name,
                    "com.docker.compose.config-hash": hashlib.sha256(one["definition"].encode()).hexdigest(),
                },
                "Image": one["image"],
            },
            "State": {
                "Status": "exited" if dead else "running",
                "ExitCode": 1,
                "Running": not dead,
                # Long enough ago to have lasted.
                "StartedAt": "2026-01-02T03:04:05Z",
            },
            "RestartCount": 0,
            "HostConfig": {"RestartPolicy": {"Name": "always"}},
            "NetworkSettings": {"Ports": {}},
            "Mounts": [
                {"Type": mount["type"], "Source": mount["source"], "Destination": mount["target"], "RW": True}
                for mount in (
                    json.loads(one["definition"])[0].get("volumes", []) if one["definition"][0] == "[" else ()
                )
            ],
        }

    def wait_until_back(self, _seconds):
        self._host.step("engine")

    def registry_digest(self, reference, _auth):
        if reference not in self._host.tags:
            raise EngineError(404, "manifest unknown")
        return self._host.tags[reference]

    def image_id(self, reference):
        return f"id of {reference}" if reference in self._host.stored else None

    def image_size(self, _image):
        return 1

    def data_folder(self):
        return "/"

    def logs(self, _id, _lines):
        return "said hunter2 at the end"

    def remove_image(self, reference):
        self._host.stored.discard(reference)
        return True


class FakeCompose:
    """Compose's part; the project's definition of a service is its entry and the settings."""

    def __init__(self, host, _project, files, env_file, _profiles, overlays) -> None:
        self._host, self._env_file, self.overlays = host, env_file, overlays
        self._services = json.loads(Path(overlay.source(overlays, files[0])).read_text())["services"]

    def in_place(self):
        self.overlays = ()

    def _settings(self):
        return Path(overlay.source(self.overlays, self._env_file)).read_text()

    def model(self, services=()):
        for name in services:
            raise compose.NoSuchService(name)
        return {"services": self._services}

    def raw_model(self):
        return {"services": self._services}

    def filled(self, _names):
        return {}

    def pull(self, override, services, _seconds):
        self._host.step("pull")
        self._host.stored |= {override["services"][name]["image"] for name in services}

    def hashes(self, _override):
        return {}

    def recreated(self, _override):
        running = self._host.running.items()
        return {
            f"app-{name}-1"
            for name, one in running
            if name in self._services and one["definition"] != self._definition(name)
        }

    def up_command(self, override_file):
        return ["docker", override_file.rpartition("/")[2]]

    def up(self, override, _wait_seconds, service=None, *, force=False):
        self._host.step(f"up {service or 'all'}")
        for name in [service] if service else self._services:
            image, definition = override["services"][name]["image"], self._definition(name)
            if image not in self._host.stored:
                raise compose.ComposeError("up", f"no such image {image}")
            now = self._host.running.get(name)
            if not now or (now["image"], now["definition"]) != (image, definition):
                self._host._made += 1
                self._host.running[name] = {"image": image, "definition": definition, "id": f"c{self._host._made}"}
        if service is None:
            for name in self._host.running.keys() - self._services.keys():
                del self._host.running[name]

    def start_missing(self, _override, services, _seconds):
        self._host.step(f"start {' '.join(services)}")

    def run_job(self, override, name, service, command, _seconds):
        self._host.job_settings = self._settings()
        self._host.jobs.append((name, command, override["services"][service]["image"]))
        self._host.step(f"job {command[0]}")

    def _definition(self, name):
        return json.dumps([self._services[name], self._settings() if "env" in self._services[name] else ""])
