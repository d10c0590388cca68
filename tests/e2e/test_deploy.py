"""The main job, in the lab: from a host without Docker to the running stack, and every kind of change after that.

The tests are one story: each starts from what the one before left.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import subprocess

import pytest

from lab import config, seed, state

from .controller import DEPLOY, ROOT, changed_between, python_m_lab
from .sweep import assert_no_secret_in

SERVICES = {"frontend", "backend", "mysql", "redis"}


def test_check_mode_on_a_host_without_docker_says_where_it_ends(controller):
    run = controller.deploy("--check", "--diff")
    assert run.status == 0
    assert "lacks engine, compose" in run.output
    assert controller.on_host("sh", "-c", "command -v docker || echo none").strip() == "none"


@pytest.mark.thorough
def test_the_docker_role_alone_and_check_mode_after_it(controller):
    run = controller.deploy("--tags", "docker")
    assert run.status == 0 and run.changed > 0
    assert controller.deploy("--tags", "docker").changed == 0
    check = controller.deploy("--check", "--diff")
    assert check.status == 0
    for service in SERVICES:
        assert f"create {service}" in check.output
    assert controller.on_host("sh", "-c", "ls -d /opt/popcon /root/.docker 2>/dev/null || echo none").strip() == "none"


def test_first_deploy(controller):
    run = controller.deploy("-vvv")
    assert run.status == 0
    assert_no_secret_in(run.output)
    assert set(controller.containers()) == SERVICES
    table = [
        line
        for line in run.output.splitlines()
        if re.search(r"(frontend|backend|mysql|redis)\s+sha256:[0-9a-f]{12}\s+healthy", line)
    ]
    assert len(table) == len(SERVICES)


def test_the_stack_works_with_the_credentials_it_was_given(controller):
    health = controller.health()
    assert health["ok"] is True
    assert health["backend"]["dependencies"]["mysql"]["ok"] is True
    assert health["backend"]["dependencies"]["redis"]["ok"] is True
    assert health["backend"]["settings"]["JAVA_OPTS"] == "-Xms512m -Xmx512m"


def test_the_env_file_is_private_and_says_what_parameter_store_says(controller):
    assert controller.on_host("stat", "-c", "%a %U", "/opt/popcon/app/.env").strip() == "600 root"
    password = controller.on_host("docker", "exec", "popcon-backend", "printenv", "DB_PASSWORD")
    assert password == state.load_secrets()["db_password"] + "\n"


def test_no_secret_is_left_in_the_transfer_bucket_or_the_checkout(controller):
    assert "Contents" not in seed.client("s3").list_objects_v2(Bucket=config.BUCKET)
    assert_no_secret_in(controller.on_host("sh", "-c", "cat /opt/popcon/app/.git/config; ls -laR /var/tmp/ansible-ssm"))


def test_deploying_again_changes_nothing(controller):
    before = controller.containers()
    controller.reset_counters()
    run = controller.deploy()
    assert run.status == 0 and run.changed == 0
    assert controller.containers() == before
    # One look at the host, whatever the size of the app.
    assert controller.counters()["sessions"] == 1


def test_a_changed_parameter_restarts_the_services_that_use_it(controller):
    before, file_before = controller.containers(), controller.env_file()
    python_m_lab("set", "JAVA_OPTS=-Xms256m -Xmx256m")

    check = controller.deploy("--check", "--diff")
    assert check.status == 0 and check.changed > 0
    assert "JAVA_OPTS (modified)" in check.output and "recreate backend: settings JAVA_OPTS" in check.output
    assert "recreate mysql" not in check.output and "recreate frontend" not in check.output
    assert (controller.containers(), controller.env_file()) == (before, file_before)

    run = controller.deploy("--diff")
    assert run.status == 0
    assert changed_between(before, controller.containers()) == {"backend"}
    assert controller.health()["backend"]["settings"]["JAVA_OPTS"] == "-Xms256m -Xmx256m"
    assert controller.deploy().changed == 0


def test_an_image_pushed_again_under_its_tag_restarts_its_service(controller):
    before = controller.containers()
    python_m_lab("push", "frontend", "--version", "2")

    check = controller.deploy("--check", "--diff")
    assert check.status == 0 and check.changed > 0
    assert re.search(r"recreate frontend: image \S+@sha256:\w+ -> \S+@sha256:\w+", check.output)
    assert "recreate backend" not in check.output
    assert controller.containers() == before and controller.health()["version"] == "1"

    assert controller.deploy().status == 0
    assert changed_between(before, controller.containers()) == {"frontend"}
    assert controller.health()["version"] == "2"
    assert controller.deploy().changed == 0


@pytest.mark.thorough
def test_check_mode_sees_a_new_image_when_the_stored_login_has_expired(controller):
    python_m_lab("push", "frontend", "--version", "3")
    controller.on_host("rm", "/root/.docker/config.json")
    check = controller.deploy("--check", "--diff")
    assert check.status == 0 and "recreate frontend: image" in check.output
    assert controller.on_host("sh", "-c", "ls /root/.docker/config.json 2>/dev/null || echo none").strip() == "none"
    assert controller.deploy().status == 0
    assert controller.health()["version"] == "3"


@pytest.mark.thorough
def test_a_changed_compose_file_restarts_the_service_it_concerns_and_keeps_the_data(controller):
    before = controller.containers()
    writes = controller.health()["backend"]["dependencies"]["mysql"]["writes"]
    with controller.commit("Let redis keep less") as clone:
        file = clone / "docker-compose.yml"
        changed = file.read_text().replace(
            "container_name: popcon-redis\n", "container_name: popcon-redis\n    mem_limit: 256m\n"
        )
        assert changed != file.read_text()
        file.write_text(changed)

    check = controller.deploy("--check", "--diff")
    assert check.status == 0 and check.changed > 0
    assert "docker-compose.yml" in check.output and "recreate redis: its definition" in check.output
    assert controller.containers() == before
    assert "mem_limit" not in controller.on_host("cat", "/opt/popcon/app/docker-compose.yml")

    assert controller.deploy().status == 0
    assert changed_between(before, controller.containers()) == {"redis"}
    health = controller.health()
    assert health["ok"] and health["backend"]["dependencies"]["mysql"]["writes"] > writes
    assert controller.deploy().changed == 0


EXTRA = """
  extra:
    image: redis:8
    restart: unless-stopped
    volumes:
      - ./extra/motd:/srv/motd:ro
    networks:
      - popcon-network

networks:"""


@pytest.mark.thorough
def test_a_service_with_a_mounted_file_comes_changes_and_goes(controller):
    before = controller.containers()
    with controller.commit("One more service") as clone:
        file = clone / "docker-compose.yml"
        original = file.read_text()
        file.write_text(original.replace("\nnetworks:", EXTRA, 1))
        (clone / "extra").mkdir()
        (clone / "extra" / "motd").write_text("first\n")
    check = controller.deploy("--check", "--diff")
    assert check.status == 0 and "create extra" in check.output and "recreate" not in check.output
    assert controller.deploy().status == 0
    assert changed_between(before, controller.containers()) == {"extra"}

    with controller.commit("What it mounts") as clone:
        (clone / "extra" / "motd").write_text("second\n")
    check = controller.deploy("--check", "--diff")
    assert "recreate extra: its definition" in check.output
    assert controller.on_host("docker", "exec", "popcon-extra-1", "cat", "/srv/motd") == "first\n"
    assert controller.deploy().status == 0
    assert controller.on_host("docker", "exec", "popcon-extra-1", "cat", "/srv/motd") == "second\n"

    with controller.commit("One service less") as clone:
        (clone / "docker-compose.yml").write_text(original)
    check = controller.deploy("--check", "--diff")
    assert "remove container popcon-extra-1" in check.output and "recreate" not in check.output
    assert controller.deploy().status == 0
    assert controller.containers() == before
    assert controller.deploy().changed == 0


BAD_INPUT = {
    "no such instance": (
        ["-e", "ansible_aws_ssm_instance_id=i-0123456789abcdef0"],
        "There is no instance i-0123456789abcdef0",
    ),
    "wrong bucket": (["-e", "ansible_aws_ssm_bucket_name=popcon-nowhere"], "bucket popcon-nowhere"),
    "unreachable repository": (
        ["-e", "gitops_checkout_repository=https://git.nowhere.invalid/popcon/gitops.git"],
        "git.nowhere.invalid",
    ),
    "ref that does not exist": (["-e", "gitops_checkout_ref=no-such-branch"], "no-such-branch"),
    "no token": (["-e", "gitops_checkout_token_parameter=/popcon-deploy/OTHER"], "/popcon-deploy/OTHER"),
    "token refused": (["-e", "gitops_checkout_token_parameter=/popcon/DB_NAME"], "token"),
    "path without parameters": (
        ["-e", '{"compose_deploy_parameter_paths": ["/popcon/nothing"]}'],
        "No parameters under /popcon/nothing",
    ),
    "missing compose file": (["-e", '{"compose_deploy_files": ["nothing.yml"]}'], "There is no compose file"),
}


#: One that the controller sees, one that a host sees; the messages of the others are seen in tests/unit too.
ALWAYS = ("no such instance", "ref that does not exist")
CASES = [pytest.param(case, marks=[] if case in ALWAYS else pytest.mark.thorough) for case in BAD_INPUT]


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_named_and_leaves_the_stack_alone(controller, case):
    arguments, words = BAD_INPUT[case]
    before = controller.containers(), controller.env_file()
    run = controller.deploy(*arguments)
    assert run.status != 0
    assert words in run.output
    assert_no_secret_in(run.output)
    assert (controller.containers(), controller.env_file()) == before
    assert controller.health()["ok"]


@pytest.mark.thorough
def test_an_image_tag_that_does_not_exist(controller):
    before = controller.containers()
    with controller.commit("A tag nobody pushed", branch="broken-tag") as clone:
        file = clone / "docker-compose.yml"
        file.write_text(file.read_text().replace("backend-latest", "backend-nowhere"))
    run = controller.deploy("-e", "gitops_checkout_ref=broken-tag")
    assert run.status != 0
    assert f"The image {config.REGISTRY}/dev-app:backend-nowhere does not exist" in run.output
    assert controller.containers() == before and controller.health()["ok"]


@pytest.mark.thorough
def test_a_variable_that_nothing_fills(controller):
    before = controller.containers()
    with controller.commit("A setting nobody made", branch="unset") as clone:
        file = clone / "docker-compose.yml"
        file.write_text(file.read_text().replace("${SPRING_PROFILES_ACTIVE}", "${SPRING_PROFILE}"))
    run = controller.deploy("-e", "gitops_checkout_ref=unset")
    assert run.status != 0 and "The compose files use SPRING_PROFILE," in run.output
    assert controller.containers() == before


@pytest.mark.thorough
def test_an_app_that_does_not_become_ready_fails_the_deploy_with_its_log(controller):
    python_m_lab("push", "backend", "--version", "4", "--fault", "exit")
    run = controller.deploy()
    assert run.status != 0
    assert (
        "Service backend (container popcon-backend)" in run.output
        and "this image was built to fail at its start" in run.output
    )
    assert_no_secret_in(run.output)
    python_m_lab("push", "backend", "--version", "5")
    assert controller.deploy().status == 0
    assert controller.health()["backend"]["version"] == "5"


@pytest.mark.thorough
def test_the_engine_not_running_is_named_and_mended(controller):
    controller.on_host("systemctl", "stop", "docker.socket", "docker.service")
    controller.on_host("systemctl", "mask", "docker.service")
    run = controller.deploy()
    assert run.status != 0
    assert "docker.service does not start" in run.output and "is masked" in run.output
    controller.on_host("systemctl", "unmask", "docker.service")
    assert controller.deploy().status == 0
    assert controller.health()["ok"]


def test_a_host_that_is_stopped_or_gone_from_the_inventory(controller):
    container = controller.hosts()[0]["container"]
    subprocess.run(["docker", "pause", container], check=True, stdout=subprocess.DEVNULL)
    try:
        run = controller.deploy()
    finally:
        subprocess.run(["docker", "unpause", container], check=True, stdout=subprocess.DEVNULL)
    assert run.status != 0 and "SSM agent is not connected" in run.output


def test_an_empty_inventory_is_an_error(controller, tmp_path):
    (tmp_path / "hosts.yml").write_text("all: {}\n")
    run = controller.playbook(DEPLOY, "-i", str(tmp_path / "hosts.yml"))
    assert run.status != 0 and "no host in the group app" in run.output


def test_the_collection_works_from_its_tarball_alone(controller, tmp_path):
    env = {**controller.env, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed")}
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, env=controller.env, stdout=subprocess.DEVNULL)
    (tarball,) = tmp_path.glob("popcon-deploy-*.tar.gz")
    install = ["ansible-galaxy", "collection", "install", str(tarball), "-p", str(tmp_path / "installed")]
    subprocess.run(install, check=True, env=env, stdout=subprocess.DEVNULL)
    installed = tmp_path / "installed" / "ansible_collections" / "popcon" / "deploy"
    kept = {"meta", "plugins", "roles", "playbooks"}
    for entry in installed.iterdir():
        if entry.name not in kept:
            subprocess.run(["rm", "-r", str(entry)], check=True)
    assert {entry.name for entry in installed.iterdir()} == kept
    run = controller.playbook("popcon.deploy.deploy", "-i", str(ROOT / "inventories/lab"), env=env, cwd=tmp_path)
    assert run.status == 0 and run.changed == 0
    assert set(controller.containers()) == SERVICES


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_other_inventories_find_their_own_instances(controller, environment):
    ec2 = seed.client("ec2")
    tags = [{"Key": "App", "Value": "popcon"}, {"Key": "Environment", "Value": environment}]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
    )
    instance = made["Instances"][0]["InstanceId"]
    try:
        listing = subprocess.run(
            ["ansible-inventory", "-i", f"inventories/{environment}", "--list"],
            cwd=ROOT, env=controller.env, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip
    finally:
        ec2.terminate_instances(InstanceIds=[instance])
    # What came from outside is marked so in the listing.
    found = json.loads(listing, object_hook=lambda value: value.get("__ansible_unsafe", value))
    assert found["app"]["hosts"] == [instance]
    variables = found["_meta"]["hostvars"][instance]
    assert variables["ansible_connection"] == "amazon.aws.aws_ssm"
    assert variables["ansible_aws_ssm_instance_id"] == instance
    assert variables["ansible_aws_ssm_bucket_name"] == f"popcon-{environment}-transfer"
    assert {
        "ansible_aws_ssm_region",
        "gitops_checkout_repository",
        "gitops_checkout_ref",
        "compose_deploy_parameter_paths",
    } <= set(variables)
