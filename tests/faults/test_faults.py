"""Whatever breaks during a release: the old one serves or the new one, and a run without the fault ends in the new one.

Each test starts from a host at its target and leaves one. docs/faults.md has their outcomes as a table.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import signal
import time

import pytest
from ansible_collections.popcon.deploy.tests.e2e.controller import PROJECT, STATE, python_m_lab
from ansible_collections.popcon.deploy.tests.e2e.faults import (
    ENGINE_DOWNLOADS,
    at_step,
    compose_file,
    docker,
    kill_controller,
    kill_session_clients,
    little_space,
    reboot,
    restart_engine,
    slow_registry,
)

from lab import config, seed, state

#: What a run says as each of its steps begins.
STEPS = {
    "pulling": "pulling the images",
    "job": "running the job",
    "switching": "switching the files",
    "recreating": "recreate backend",
    "waiting": "waiting for backend",
}
WITH_JOB = ["-e", json.dumps({"compose_deploy_jobs_before": [{"service": "backend", "command": ["sleep", "2"]}]})]
REGISTRY = f"{config.PROJECT}-registry-1"


def runs(controller):
    """What of a release can be seen: the back end's version and a setting it has, and a file of the repository."""
    health = controller.health()
    assert health["ok"]
    return (
        health["backend"]["version"],
        health["backend"]["settings"]["JAVA_OPTS"],
        controller.on_host("sh", "-c", f"cat {PROJECT}/release.txt 2>/dev/null || echo none").strip(),
    )


def runs_soon(controller):
    """The same, once the app is well: after a restart of the host it takes its time to start."""
    for _dummy in range(60):
        try:
            return runs(controller)
        except (OSError, AssertionError):
            time.sleep(1)
    return runs(controller)


def new_release(fault="none", ballast=0):
    """Push an image and change a setting; returns what runs once that is deployed, with the file of `commit_file`."""
    version = str(time.time_ns() // 10**8)
    python_m_lab("push", "backend", "--version", version, "--fault", fault, "--ballast", str(ballast))
    java_opts = f"-Dversion={version}"
    python_m_lab("set", f"JAVA_OPTS={java_opts}")
    return version, java_opts, version


def commit_file(controller, content):
    with controller.commit(f"Release {content}") as clone:
        (clone / "release.txt").write_text(content + "\n")


def change(controller, **image):
    """A new image, setting and file; what runs before and once they are deployed."""
    old, new = runs(controller), new_release(**image)
    commit_file(controller, new[2])
    return old, new


def assert_mended(controller, new):
    """Without the fault, a run brings the new release, and the next has nothing to do."""
    run = controller.deploy()
    assert run.status == 0
    assert runs(controller) == new
    controller.assert_at_target()
    return run


def last_deeds(controller, number=2):
    return [(line["action"], line["result"]) for line in controller.history()[-number:]]


ROLLED_BACK = [("deploy", "failed"), ("automatic rollback", "succeeded")]


# What is wrong with the release.


@pytest.mark.parametrize("healthcheck", [True, False], ids=["with healthcheck", "without healthcheck"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("exit", "this image was built to fail at its start"),
        ("crash", "this image was built to crash"),
        ("unhealthy", "is unhealthy"),
    ],
)
def test_a_bad_image(controller, fault, words, healthcheck):
    if fault == "unhealthy" and not healthcheck:
        pytest.skip("nothing says that it is unwell, but an HTTP check: tests/e2e/test_releases.py")
    old, bad = change(controller, fault=fault)
    if not healthcheck:
        with controller.commit("No healthcheck") as clone, compose_file(clone) as content:
            original = content["services"]["backend"].pop("healthcheck")
            content["services"]["backend"]["healthcheck"] = {"disable": True}
    before = controller.containers()
    run = controller.deploy()
    assert run.status != 0 and words in run.output
    assert runs(controller) == old and last_deeds(controller) == ROLLED_BACK
    after = controller.containers()
    assert {service for service in before if before[service] != after[service]} == {"backend"}
    if not healthcheck:
        with controller.commit("A healthcheck again") as clone, compose_file(clone) as content:
            content["services"]["backend"]["healthcheck"] = original
    version, java_opts, _dummy = new_release()
    assert_mended(controller, (version, java_opts, bad[2]))


def test_an_image_that_does_not_exist(controller):
    old, new = change(controller)
    with controller.commit("A tag nobody pushed") as clone:
        file = clone / "docker-compose.yml"
        good = file.read_text()
        file.write_text(good.replace("backend-latest", "backend-nowhere"))
    before = controller.containers(), controller.env_file()
    run = controller.deploy()
    assert run.status != 0 and "dev-app:backend-nowhere does not exist" in run.output
    assert (controller.containers(), controller.env_file()) == before and runs(controller) == old
    with controller.commit("A tag that is there") as clone:
        (clone / "docker-compose.yml").write_text(good)
    assert_mended(controller, new)


def test_a_compose_file_that_is_none(controller):
    old, new = change(controller)
    with controller.commit("A typing error") as clone:
        file = clone / "docker-compose.yml"
        good = file.read_text()
        file.write_text(good.replace("    image: ", "    imag: ", 1))
    before = controller.containers(), controller.env_file()
    run = controller.deploy()
    assert run.status != 0 and "docker compose config failed" in run.output and "imag" in run.output
    assert (controller.containers(), controller.env_file()) == before and runs(controller) == old
    with controller.commit("Put right") as clone:
        (clone / "docker-compose.yml").write_text(good)
    assert_mended(controller, new)


def test_a_wrong_password(controller):
    old, new = change(controller)
    ssm, name = seed.client("ssm"), f"{config.PARAMETER_PATH}/DB_PASSWORD"
    before = controller.env_file()
    ssm.put_parameter(Name=name, Value="wrong", Type="SecureString", Overwrite=True)
    run = controller.deploy("-e", "compose_deploy_wait_seconds=30")
    ssm.put_parameter(Name=name, Value=state.load_secrets()["db_password"], Type="SecureString", Overwrite=True)
    assert run.status != 0 and "Service backend" in run.output
    assert runs(controller) == old and controller.env_file() == before
    assert last_deeds(controller) == ROLLED_BACK
    assert_mended(controller, new)


# What the release needs breaks.


def test_the_registry_dies_while_an_image_comes(controller):
    old, new = change(controller, ballast=100)
    before = controller.containers(), controller.env_file()
    with slow_registry("5m"):
        try:
            with at_step(controller, STEPS["pulling"], then=lambda: (time.sleep(3), docker("kill", REGISTRY))):
                # What stands between goes on waiting for it, and says nothing.
                run = controller.deploy("-e", "compose_deploy_pull_seconds=30")
        finally:
            docker("start", REGISTRY)
    assert run.status != 0 and "was not begun" in run.output and "did not end within 30 s" in run.words
    assert (controller.containers(), controller.env_file()) == before and runs(controller) == old
    assert_mended(controller, new)


def test_no_room_for_an_image(controller):
    old, new = change(controller, ballast=60)
    before = controller.containers(), controller.env_file()
    with little_space(controller, ENGINE_DOWNLOADS, 20_000_000):
        run = controller.deploy()
    assert run.status != 0 and "no space left on device" in run.output
    assert (controller.containers(), controller.env_file()) == before and runs(controller) == old
    assert_mended(controller, new)


def test_no_room_for_the_record(controller):
    old, new = change(controller)
    before = controller.containers()
    with little_space(controller, STATE, 0):
        run = controller.deploy()
    assert run.status != 0
    assert controller.containers() == before and runs(controller)[0] == old[0]
    assert_mended(controller, new)


def test_a_pull_five_times_as_long_as_a_command_may_take(controller):
    _dummy, new = change(controller, ballast=110)
    seconds = 10
    with slow_registry("2m"), at_step(controller, STEPS["pulling"]) as seen:
        run = controller.deploy("-e", f"ansible_aws_ssm_timeout={seconds}")
    assert run.status == 0 and runs(controller) == new
    progress = json.loads(controller.on_host("cat", f"{STATE}/runs/{seen['run']}.json"))["progress"]
    at = {line["text"].split(" ")[0]: line["at"] for line in progress[::-1]}
    assert at["switching"] - at["pulling"] > 5 * seconds
    # Begun once, however often it was asked for.
    assert [line["text"].split(" ")[0] for line in progress].count("pulling") == 1
    controller.assert_at_target()


# What does the release dies.


@pytest.mark.parametrize("step", ["pulling", "job", "switching", "recreating", "waiting"])
def test_the_worker_is_killed(controller, step):
    old, new = change(controller)
    begun = controller.records()[-1]["number"]
    with at_step(controller, STEPS[step], "worker"):
        run = controller.deploy(*(WITH_JOB if step == "job" else []))
    assert run.status != 0 and "ended too early (was killed (SIGKILL))" in run.output
    assert runs(controller) == old
    assert controller.records()[-1]["number"] == begun + 1 and last_deeds(controller) == ROLLED_BACK
    assert_mended(controller, new)


def test_the_supervisor_is_killed(controller):
    _dummy, new = change(controller)
    with at_step(controller, STEPS["recreating"], "supervisor"):
        run = controller.deploy()
    assert run.status == 0 and runs(controller) == new
    assert last_deeds(controller, 1) == [("deploy", "succeeded")]
    controller.assert_at_target()


@pytest.mark.parametrize("step", ["pulling", "switching", "recreating"])
def test_the_worker_and_the_supervisor_are_killed(controller, step):
    old, new = change(controller)
    with at_step(controller, STEPS[step], "supervisor", "worker"):
        run = controller.deploy()
    assert run.status != 0 and "was cut short" in run.output
    assert runs_soon(controller)[0] in (old[0], new[0])
    run = assert_mended(controller, new)
    assert "was cut short, as when a host goes down" in run.output
    assert ("deploy", "interrupted") in last_deeds(controller)


def test_the_session_client_is_killed(controller):
    _dummy, new = change(controller, fault="slow")
    killed = []
    with at_step(controller, STEPS["waiting"], then=lambda: killed.append(kill_session_clients(playbook))):
        playbook = controller.start_deploy()
        run = playbook.wait()
    assert killed == [1]
    assert run.status == 0 and runs(controller) == new
    assert last_deeds(controller, 1) == [("deploy", "succeeded")]
    controller.assert_at_target()


@pytest.mark.parametrize("step", ["pulling", "recreating"])
def test_the_controller_is_killed(controller, step):
    _dummy, new = change(controller, fault="slow")
    # The module that follows a run lives on for half of this time, and takes a run whose end it sees for told.
    seconds = "ansible_aws_ssm_timeout=16"
    with at_step(controller, STEPS[step], then=lambda: kill_controller(playbook)) as seen:
        playbook = controller.start_deploy("-e", "compose_deploy_by=alice", "-e", seconds)
        run = playbook.wait()
    assert run.status == -signal.SIGKILL
    for _dummy in range(60):
        if json.loads(controller.on_host("cat", f"{STATE}/runs/{seen['run']}.json"))["ended"]:
            break
        time.sleep(1)
    assert runs(controller) == new and last_deeds(controller, 1) == [("deploy", "succeeded")]
    # What became of it is told by the next run that has something to do.
    number, newer = controller.records()[-1]["number"], new_release()
    run = assert_mended(controller, (*newer[:2], new[2]))
    assert "The run of alice" in run.output and f"release {number} succeeded" in run.words


# What is under the release goes away for a while.


@pytest.mark.parametrize("step", ["pulling", "recreating", "waiting"])
def test_the_engine_is_restarted(controller, step):
    old, new = change(controller)
    others = {service: id_ for service, id_ in controller.containers().items() if service != "backend"}
    with at_step(controller, STEPS[step], then=lambda: restart_engine(controller)):
        run = controller.deploy()
    print("OUTCOME", step, run.status, last_deeds(controller))
    assert runs_soon(controller) == (new if run.status == 0 else old)
    assert others.items() <= controller.containers().items()
    assert_mended(controller, new)


@pytest.mark.parametrize(
    ("step", "power_loss"),
    [("pulling", False), ("recreating", False), ("switching", True), ("recreating", True), ("waiting", True)],
)
def test_the_host_is_restarted(controller, step, power_loss):
    # Else it may have been ready before the power was gone.
    old, new = change(controller, fault="slow" if step == "waiting" else "none")
    with at_step(controller, STEPS[step], then=lambda: reboot(controller, power_loss)):
        run = controller.deploy()
    # By itself, before anybody deploys again.
    print("OUTCOME", step, run.status, last_deeds(controller))
    assert runs_soon(controller)[0] in (old[0], new[0])
    assert run.status != 0
    run = assert_mended(controller, new)
    # In an orderly restart the engine may stop first: then the pull fails, and the run ends by itself.
    if power_loss or ("deploy", "failed") not in last_deeds(controller):
        assert "was cut short, as when a host goes down" in run.output
        assert ("deploy", "interrupted") in last_deeds(controller)
