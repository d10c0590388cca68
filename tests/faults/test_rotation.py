"""A rotation cut short after each of its steps resumes, to exactly one new password, and something logs in all the time.

The same for servers of other kinds, each in an application that uses it.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import secrets
import subprocess
from contextlib import contextmanager

import pytest
from ansible_collections.popcon.deploy.tests.e2e.controller import ROOT
from ansible_collections.popcon.deploy.tests.e2e.faults import (
    at_step,
    compose_file,
    docker,
    kill_controller,
    killed_at_call,
)
from ansible_collections.popcon.deploy.tests.e2e.load import Load
from ansible_collections.popcon.deploy.tests.e2e.logins import Prober, app_logs_in, mysql_login, settings
from ansible_collections.popcon.deploy.tests.e2e.parameters import delete, pending_values, put, value, version

from lab import config
from lab.config import PUSH_REGISTRY

#: From what was done last to the call that is not made any more: writes to Parameter Store until then (lock, pending value,
#: parameter; then lock, pending value, lock) and the calls after the last one.
CUTS = {
    "lock": (2, 0),
    "pending": (2, 1),
    "apply": (2, 3),
    "promote": (3, 1),
    "retire": (5, 0),
    "drop": (6, 0),
}
RUN = {"secret_rotation_run": "cut-short"}


@pytest.fixture(autouse=True)
def a_run_of_its_own(request):
    """What a run has ended it does not begin again, so each test has another one."""
    RUN["secret_rotation_run"] = f"cut-short-{secrets.token_hex(4)}"


def assert_one_new_password(controller, old, number, pending):
    """The pending value of before is the password now, and the one of before that is none."""
    new = settings(controller)
    assert version("DB_PASSWORD") == number + 1 and pending_values() == {}
    assert new["DB_PASSWORD"] != old["DB_PASSWORD"]
    assert pending in (None, new["DB_PASSWORD"])
    assert mysql_login(controller, new["DB_USERNAME"], new["DB_PASSWORD"])
    assert not mysql_login(controller, new["DB_USERNAME"], old["DB_PASSWORD"])
    controller.assert_at_target()


def pending_value():
    return json.loads(pending_values().get("DB_PASSWORD", '{"value": null}'))["value"]


@pytest.mark.parametrize("after", CUTS)
def test_killed_after_each_step(controller, after):
    old, number = settings(controller), version("DB_PASSWORD")
    with Prober(controller, app_logs_in(controller)) as prober:
        with killed_at_call(controller, "secret_rotation", config.ROTATION_ROLE, *CUTS[after]):
            assert controller.rotate("DB_PASSWORD", **RUN).status != 0
        pending = pending_value()
        assert (pending is None) == (after in ("lock", "drop"))
        # A deploy comes in between.
        assert controller.deploy().status == 0 and controller.health()["ok"]
        assert controller.rotate("DB_PASSWORD", **RUN).status == 0
    assert prober.failures == []
    assert_one_new_password(controller, old, number, pending)


@pytest.mark.parametrize(
    ("step", "victims"), [("recreate backend", ["worker"]), ("waiting for backend", ["worker", "supervisor"])]
)
def test_killed_in_the_roll_out(controller, step, victims):
    old, number = settings(controller), version("DB_PASSWORD")
    with Prober(controller, app_logs_in(controller)) as prober:
        with at_step(controller, step, *victims):
            run = controller.rotate("DB_PASSWORD", **RUN)
        assert run.status != 0 and "the old values were not retired, and both are valid" in run.words
        pending = pending_value()
        # The lock was given back: no name is needed.
        assert controller.rotate("DB_PASSWORD").status == 0
    assert prober.failures == []
    assert_one_new_password(controller, old, number, pending)


def test_the_controller_is_killed_in_the_roll_out(controller):
    old, number = settings(controller), version("DB_PASSWORD")
    with Prober(controller, app_logs_in(controller)) as prober:
        started = controller.start_rotation("DB_PASSWORD", **RUN)
        with at_step(controller, "recreate backend", then=lambda: kill_controller(started)):
            started.wait()
        pending = pending_value()
        assert controller.rotate("DB_PASSWORD", **RUN).status == 0
    assert prober.failures == []
    assert_one_new_password(controller, old, number, pending)


@contextmanager
def another_application(controller, edit, **parameters):
    """The application with other services, which `edit` makes of the compose file's content, and with these parameters."""
    before = {key: value(key) for key in parameters}
    with controller.commit("Another application") as clone:
        files = {name: (clone / name).read_text() for name in ("docker-compose.yml", ".env.example")}
        added = "".join(f"{key}=\n" for key in parameters if before[key] is None)
        (clone / ".env.example").write_text(files[".env.example"] + added)
        with compose_file(clone) as content:
            edit(content)
    for key, new in parameters.items():
        put(key, new)
    try:
        assert controller.deploy().status == 0 and controller.health()["ok"]
        yield
    finally:
        with controller.commit("The application as it was") as clone:
            for name, text in files.items():
                (clone / name).write_text(text)
        for key, old in before.items():
            put(key, old) if old is not None else delete(key)
        assert controller.deploy().status == 0
        controller.assert_at_target()


def rotate_in_service(controller, key, login, **how):
    """Rotate a secret under load, killed once between two valid values, and see that the old value is refused after that."""
    old, number, before = settings(controller)[key], version(key), controller.containers()
    declared = {"secret_rotation_secrets": {key: how}, **RUN}
    with Load(controller.url(path="/"), timeout=20) as load, Prober(controller, lambda now: login(now[key])) as prober:
        with killed_at_call(controller, "secret_rotation", config.ROTATION_ROLE, *CUTS["apply"]):
            assert controller.rotate(key, **declared).status != 0
        assert login(old)
        assert controller.rotate(key, **declared).status == 0
    assert (load.failed, prober.failures) == (0, []) and prober.tries > 3
    new = settings(controller)[key]
    assert version(key) == number + 1 and new != old and login(new) and not login(old)
    after = controller.containers()
    assert {service for service in before if before[service] != after[service]} == {"backend"}


def in_container(controller, service, variable, secret, *command):
    """A command in a service's container with a secret in its environment, which by its name is on no command line."""
    through = ["docker", "exec", "--env", variable]
    return subprocess.run(
        [*through, controller.hosts()[0]["container"], *through, f"popcon-{service}", *command],
        env={**os.environ, variable: secret}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


#: Its file of users is made at its first start; afterwards a rotation keeps it.
REDIS = (
    "[ -e users.acl ] || printf 'user default on >%s ~* &* +@all' \"$$REDIS_PASSWORD\" > users.acl;"
    " exec redis-server --aclfile /data/users.acl"
)


def test_redis(controller):
    def with_password(content):
        content["services"]["redis"].update(
            entrypoint=["sh", "-c", REDIS],
            environment={"REDIS_PASSWORD": "${REDIS_PASSWORD}"},
            labels={"popcon.deploy.initial-environment": "REDIS_PASSWORD"},
            volumes=["redis-data:/data"],
        )
        # Whether it answers, whoever asks.
        content["services"]["redis"]["healthcheck"]["test"] = ["CMD-SHELL", "redis-cli ping | grep -qE 'PONG|NOAUTH'"]
        content["services"]["backend"]["environment"]["REDIS_PASSWORD"] = "${REDIS_PASSWORD}"
        content["volumes"]["redis-data"] = None

    def login(password):
        done = in_container(controller, "redis", "REDISCLI_AUTH", password, "redis-cli", "ping")
        return done.stdout.splitlines()[-1] == "PONG"

    with another_application(controller, with_password, REDIS_PASSWORD=secrets.token_hex(16)):
        rotate_in_service(controller, "REDIS_PASSWORD", login, strategy="redis", service="redis")
        # What it holds outlasts a restart.
        controller.on_host("docker", "restart", "popcon-redis")
        assert controller.deploy().status == 0 and controller.health()["ok"]


#: Accounts and database, made if they are not there.
MARIADB = """
umask 077
cat > /tmp/init.sql <<SQL
CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY '$$MARIADB_ROOT_PASSWORD';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
CREATE DATABASE IF NOT EXISTS popcon;
CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY '$$MARIADB_PASSWORD';
GRANT ALL ON popcon.* TO app@'%';
SQL
chown mysql /tmp/init.sql
exec mariadbd --user=mysql --bind-address=* --skip-name-resolve --init-file=/tmp/init.sql
"""


def test_mariadb(controller):
    image, name = "popcon-test/mariadb", f"{PUSH_REGISTRY}/{config.ECR_REPOSITORY}:mariadb"
    docker("build", "--quiet", "--tag", image, str(ROOT / "tests" / "integration" / "mariadb"))
    docker("tag", image, name)
    docker("push", name)

    def instead_of_mysql(content):
        mysql = content["services"]["mysql"]
        mysql.update(
            image=f"${{ECR_REGISTRY}}/{config.ECR_REPOSITORY}:mariadb",
            entrypoint=["sh", "-c", MARIADB],
            environment={"MARIADB_ROOT_PASSWORD": "${DB_ROOT_PASSWORD}", "MARIADB_PASSWORD": "${DB_PASSWORD}"},
            labels={"popcon.deploy.initial-environment": "MARIADB_ROOT_PASSWORD, MARIADB_PASSWORD"},
            volumes=["mariadb-data:/var/lib/mysql"],
        )
        mysql["healthcheck"]["test"] = ["CMD", "mariadb-admin", "ping", "--host=127.0.0.1", "--silent"]
        content["volumes"]["mariadb-data"] = None

    def login(password):
        return mysql_login(controller, "app", password, client="mariadb")

    words = {key: secrets.token_hex(16) for key in ("DB_PASSWORD", "DB_ROOT_PASSWORD")}
    with another_application(controller, instead_of_mysql, DB_USERNAME="app", **words):
        options = {"service": "mysql", "user_key": "DB_USERNAME", "admin_user": "root", "admin_key": "DB_ROOT_PASSWORD"}
        rotate_in_service(controller, "DB_PASSWORD", login, strategy="mariadb", **options)
