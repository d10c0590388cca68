"""What a host remembers of its releases, and the way back: by itself when a release is bad, by hand when somebody wants it.

Each test starts from a host at its target and leaves one. What may befall a release otherwise is in tests/faults.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import subprocess
import threading

import pytest

from lab import config, gitops, seed

from .controller import PROJECT, STATE, changed_between, push, python_m_lab, version
from .faults import at_step, compose_file, stopped
from .sweep import assert_no_secret_in


@pytest.fixture(scope="module", autouse=True)
def deployed(controller):
    """One host, at its target."""
    assert controller.deploy().status == 0


def java_opts(controller):
    return controller.health()["backend"]["settings"]["JAVA_OPTS"]


def all_of_it(controller):
    """What a run that touches nothing leaves as it is."""
    head = controller.on_host("git", "-C", PROJECT, "rev-parse", "HEAD")
    compose = controller.on_host("cat", f"{PROJECT}/docker-compose.yml")
    return controller.containers(), controller.env_file(), head, compose


def extra(**variables):
    return ["-e", json.dumps(variables)]


def test_a_deploy_is_recorded_without_a_value(controller):
    before = controller.records()[-1]
    push("backend", "20")
    python_m_lab("set", "JAVA_OPTS=-Xms64m -Xmx64m")
    with controller.commit("Say who is at it") as clone, compose_file(clone) as content:
        content["services"]["redis"]["labels"] = {"popcon.test": "releases"}
    origin = "https://ci.example.com/runs/1"
    assert controller.deploy(*extra(compose_deploy_by="alice", compose_deploy_started_from=origin)).status == 0

    record, line = controller.records()[-1], controller.history()[-1]
    assert record["number"] > before["number"]
    for told in (record, line):
        assert (told["action"], told["result"], told["by"], told["started_from"]) == (
            "deploy",
            "succeeded",
            "alice",
            origin,
        )
        assert told["commit"] == commit_on_the_server()
    assert line["release"] == record["number"] and line["problem"] is None and line["seconds"] > 0
    assert before["started"] <= record["started"] <= record["ended"]
    for service, container in controller.containers().items():
        runs = controller.on_host("docker", "inspect", "-f", "{{.Config.Image}}", container).strip()
        assert runs == record["images"][service]["pinned"] and "@sha256:" in runs
    versions = {parameter["key"]: parameter["version"] for parameter in record["parameters"]}
    parameters = seed.client("ssm").get_parameters_by_path(Path=config.PARAMETER_PATH, MaxResults=10)["Parameters"]
    assert {p["Name"].rpartition("/")[2]: p["Version"] for p in parameters}.items() <= versions.items()
    assert len(versions) == 11

    # Each release keeps its settings, in a file of their own; they are nowhere else. The key of digests is no text.
    told = controller.on_host("sh", "-c", f"find {STATE} -type f ! -name env ! -name key -exec cat {{}} +")
    assert record["run"] in told
    assert_no_secret_in(told)
    assert "-Xmx64m" not in told
    modes = controller.on_host("find", STATE, "-printf", "%y %m %U\n").split("\n")[:-1]
    assert set(modes) == {"d 700 0", "f 600 0"}


def commit_on_the_server():
    env = gitops.git_environment()
    command = ["git", "ls-remote", config.GIT_LOCAL_URL, "refs/heads/main"]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[0]


def test_going_back_needs_neither_the_repository_nor_the_registry(controller):
    *_dummy, old, new = controller.records()
    before, records = controller.containers(), controller.records()
    compose = controller.on_host("cat", f"{PROJECT}/docker-compose.yml")
    assert (version(controller), java_opts(controller)) == ("20", "-Xms64m -Xmx64m") and "popcon.test" in compose
    with stopped("git"), stopped("registry"):
        check = controller.rollback("--check", "--diff")
        assert check.status == 0
        assert re.search(r"recreate backend: image \S+ -> \S+", check.output) and "recreate redis" in check.output
        assert (controller.containers(), controller.records()) == (before, records)

        assert controller.rollback().status == 0
        after = controller.containers()
        assert changed_between(before, after) == {"backend", "redis"}
        assert version(controller) != "20" and java_opts(controller) != "-Xms64m -Xmx64m"
        assert "popcon.test" not in controller.on_host("cat", f"{PROJECT}/docker-compose.yml")
        record = controller.records()[-1]
        assert (record["action"], record["restores"], record["result"]) == ("rollback", old["number"], "succeeded")
        assert record["images"] == old["images"] and record["commit"] == old["commit"]

        assert controller.rollback(*extra(rollback_release=new["number"])).status == 0
        assert changed_between(after, controller.containers()) == {"backend", "redis"}
        assert (version(controller), java_opts(controller)) == ("20", "-Xms64m -Xmx64m")
        assert controller.on_host("cat", f"{PROJECT}/docker-compose.yml") == compose
        assert controller.records()[-1]["restores"] == new["number"]
    told = [(line["action"], line["restores"], line["result"]) for line in controller.history()[-2:]]
    assert told == [("rollback", old["number"], "succeeded"), ("rollback", new["number"], "succeeded")]


def test_a_bad_image_is_rolled_back_with_its_settings_and_its_files(controller):
    before, good = all_of_it(controller), controller.records()[-1]
    push("backend", "21", fault="exit")
    python_m_lab("set", "JAVA_OPTS=-Xms65m -Xmx65m")
    with controller.commit("What goes with it") as clone, compose_file(clone) as content:
        content["services"]["redis"]["labels"] = {"popcon.test": "bad"}
    run = controller.deploy()
    assert run.status != 0
    assert "Service backend (container popcon-backend)" in run.output
    assert "this image was built to fail at its start" in run.output
    assert f"Rolled back: release {good['number']} runs and is ready." in run.output
    assert version(controller) == "20" and java_opts(controller) == "-Xms64m -Xmx64m"
    assert changed_between(before[0], controller.containers()) == {"backend", "redis"}
    assert all_of_it(controller)[1:] == before[1:]
    failed = controller.records()[-1]
    assert (failed["action"], failed["result"]) == ("deploy", "failed") and "Service backend" in failed["problem"]
    told = [(line["action"], line["release"], line["result"]) for line in controller.history()[-2:]]
    assert told == [("deploy", failed["number"], "failed"), ("automatic rollback", good["number"], "succeeded")]

    # Said until somebody puts it right.
    status = controller.status(*extra(status_wanted=False))
    assert status.status != 0 and f"the last deploy ({failed['number']}) failed: Service backend" in status.output

    # What can't be gone back to is refused before anything is touched.
    before = all_of_it(controller), controller.history()
    unknown, bad = (controller.rollback(*extra(rollback_release=n)) for n in (9999, failed["number"]))
    assert unknown.status != 0 and "has no release 9999" in unknown.output
    assert bad.status != 0 and f"Release {failed['number']} did not succeed (failed)" in bad.output
    assert (all_of_it(controller), controller.history()) == before

    push("backend", "22")
    assert controller.deploy().status == 0
    assert version(controller) == "22" and java_opts(controller) == "-Xms65m -Xmx65m"
    controller.assert_at_target()


def test_status_is_good_after_a_deploy_and_names_what_is_not_as_recorded(controller, tmp_path):
    (host,) = controller.hosts()
    file = tmp_path / "status.json"
    run = controller.status(*extra(status_file=str(file)))
    assert run.status == 0 and "DRIFT" not in run.output
    status = json.loads(file.read_text())[host["id"]]
    assert status["differences"] == [] and status["release"]["number"] == controller.records()[-1]["number"]
    assert {row["service"]: row["state"] for row in status["services"]} == dict.fromkeys(
        controller.containers(), "healthy"
    )
    assert all(row["digest"] == row["recorded_digest"] for row in status["services"])

    controller.on_host("docker", "stop", "popcon-redis")
    controller.on_host("sed", "-i", "s/^JAVA_OPTS=.*/JAVA_OPTS=-Xmx1m/", f"{PROJECT}/.env")
    controller.on_host("sh", "-c", f"echo '# by hand' >> {PROJECT}/docker-compose.yml")
    push("frontend", "20")
    before = all_of_it(controller), controller.records()
    run = controller.status(*extra(status_file=str(file)))
    assert run.status != 0
    differences = json.loads(file.read_text())[host["id"]]["differences"]
    for words in (
        "redis exited with code",
        "JAVA_OPTS",
        "files edited: docker-compose.yml",
        "a deploy would recreate frontend: image",
    ):
        assert any(words in difference for difference in differences), differences
        assert words in run.output
    assert (all_of_it(controller), controller.records()) == before

    assert controller.deploy().status == 0
    assert controller.health()["version"] == "20"
    assert controller.status().status == 0


def test_history_says_who_did_what(controller, tmp_path):
    (host,) = controller.hosts()
    file = tmp_path / "history.json"
    run = controller.playbook(
        "playbooks/history.yml", "-i", "inventories/lab", *extra(history_file=str(file), history_length=200)
    )
    assert run.status == 0
    told = json.loads(file.read_text())[host["id"]]
    assert told == controller.history()[::-1]
    # The display breaks lines.
    output = " ".join(run.output.split())
    assert re.search(r" deploy \d+ [0-9a-f]{12} alice https://ci\.example\.com/runs/1 succeeded ", output)
    assert re.search(r" automatic rollback \d+ [0-9a-f]{12} \w+ \S+ succeeded ", output)
    assert re.search(r" deploy \d+ [0-9a-f]{12} \w+ \S+ failed \d+ Service backend ", output)


def started_until(controller, who, words):
    """A deploy that somebody started and that has come to say these words, and what its run's file said then."""
    there = threading.Event()
    with at_step(controller, words, then=there.set) as seen:
        deploy = controller.start_deploy(*extra(compose_deploy_by=who))
        assert there.wait(120)
    return deploy, seen


def test_of_two_deploys_at_once_one_waits_and_one_that_may_not_names_the_holder(controller):
    number = controller.records()[-1]["number"]
    push("backend", "23")
    first, seen = started_until(controller, "alice", "recreate backend")
    # However long the others take to come this far.
    worker = str(seen["pids"]["worker"])
    controller.on_host("kill", "-STOP", worker)
    try:
        second, _dummy = started_until(controller, "bob", "waiting: The deploy lock of popcon is held by alice")
        third = controller.deploy(*extra(compose_deploy_by="carol", compose_deploy_lock_wait_seconds=1))
    finally:
        controller.on_host("kill", "-CONT", worker)
    assert third.status != 0 and "The deploy lock of popcon is held by alice" in third.output
    assert first.wait().status == 0
    run = second.wait()
    assert run.status == 0 and "waiting: The deploy lock of popcon is held by alice" in run.output
    assert version(controller) == "23"
    # Nothing was left to do.
    assert controller.records()[-1]["number"] == number + 1 and controller.records()[-1]["by"] == "alice"
    assert controller.history()[-1]["release"] == number + 1
    controller.assert_at_target()


SEEN_BY_THE_JOB = "import os, redis; redis.Redis('popcon-redis').set('job', ' '.join(map(os.environ.get, ('APP_VERSION', 'JAVA_OPTS'))))"


def test_a_job_before_the_release_runs_in_it_and_a_failing_one_leaves_everything_untouched(controller):
    before, good = all_of_it(controller), controller.records()[-1]
    push("backend", "24")
    python_m_lab("set", "JAVA_OPTS=-Xms66m -Xmx66m")
    with controller.commit("What comes with the migration") as clone, compose_file(clone) as content:
        content["services"]["redis"]["labels"] = {"popcon.test": "job"}
    job = {"service": "backend", "command": ["sh", "-c", "echo the table is missing; exit 3"]}
    run = controller.deploy(*extra(compose_deploy_jobs_before=[job]))
    assert run.status != 0 and "was not begun" in run.output and "the table is missing" in run.output
    assert all_of_it(controller) == before and controller.health()["ok"]
    assert controller.records()[-1]["result"] == "failed" and controller.history()[-1]["result"] == "failed"
    assert "popcon-backend-job" not in controller.on_host("docker", "ps", "-a", "--format", "{{.Names}}")

    job["command"] = ["python3", "-c", SEEN_BY_THE_JOB]
    with_job = extra(compose_deploy_jobs_before=[job])
    # A dry run says what would be done, and does none of it.
    kept = all_of_it(controller), controller.records(), controller.on_host("docker", "images", "-aq")
    check = controller.deploy("--check", "--diff", *with_job)
    assert check.status == 0 and check.changed > 0
    for words in ("recreate backend: image", "recreate redis", "JAVA_OPTS (modified)", "docker-compose.yml"):
        assert words in check.output
    assert (all_of_it(controller), controller.records(), controller.on_host("docker", "images", "-aq")) == kept
    assert controller.on_host("docker", "exec", "popcon-redis", "redis-cli", "get", "job").strip() == ""

    watch = at_step(controller, "running the job", then=lambda: seen.append(controller.containers()))
    seen = []
    with watch:
        assert controller.deploy(*with_job).status == 0
    assert {name: seen[0][name] for name in before[0]} == before[0]
    assert version(controller) == "24" and java_opts(controller) == "-Xms66m -Xmx66m"
    number = good["number"] + 2
    assert controller.records()[-1]["number"] == number and controller.records()[-1]["result"] == "succeeded"


@pytest.mark.thorough
def test_what_answers_wrongly_is_rolled_back_though_its_containers_are_well(controller):
    before, good = controller.containers(), controller.records()[-1]
    push("frontend", "21")
    url = f"http://127.0.0.1:{config.APP_PORT}/nothing-here"
    run = controller.deploy(*extra(compose_deploy_http_checks=[{"url": url}], compose_deploy_wait_seconds=15))
    assert run.status != 0 and f"The HTTP check {url} gave status 404 instead of status 200" in run.output
    assert controller.health()["version"] == "20"
    assert changed_between(before, controller.containers()) == {"frontend"}
    told = [(line["action"], line["result"]) for line in controller.history()[-2:]]
    assert told == [("deploy", "failed"), ("automatic rollback", "succeeded")]
    assert controller.records()[-2]["number"] == good["number"]

    # The same with an address that answers.
    url = f"http://127.0.0.1:{config.APP_PORT}/health"
    assert controller.deploy(*extra(compose_deploy_http_checks=[{"url": url}])).status == 0
    assert controller.health()["version"] == "21"
    assert controller.records()[-1]["http_checks"] == [{"url": url, "status": 200}]


def images_of(records):
    return {image["pinned"] for record in records for image in record["images"].values()}


def test_images_of_forgotten_releases_go_and_no_others(controller):
    def there():
        # Docker Hub's names are short there as well.
        listing = controller.on_host("docker", "images", "--digests", "--format", "{{.Repository}}@{{.Digest}}")
        return set(listing.splitlines())

    controller.on_host("sh", "-c", "tar -c /etc/hostname | docker import - somebody/else:1")
    earlier = controller.records()
    push("backend", "25")
    assert controller.deploy(*extra(compose_deploy_keep_releases=2)).status == 0
    kept = controller.records()
    good = [record["number"] for record in kept if record["result"] == "succeeded"]
    assert good == [record["number"] for record in [*earlier, kept[-1]] if record["result"] == "succeeded"][-2:]
    gone = images_of(earlier) - images_of(kept)
    assert gone and gone & there() == set()
    assert images_of(record for record in kept if record["result"] == "succeeded") <= there()
    assert "somebody/else" in controller.on_host("docker", "images", "--format", "{{.Repository}}")
    # The one that is left can still be gone back to.
    with stopped("git"), stopped("registry"):
        assert controller.rollback().status == 0
    assert version(controller) == "24"
    assert controller.deploy().status == 0
    controller.assert_at_target()
