"""The lab as a whole: its containers up, down and seen."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from . import engine, gitops, images, seed, state
from .account.engine import HOST_LABEL
from .config import (
    ACCOUNT_ADDRESS,
    APP_PORT,
    EDGE_ADDRESS,
    GIT_ADDRESS,
    LAB,
    MODEL,
    NETWORK,
    PROJECT,
    PUSH_REGISTRY,
    SECURE_ENDPOINT_URL,
    STATE,
)
from .console import LabError, run, say, step

_OURS = f"label=com.docker.compose.project={PROJECT}"
_SERVERS = ("account", "edge", "registry", "git")
_ANSWER_SECONDS = 60


def up(hosts: int | None, *, empty: bool) -> None:
    """Make the lab complete, with `hosts` hosts (None: as many as there are, or 1); what is complete stays as it is.

    With `empty`, the account has nothing in it, and the account itself makes the hosts, of its instances.
    """
    started = time.monotonic()
    engine.ensure()
    if not state.exists() and _containers():
        raise LabError("a lab made from another working copy is here; remove it first: python -m lab down")
    empty = _begins_empty(empty, hosts)
    known = state.prepare()
    state.save_seeded(account="empty" if empty else "filled")
    images.build_all()
    if empty:
        what, options = "Starting the account and its servers", _SERVERS
    else:
        present = [container for container in _containers() if container["service"] == "host"]
        count = hosts or len(present) or 1
        # Compose, scaling down, would leave their volumes.
        _remove_containers([host for host in present if _number(host["name"]) > count])
        what = f"Starting the account, its servers and {count} host{'' if count == 1 else 's'}"
        options = ("--scale", f"host={count}")
    with step(what):
        files = ["--file", str(LAB / "compose.yml")]
        if engine.cgroup_version() == 1:
            files += ["--file", str(LAB / "compose.cgroup-v1.yml")]
        env = {
            "LAB_STATE": str(STATE),
            "LAB_ADMIN_ACCESS_KEY": known["admin_access_key"],
            "LAB_ADMIN_SECRET_KEY": known["admin_secret_key"],
            "LAB_MODEL": MODEL if empty else "",
        }
        compose = (*engine.compose(), "--project-name", PROJECT, *files)
        if empty:
            run(*compose, "create", "host", env=env)
        run(*compose, "up", "--detach", "--remove-orphans", *options, env=env)
        _wait("the account", lambda: _answers(ACCOUNT_ADDRESS, 4566, "/_lab/health") == 200)
        _wait("the registry", lambda: _answers(*_push_registry(), "/v2/") == 200)
        _wait("the git server", lambda: _answers(GIT_ADDRESS, 80, "/") == 401)
        _wait("the edge", lambda: _listens(EDGE_ADDRESS, 443))
        addresses = _host_addresses()
        for container in addresses:
            _wait(container, partial(_is_booted, container))
    images.prune()
    if empty:
        seed.seed_nothing()
    else:
        with step("Filling the account"):
            ids = seed.seed(addresses)
        for container, address in addresses.items():
            say(f"Host {ids[container]} is container {container} at {address}")
    images.push_all(public_only=empty)
    gitops.seed()
    who = "the administrator of its empty account" if empty else "its deployment controller"
    say(f"The lab is up after {time.monotonic() - started:.0f} s. To be {who}: . {state.ENV}")


def down(with_images: bool) -> None:
    """Remove all the lab made on this machine but, unless `with_images`, its images. Nothing there is fine."""
    if engine.is_running():
        _remove_containers(_containers())
        for kind in ("network", "volume"):
            if names := run("docker", kind, "ls", "--quiet", "--filter", _OURS).stdout.split():
                run("docker", kind, "rm", *names)
        images.prune()
        if with_images:
            with step("Removing the images"):
                images.remove_all()
    elif state.exists():
        say("No Docker engine answers: if one ran a lab here, start it and run this again")
    state.remove()
    say("The lab is gone" + ("" if with_images else "; its images stay for the next time (--images removes them)"))


def status() -> dict[str, Any]:
    """What is there: `{"up": bool, "services": [...], "hosts": [...], "urls": {...}}`, empty lists without a lab."""
    if not engine.is_running():
        return {"up": False, "services": [], "hosts": [], "urls": {}}
    empty = state.load_seeded().get("account") == "empty"
    services = [service for service in _containers() if not (empty and service["name"] == MODEL)]
    for service in services:
        del service["id"]
    hosts: list[dict[str, str]] = []
    if state.exists() and ("account", "running") in {(service["service"], service["state"]) for service in services}:
        by_address = {address: container for container, address in _host_addresses().items()}
        try:
            hosts = [{**found, "container": by_address.get(found["address"], "")} for found in seed.instances()]
        except seed.REFUSALS as error:
            raise LabError(f"the emulated account does not answer: {error}; run: python -m lab up") from error
    return {
        "up": bool(hosts or (empty and services)) and all(service["state"] == "running" for service in services),
        "services": services,
        "hosts": hosts,
        "urls": {
            **({"aws": SECURE_ENDPOINT_URL, "push": PUSH_REGISTRY, "git": f"http://{GIT_ADDRESS}"} if services else {}),
            **{f"app on {host['name']}": f"http://{host['address']}:{APP_PORT}" for host in hosts},
        },
    }


def _begins_empty(wanted: bool, hosts: int | None) -> bool:
    """Whether the account is to be an empty one: if that is wanted, or was when the lab was made, which it stays then."""
    was = state.load_seeded().get("account")
    if wanted and was == "filled":
        raise LabError("a lab with a filled account is here; remove it first: python -m lab down")
    if hosts and was == "empty":
        raise LabError("the account here began empty and makes its own hosts; remove it first: python -m lab down")
    return wanted or was == "empty"


def _containers() -> list[dict[str, str]]:
    """The lab's containers, stopped ones too: `{"id", "name", "service", "state", "detail"}` each."""
    keys = ("id", "name", "service", "state", "detail")
    template = '{{.ID}}\t{{.Names}}\t{{.Label "com.docker.compose.service"}}\t{{.State}}\t{{.Status}}'
    lines = run("docker", "ps", "--all", "--filter", _OURS, "--format", template).stdout.splitlines()
    return sorted((dict(zip(keys, line.split("\t"))) for line in lines), key=lambda container: container["name"])


def _host_addresses() -> dict[str, str]:
    """The running hosts: container name -> address in the lab's network, by name."""
    running = run("docker", "ps", "--quiet", "--filter", _OURS, "--filter", f"label={HOST_LABEL}").stdout.split()
    if not running:
        return {}
    found = {
        container["Name"].lstrip("/"): container["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
        for container in json.loads(run("docker", "inspect", *running).stdout)
    }
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def _number(container: str) -> int:
    """Which of a service's containers this is, by its name."""
    return int(container.rpartition("-")[2])


def _remove_containers(containers: list[dict[str, str]]) -> None:
    """Remove containers with their own volumes; none is fine."""
    if not containers:
        return
    with step(f"Removing {len(containers)} container{'' if len(containers) == 1 else 's'}"):
        # An engine inside a host that is stopped in order takes its containers' cgroups and mounts away with it. The account
        # may be one that would start the host again.
        for service in ("account", "host"):
            if ids := [container["id"] for container in containers if container["service"] == service]:
                run("docker", "stop", "--time", "30", *ids)
        run("docker", "rm", "--force", "--volumes", *(container["id"] for container in containers))


def _push_registry() -> tuple[str, int]:
    host, _dummy, port = PUSH_REGISTRY.partition(":")
    return host, int(port)


def _wait(what: str, is_ready: Callable[[], bool]) -> None:
    for _dummy in range(_ANSWER_SECONDS * 5):
        if is_ready():
            return
        time.sleep(0.2)
    raise LabError(
        f"{what} does not answer after {_ANSWER_SECONDS} s; see: docker ps --all --filter {_OURS}, and docker logs. "
        f"(This machine has to reach Docker's own networks: an engine in a virtual machine will not do.)"
    )


def _answers(host: str, port: int, path: str) -> int:
    """The HTTP status of a GET without any proxy; 0 when nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def _is_booted(container: str) -> bool:
    """Whether systemd has started all it wants; a degraded system is a boot too, and a test shows the failed unit."""
    answer = run("docker", "exec", container, "systemctl", "is-system-running", check=False)
    return answer.stdout.strip() in ("running", "degraded")
