"""Looking for secrets: every shape one may have, in every place where a deployment could leave it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

from lab import config, seed, state

from .controller import Controller, Run

#: What no encoding of text touches, and long enough to be nobody else's: letters and digits, with a digit among them.
_WORD = re.compile(r"(?=\w*[0-9])[A-Za-z0-9_]{12,}")

WATCH = """
import glob, sys, threading
ended, seen = threading.Event(), set()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("watching", flush=True)
while not ended.wait(0.01):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                seen.add(stream.read())
        except OSError:
            pass
sys.stdout.buffer.write(b"\\n".join(seen))
"""

# The needles wait in a memory file system, which is not searched. What Docker keeps of its containers is not searched
# either: it has their environment, as it must.
SEARCH = """
umask 077; cat > /dev/shm/needles
find / /run /tmp -xdev \\( -path /run/containerd -o -path /run/docker -o -path /var/lib/containerd \\) -prune \
    -o -type f -exec env LC_ALL=C grep -laF -f /dev/shm/needles {} +
rm /dev/shm/needles
"""


def shapes(secret: str) -> set[bytes]:
    """What to look for to find a secret, or one line of it, plain or encoded, in whatever surroundings. No line feeds."""
    found = set()
    for line in filter(str.strip, secret.splitlines()):
        for text in (line, *_WORD.findall(line)):
            data = text.encode()
            found |= {data, data.hex().encode(), data.hex().upper().encode(), *_base64(data)}
        texts = {quote(line, safe=""), quote_plus(line), line.replace("$", "$$"), repr(line)[1:-1]}
        texts |= {json.dumps(line, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
        # Between double quotes, as in a shell and in the file for Compose; and between YAML's single ones.
        texts |= {re.sub(r'(["$\\])', r"\\\1", line), line.replace("'", "''")}
        texts |= {json.dumps(text)[1:-1] for text in texts}
        found |= {text.encode() for text in texts} | {shlex.quote(f" {line}")[2:-1].encode()}
    return found


def _base64(data: bytes) -> Iterator[bytes]:
    """The characters of base64, in both alphabets, that depend on the data alone, whatever stands around it."""
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + data)[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]


def found_in(data: bytes, secrets: Mapping[str, str]) -> set[str]:
    """The names of the secrets that are in the data in any shape."""
    return {name for name, secret in secrets.items() if any(shape in data for shape in shapes(secret))}


def assert_no_secret_in(text: str) -> None:
    """None of those that the lab made for the application, in any shape."""
    known = state.load_secrets()
    names = ("db_username", "db_password", "db_root_password", "git_token")
    assert found_in(text.encode(), {name: known[name] for name in names}) == set()


class Sweep:
    """Runs playbooks with everything on that records, and gathers what they left.

    :param folder: an empty folder for what is recorded on the controller.
    """

    def __init__(self, controller: Controller, folder: Path) -> None:
        self.controller = controller
        self.container = controller.hosts()[0]["container"]
        self.folder = folder
        self.seen: dict[str, bytes] = {}

    def on_host(self, *command: str, text: bytes = b"") -> bytes:
        """The output of a command as root on the host, not through Session Manager; `text` is its input."""
        done = subprocess.run(
            ["docker", "exec", "-i", self.container, *command],
            input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        return done.stdout

    def playbook(self, name: str, *arguments: str, keep: bool = True) -> Run:
        """Run ansible-playbook, keeping its temporary files on the host if told so, and note all it prints."""
        run = self.controller.playbook(
            "-i", "inventories/lab", "-vvvv", "--diff", *arguments,
            env={
                "ANSIBLE_CACHE_PLUGIN": "jsonfile",
                "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.folder / "facts"),
                "ANSIBLE_DISPLAY_TRACEBACK": "always",
                "ANSIBLE_HOME": str(self.folder / "home"),
                "ANSIBLE_INJECT_INVOCATION": "1",
                "ANSIBLE_KEEP_REMOTE_FILES": str(int(keep)),
                "ANSIBLE_LOG_PATH": str(self.folder / "log"),
            },
        )  # fmt: skip
        self.seen[f"output: {name}"] = run.output.encode()
        return run

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note every command line that is to be seen meanwhile, here and on the host."""
        commands = {
            "command lines: controller": ["python3", "-c", WATCH],
            "command lines: host": ["docker", "exec", "-i", self.container, "python3", "-c", WATCH],
        }
        watchers = {
            place: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for place, command in commands.items()
        }
        for watcher in watchers.values():
            assert watcher.stdout is not None and watcher.stdout.readline() == b"watching\n"
        try:
            yield
        finally:
            for place, watcher in watchers.items():
                self.seen[place] = watcher.communicate()[0]

    def gather(self, secrets: Mapping[str, str]) -> dict[str, set[str]]:
        """Every place that was searched, and the names of the secrets found there.

        Of the host's files only those are named that hold a secret: all outside Docker's own folders were searched.
        """
        places = dict(self.seen)
        for file in filter(Path.is_file, self.folder.rglob("*")):
            places[f"controller: {file.relative_to(self.folder)}"] = file.read_bytes()
        places["journal"] = self.on_host("journalctl", "--no-pager", "--output", "export")
        places |= bucket_versions()
        needles = b"\n".join({shape for secret in secrets.values() for shape in shapes(secret)})
        for path in self.on_host("sh", "-c", SEARCH, text=needles).decode().splitlines():
            places[f"host: {path}"] = self.on_host("cat", path)
        suspects = _holding_any(needles, places)
        return {place: found_in(data, secrets) if place in suspects else set() for place, data in places.items()}


def _holding_any(needles: bytes, places: Mapping[str, bytes]) -> set[str]:
    """The places that hold one of the needles, which are lines. What is there to search is more than Python is fast."""
    with tempfile.TemporaryDirectory() as scratch:
        files = {str(Path(scratch, str(number))): place for number, place in enumerate(places)}
        for file, place in files.items():
            Path(file).write_bytes(places[place])
        grep = ["grep", "--files-with-matches", "--text", "--fixed-strings", "--file=-", *files]
        done = subprocess.run(
            grep, input=needles, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}, check=False
        )
    return {files[file] for file in done.stdout.decode().splitlines()}


def bucket_versions() -> dict[str, bytes]:
    """Every version of every object there was in the transfer bucket since it keeps versions."""
    s3 = seed.client("s3")
    versions = (
        version
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=config.BUCKET)
        for version in page.get("Versions", [])
    )
    return {
        f"bucket: {version['Key']} {version['VersionId']}": version["Key"].encode()
        + s3.get_object(Bucket=config.BUCKET, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
        for version in versions
    }


@contextmanager
def versioned_bucket() -> Iterator[None]:
    """The transfer bucket as it should not be, keeping every version."""
    s3 = seed.client("s3")
    s3.put_bucket_versioning(Bucket=config.BUCKET, VersioningConfiguration={"Status": "Enabled"})
    try:
        yield
    finally:
        s3.put_bucket_versioning(Bucket=config.BUCKET, VersioningConfiguration={"Status": "Suspended"})


# The process that was made last is the one that works.
KILL = """
import glob, os, signal, sys, time
end = time.monotonic() + 120
while not os.path.exists(sys.argv[1]):
    if time.monotonic() > end:
        sys.exit("nothing to kill")
    time.sleep(0.005)
processes = []
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        with open(path, "rb") as stream:
            program, script = stream.read().split(b"\\0")[:2]
    except (OSError, ValueError):
        continue
    if b"python" in program and b"AnsiballZ_compose_release" in script:
        processes.append(int(path.split("/")[2]))
os.kill(max(processes), signal.SIGKILL)
print("killed")
"""


@contextmanager
def killing_the_release(sweep: Sweep, candidate: str) -> Iterator[list[bytes]]:
    """Kill the worker of compose_release on the host as soon as it has written the settings that it wants into this file.

    Gives a list that holds `b"killed\\n"` afterwards.
    """
    said: list[bytes] = []
    thread = threading.Thread(target=lambda: said.append(sweep.on_host("python3", "-c", KILL, candidate)))
    thread.start()
    try:
        yield said
    finally:
        thread.join()


@contextmanager
def without_parameter(name: str) -> Iterator[None]:
    """The application without one of its parameters."""
    ssm = seed.client("ssm")
    known = ssm.get_parameter(Name=name)["Parameter"]
    ssm.delete_parameter(Name=name)
    try:
        yield
    finally:
        ssm.put_parameter(Name=name, Value=known["Value"], Type=known["Type"])


@contextmanager
def unreachable_registry(sweep: Sweep) -> Iterator[None]:
    """The registry's name leading to where nobody listens."""
    # Mounted into the container: it can be written, but not replaced.
    before = sweep.on_host("cat", "/etc/hosts")
    sweep.on_host("tee", "/etc/hosts", text=before + f"127.0.0.1 {config.REGISTRY}\n".encode())
    try:
        yield
    finally:
        sweep.on_host("tee", "/etc/hosts", text=before)
