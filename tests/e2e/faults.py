"""Breaking things on a host, at the controller and between them, at a chosen moment of a release; undone at the end."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from lab import config

from .controller import STATE, Controller, Started

#: Where a host keeps what it knows of the project's runs.
RUNS = f"{STATE}/runs"

# Kills by itself: a command from outside would come too late for a step that takes milliseconds.
AT_STEP = """
import glob, json, os, signal, sys, threading
folder, words, *victims = sys.argv[1:]
known, ended = set(glob.glob(folder + "/*.json")), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("watching", flush=True)
while not ended.wait(0.005):
    for path in set(glob.glob(folder + "/*.json")) - known:
        try:
            with open(path) as stream:
                run = json.load(stream)
        except (OSError, ValueError):
            continue
        if run["pids"] and any(words in line["text"] for line in run["progress"]):
            for victim in victims:
                os.kill(run["pids"][victim], signal.SIGKILL)
            print(json.dumps(run), flush=True)
            os._exit(0)
"""

# The original lies under a folder of its own meanwhile.
FILL = """
set -eu
original=/run/popcon-fault$(printf %s "$1" | tr / -)
mkdir "$original"
mount --bind "$1" "$original"
mount --make-private "$original"
mount -t tmpfs -o "mode=$(stat -c %a "$1")" tmpfs "$1"
cp -a "$original/." "$1/"
used=$(df --output=used --block-size=1 "$1" | tail -n 1)
mount -o "remount,size=$((used + $2))" "$1"
"""
EMPTY = """
set -eu
original=/run/popcon-fault$(printf %s "$1" | tr / -)
find "$original" -mindepth 1 -delete
cp -a "$1/." "$original/"
umount "$1" "$original"
rmdir "$original"
"""

_EDGE_CONFIG = "/etc/nginx/nginx.conf"
_ECR_SERVER = r"/server_name \*\.dkr\.ecr/,/proxy_pass/"


def docker(*arguments: str) -> str:
    """Run a command of the engine that carries the lab; its output."""
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def at_step(
    controller: Controller, words: str, *victims: str, then: Callable[[], object] | None = None, host: int = 0
) -> Iterator[dict[str, Any]]:
    """When a run that starts in the block says these words in its progress, kill processes of it, then do something.

    Gives a dict that holds what the run's file said at that moment. A step that never came fails the block.

    :param words: part of a line of the progress; empty for the first line.
    :param victims: of `worker` and `supervisor`: they are sent SIGKILL within milliseconds.
    :param then: called a little later, on this machine.
    """
    container = controller.hosts()[host]["container"]
    watcher = subprocess.Popen(
        ["docker", "exec", "-i", container, "python3", "-c", AT_STEP, RUNS, words, *victims],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert watcher.stdin is not None and watcher.stdout is not None
    assert watcher.stdout.readline() == b"watching\n"
    seen: dict[str, Any] = {}
    trouble: list[BaseException] = []

    def wait() -> None:
        assert watcher.stdout is not None
        if line := watcher.stdout.readline():
            seen.update(json.loads(line))
            try:
                if then is not None:
                    then()
            except BaseException as error:
                trouble.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield seen
    finally:
        watcher.stdin.close()
        thread.join()
        watcher.wait()
    if trouble:
        raise trouble[0]
    assert seen, f"no run said: {words}"


def restart_engine(controller: Controller) -> None:
    """Restart Docker on a host, as an upgrade of its package does: its containers stop and come back."""
    controller.on_host("systemctl", "restart", "docker.service")


def reboot(controller: Controller, power_loss: bool) -> None:
    """Restart a host and wait until it has booted: in order, or as if somebody had pulled the plug.

    All its processes end, /run and /tmp are new, what was written is kept. Not as on a machine: the kernel goes on, so
    its boot id and uptime stay as they were, and no write is lost that was not synced.
    """
    container = controller.hosts()[0]["container"]
    if power_loss:
        docker("kill", container)
        docker("start", container)
    else:
        docker("restart", "--time", "30", container)
    booted = ["docker", "exec", container, "systemctl", "is-system-running", "--wait"]
    for _dummy in range(60):
        state = subprocess.run(booted, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        if state.strip() in ("running", "degraded"):
            return
        time.sleep(0.5)
    raise AssertionError(f"{container} has not booted: {state}")


@contextmanager
def little_space(controller: Controller, folder: str, spare: int) -> Iterator[None]:
    """A folder on a host where only so many more bytes can be written; what is written there stays.

    The folder's content is on a small file system of its own meanwhile. The engine's whole data folder can't be had so
    while it runs, but `ENGINE_DOWNLOADS` can, which every layer of an image passes through.
    """
    controller.on_host("sh", "-c", FILL, "sh", folder, str(spare))
    try:
        yield
    finally:
        controller.on_host("sh", "-c", EMPTY, "sh", folder)


#: Where Docker puts a layer while it comes.
ENGINE_DOWNLOADS = "/var/lib/docker/tmp"


@contextmanager
def stopped(server: str) -> Iterator[None]:
    """The lab's `registry`, `git` or `edge` not running: connections are refused, or answered 502 by the edge.

    Not for `account`, which keeps what it knows in memory.
    """
    container = f"{config.PROJECT}-{server}-1"
    docker("stop", "--time", "2", container)
    try:
        yield
    finally:
        docker("start", container)


@contextmanager
def slow_registry(rate: str) -> Iterator[None]:
    """ECR sending no more than so many bytes per second and connection, such as `500k`."""
    # A rate counts only for what is buffered.
    slow = f"proxy_buffering on; proxy_max_temp_file_size 0; limit_rate {rate}; "
    _edge(f"{_ECR_SERVER} s|proxy_pass|{slow}&|")
    try:
        yield
    finally:
        _edge(f"{_ECR_SERVER} s|{slow}||")


def _edge(edit: str) -> None:
    # Workers with the settings of before go on until their last connection ends.
    docker("exec", f"{config.PROJECT}-edge-1", "sh", "-c", f"sed -i '{edit}' {_EDGE_CONFIG} && nginx -s reload")


def descendants(pid: int) -> dict[int, str]:
    """The command lines of all processes below one on this machine, by their ids."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Fields after the command's ")": state, parent.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = {}, [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child)
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
    return found


@contextmanager
def killed_at_call(controller: Controller, module: str, role: str, writes: int, calls: int) -> Iterator[None]:
    """Kill a module on the host when it is about to make a call to AWS as this role; see `Controller.hold`.

    A call that never came fails the block.
    """
    controller.hold(role, writes, calls)
    killed, ending = threading.Event(), threading.Event()

    def wait() -> None:
        while not ending.wait(0.05):
            if controller.held():
                controller.on_host("pkill", "-KILL", "-f", f"python3? [^ ]*AnsiballZ_{module}.py")
                killed.set()
                break
        controller.release()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
    assert killed.is_set(), "the call never came"


def kill_session_clients(playbook: Started) -> int:
    """Kill what connects a playbook with its hosts; how many there were, once there is one."""
    for _dummy in range(200):
        clients = [pid for pid, command in descendants(playbook.pid).items() if " StartSession " in command]
        for pid in clients:
            _kill(pid)
        if clients:
            return len(clients)
        time.sleep(0.05)
    raise AssertionError("the playbook has no session")


def kill_controller(playbook: Started) -> None:
    """End a playbook with everything it has started here, at once, as when its machine goes down."""
    # Stopped first, it can't see its processes die one by one and act on it.
    os.kill(playbook.pid, signal.SIGSTOP)
    for pid in [*descendants(playbook.pid), playbook.pid]:
        _kill(pid)
    playbook.wait()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def compose_file(clone: Path) -> Iterator[dict[str, Any]]:
    """The content of a clone's compose file, to edit; written back without comments and anchors."""
    path = clone / "docker-compose.yml"
    content = yaml.safe_load(path.read_text())
    yield content
    path.write_text(yaml.safe_dump(content, sort_keys=False))
