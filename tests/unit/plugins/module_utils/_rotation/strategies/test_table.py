"""What the strategies ask a service for and make of its answers; tests/integration has them against real servers."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.mysql import sha2_hash
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.sql import native_hash
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.table import STRATEGIES, make_strategy

SECRETS = ("0ld-value", "n3w-value", "adm1n-value")
OLD, NEW, ADMIN = SECRETS
SETTINGS = {"DB_USERNAME": "app-user-name", "DB_ROOT_PASSWORD": ADMIN}
SQL = {"service": "db", "user_key": "DB_USERNAME", "admin_user": "root", "admin_key": "DB_ROOT_PASSWORD"}
OPTIONS = {
    "mysql": {"strategy": "mysql", **SQL},
    "mariadb": {"strategy": "mariadb", **SQL},
    "redis": {"strategy": "redis", "service": "db", "user_key": "DB_USERNAME", "admin_key": "DB_ROOT_PASSWORD"},
    "plain": {"strategy": "plain"},
    "command": {"strategy": "command", "service": "db", "command": ["python3", "rotate.py"]},
}
IN_SERVICE = sorted(set(OPTIONS) - {"plain"})


class Service:
    """Answers commands from a list, the last one for ever; `asked` has (argv, stdin)."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, argv, stdin):
        self.asked.append((argv, stdin))
        if argv == ["cat", "/etc/hostname"]:
            return 0, b"db-host\n", b""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def made(name, service=None, **options):
    return make_strategy({"key": "THE_KEY", **OPTIONS[name], **options}, SETTINGS, service)


def refusal(step, *arguments):
    with pytest.raises(DeployError) as caught:
        step(*arguments)
    return str(caught.value)


def test_every_strategy_is_tested_here():
    assert set(OPTIONS) == set(STRATEGIES)


def test_every_strategy_says_what_it_is():
    assert {name for name, strategy in STRATEGIES.items() if strategy.per_host} == {"mariadb", "mysql", "redis"}
    assert {name for name, strategy in STRATEGIES.items() if not strategy.tells} == {"plain"}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_every_strategy(name):
    assert made(name, length=40, alphabet="abc")
    assert "secret_rotation_secrets has typo, which" in refusal(lambda: made(name, typo=1))


@pytest.mark.parametrize("name", IN_SERVICE)
def test_a_missing_option_is_named(name):
    options = {key: value for key, value in OPTIONS[name].items() if key != "service"}
    text = refusal(make_strategy, {"key": "THE_KEY", **options}, SETTINGS, Service())
    assert text == f"THE_KEY in secret_rotation_secrets lacks service, which the strategy {name} needs."


@pytest.mark.parametrize("strategy", [None, "MySQL", ["mysql"]])
def test_an_unknown_strategy(strategy):
    assert "must be one of" in refusal(make_strategy, {"key": "THE_KEY", "strategy": strategy}, {}, Service())


def test_settings_that_are_not_there():
    assert "no setting NOPE" in refusal(lambda: made("mysql", user_key="NOPE"))
    options = {key: value for key, value in OPTIONS["mysql"].items() if key != "user_key"}
    assert "user or user_key" in refusal(make_strategy, {"key": "THE_KEY", **options}, SETTINGS, Service())
    strategy = made("mysql", Service((0, b"", b"")), admin_key="NOPE")
    assert "no setting NOPE" in refusal(strategy.apply, OLD, NEW)


def test_the_admins_password_is_the_newest():
    """The admin's own secret may be rotated between two steps of this one."""
    settings = dict(SETTINGS)
    service = Service((0, b"", b""))
    strategy = make_strategy({"key": "THE_KEY", **OPTIONS["mysql"]}, settings, service)
    settings["DB_ROOT_PASSWORD"] = "n3west"
    refusal(strategy.apply, OLD, NEW)
    assert b'password="n3west"' in service.asked[-1][1]


@pytest.mark.parametrize("name", IN_SERVICE)
@pytest.mark.parametrize("status", [0, 1, 2, 126, 137])
def test_whatever_a_service_says_no_text_holds_it_or_a_value(name, status):
    said = b"ERROR 4711 (HY000): your password is 0ld-value, n3w-value or adm1n-value\n"
    for answer in ((status, said, b""), (status, b"", said), (status, b"", b"")):
        strategy = made(name, Service(answer))
        for step in (
            lambda strategy=strategy: strategy.logs_in(OLD),
            lambda strategy=strategy: strategy.apply(OLD, NEW),
            lambda strategy=strategy: strategy.retire(NEW, OLD),
        ):
            try:
                step()
            except DeployError as exc:
                text = str(exc)
                assert "THE_KEY" in text and "service db" in text
                assert not [word for word in (*SECRETS, "your", "app-user-name") if word in text]
            else:
                assert name == "command"


@pytest.mark.parametrize("name", IN_SERVICE)
def test_values_reach_a_service_by_stdin_only(name):
    service = Service((1, b"", b"ERROR 1045 (28000): no\n"))
    strategy = made(name, service)
    for step in (lambda: strategy.logs_in(OLD), lambda: strategy.apply(OLD, NEW), lambda: strategy.retire(NEW, OLD)):
        with contextlib.suppress(DeployError):
            step()
    assert len(service.asked) >= 3
    assert not [argv for argv, _stdin in service.asked if any(word in " ".join(argv) for word in SECRETS)]


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
@pytest.mark.parametrize("number", [1040, 1130, 1862, 2002, 2003, 3118, 3955])
def test_only_a_refusal_is_one(name, number):
    """A server that is down, or an account that is locked, says nothing about the value."""
    answer = (1, b"", b"WARNING: x\nERROR %d (HY000): something\n" % number)
    assert f"error {number}." in refusal(made(name, Service(answer)).logs_in, OLD)
    assert made(name, Service((1, b"", b"WARNING: x\nERROR 1045 (28000): no\n"))).logs_in(OLD) is False


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
def test_a_password_that_does_not_fit_a_line(name):
    assert "too long" in refusal(made(name, Service((0, b"", b""))).logs_in, '"' * 3000)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"WRONGPASS no\n\nOK\nPONG\n", True),
        (b"WRONGPASS no\n\nOK\nNOPERM no\n\n", True),
        (b"WRONGPASS no\n\nWRONGPASS no\n\nNOAUTH no\n\n", False),
        (b"WRONGPASS no\n\nWRONGPASS no\n\nPONG\n", False),
        (b"WRONGPASS no\n\nOK\nLOADING no\n\n", None),
        (b"ERR wrong number of arguments\n\nERR wrong\n\nPONG\n", None),
        (b"OK\nOK\nPONG\n", None),
        (b"", None),
    ],
)
def test_redis_answers(answer, expected):
    strategy = made("redis", Service((0, answer, b"")))
    if expected is None:
        refusal(strategy.logs_in, OLD)
    else:
        assert strategy.logs_in(OLD) is expected


@pytest.mark.parametrize(("status", "expected"), [(0, True), (1, False), (2, None), (127, None), (137, None)])
def test_the_commands_test(status, expected):
    service = Service((status, b"", b""))
    if expected is None:
        assert f"status {status}" in refusal(made("command", service).logs_in, NEW)
    else:
        assert made("command", service).logs_in(NEW) is expected
    ((argv, stdin),) = service.asked
    assert argv == ["python3", "rotate.py"]
    assert stdin.endswith(b"\n") and json.loads(stdin) == {"step": "test", "old": None, "new": NEW}


def test_the_commands_steps():
    service = Service((0, b"", b""))
    strategy = made("command", service)
    strategy.apply("line\nbreak", NEW)
    strategy.retire(kept=NEW, gone=OLD)
    assert all(stdin.count(b"\n") == 1 for _argv, stdin in service.asked)
    assert [json.loads(stdin) for _argv, stdin in service.asked] == [
        {"step": "apply", "old": "line\nbreak", "new": NEW},
        {"step": "retire", "old": OLD, "new": NEW},
    ]
    refusal(made("command", Service((1, b"", b""))).apply, OLD, NEW)
    refusal(made("command", Service((1, b"", b""))).retire, NEW, OLD)


@pytest.mark.parametrize("command", ["python3 rotate.py", [], ["python3", 3], None])
def test_a_command_that_is_none(command):
    assert "not a list of strings" in refusal(lambda: made("command", command=command))


@pytest.mark.parametrize("hosts", ["localhost", [], [1], None])
def test_hosts_that_are_none(hosts):
    assert "not a list of strings" in refusal(lambda: made("mysql", hosts=hosts))


def test_plain_asks_nobody():
    strategy = made("plain")
    strategy.apply(OLD, NEW)
    strategy.retire(NEW, OLD)
    assert strategy.logs_in(OLD) and strategy.logs_in(NEW)


def test_native_hash():
    # What SELECT PASSWORD('mypass') gives, in the manual.
    assert native_hash("mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"


def test_sha2_hash_of_a_servers():
    # Made by MySQL 9.7 for the password ro$t.
    stored = bytes.fromhex(
        "2441243030412473674B2B622F5D15196831493F6C73641C506D2F67762F583167412E524A"
        "794F4D2F3875455A4C3670637134766F34455A5049355838485071617256306638"
    )
    assert sha2_hash("ro$t", stored[7:27], 10000) == stored


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
@pytest.mark.parametrize("password", ["x", "é漢🐟" * 5, "a" * 31, "a" * 32, "a" * 33, "p" * 250])
def test_sha2_hash_has_the_digest_of_crypt(password):
    command = ["openssl", "passwd", "-5", "-salt", "saltsaltsaltsalt", "-stdin"]
    printed = subprocess.run(command, input=password.encode(), capture_output=True, check=True).stdout
    digest = printed.strip().rpartition(b"$")[2]
    assert sha2_hash(password, b"saltsaltsaltsalt", 5000) == b"$A$005$saltsaltsaltsalt" + digest
