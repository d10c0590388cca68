"""The strategies of secret rotation against real servers, each in a container of its own: MySQL 9, MariaDB, Redis 8.

MySQL and Redis are the lab's images, and MariaDB is built on the lab's base image: without them, and without an engine on
this machine, the tests are skipped.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import shutil
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.table import Strategy, make_strategy

HOSTILE = "$ecret ${HOME} #'\"`\nline 2 \\n %s $$ \\\né漢🐟\t= "
NEW = "new-Candidate_0123456789-abcdef"
OTHER = "somebody-Elses_password"
ROOT = "r00t"
MARIADB_IMAGE = "popcon-test/mariadb"


def docker(*arguments: str, stdin: str = "", check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], input=stdin.encode(), capture_output=True, check=False)
    assert not check or done.returncode == 0, f"docker {arguments[0]}: {done.stderr.decode()}"
    return done.stdout.decode()


def need(image: str) -> None:
    if shutil.which("docker") is None or not docker("image", "ls", "--quiet", image, check=False):
        pytest.skip(f"no Docker engine with the image {image} (make lab-up builds it)")


@contextlib.contextmanager
def container(image: str, *command: str, options: t.Sequence[str] = ()) -> t.Iterator[str]:
    name = f"rot-{secrets.token_hex(4)}"
    docker("run", "--detach", "--name", name, *options, image, *command)
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def until(works: t.Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 120
    while not works():
        assert time.monotonic() < end, what
        time.sleep(0.3)


class Killed(BaseException):
    """The process ends here."""


def exec_in(name: str, kill_after: int = 0) -> t.Callable[[list[str], bytes], tuple[int, bytes, bytes]]:
    left = kill_after

    def run(argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        nonlocal left
        done = subprocess.run(["docker", "exec", "-i", name, *argv], input=stdin, capture_output=True, check=False)
        left -= 1
        if left == 0:
            raise Killed
        return done.returncode, done.stdout, done.stderr

    return run


def survives_kills(name: str, make: t.Callable[..., Strategy], step: t.Callable[[Strategy], None], valid: str) -> int:
    """Do a step, killed after its first command, then again, killed after two, and so on until it ends; `valid` must
    log in all the time. The number of kills.
    """
    for count in itertools.count(1):
        try:
            step(make(exec_in(name, kill_after=count)))
            return count - 1
        except Killed:
            assert make(exec_in(name)).logs_in(valid), f"{valid!r} is refused after a kill"
    raise AssertionError


def literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Database:
    """A server with accounts."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        client = ["mysql", "--user=root", f"--password={ROOT}"] if kind == "mysql" else ["mariadb"]
        self.client = ["exec", "-i", name, *client, "-N", "-B", "--unbuffered", "--default-character-set=utf8mb4"]

    def sql(self, statements: str, check: bool = True) -> str:
        return docker(*self.client, stdin=statements, check=check)

    def new_user(self, *hosts: str, password: str = HOSTILE, rights: str = "USAGE") -> str:
        user = f"u{secrets.token_hex(4)}"
        for host in hosts:
            self.sql(
                f"CREATE USER {user}@'{host}' IDENTIFIED BY {literal(password)}; GRANT {rights} ON *.* TO {user}@'{host}'"
            )
        return user

    def strategy(self, user: str, *hosts: str, run: t.Any = None, **options: t.Any) -> Strategy:
        options = {"admin_user": "boss", "admin_key": "BOSS_PASSWORD", **options}
        options = {
            "key": "DB_PASSWORD",
            "strategy": self.kind,
            "service": "db",
            "hosts": list(hosts) or ["%"],
            **options,
        }
        settings = {"BOSS_PASSWORD": HOSTILE, "DB_USERNAME": user}
        return make_strategy({"user_key": "DB_USERNAME", **options}, settings, run or exec_in(self.name))


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def database(request: pytest.FixtureRequest) -> t.Iterator[Database]:
    kind = request.param
    log = ["--general-log=1", "--general-log-file=/tmp/general.log"]
    if kind == "mysql":
        image, command, options = "popcon-lab/app-mysql", ["mysqld"], [f"--env=MYSQL_ROOT_PASSWORD={ROOT}"]
        need(image)
    else:
        need("popcon-lab/base")
        docker("build", "--quiet", "--tag", MARIADB_IMAGE, str(Path(__file__).parent / "mariadb"))
        image, command, options = (
            MARIADB_IMAGE,
            ["mariadbd", "--user=mysql", "--bind-address=*", "--skip-name-resolve"],
            [],
        )
    with container(image, *command, *log, options=options) as name:
        made = Database(kind, name)
        until(lambda: made.sql("SELECT 7", check=False) == "7\n", f"{kind} does not start")
        for host in ("localhost", "%"):
            account = f"boss@'{host}'"
            made.sql(
                f"CREATE USER {account} IDENTIFIED BY {literal(HOSTILE)}; GRANT ALL ON *.* TO {account} WITH GRANT OPTION"
            )
        yield made


@pytest.fixture(scope="module")
def mysql(database: Database) -> Database:
    if database.kind != "mysql":
        pytest.skip("of MySQL only")
    return database


@pytest.fixture(scope="module")
def mariadb(database: Database) -> Database:
    if database.kind != "mariadb":
        pytest.skip("of MariaDB only")
    return database


def test_old_both_new(database: Database) -> None:
    strategy = database.strategy(database.new_user("%"))

    def valid() -> tuple[bool, bool]:
        return strategy.logs_in(HOSTILE), strategy.logs_in(NEW)

    assert valid() == (True, False)
    for _dummy in range(2):
        strategy.apply(HOSTILE, NEW)
        assert valid() == (True, True)
    for _dummy in range(2):
        strategy.retire(kept=NEW, gone=HOSTILE)
        assert valid() == (False, True)


def test_taking_back_leaves_the_old_one_only(database: Database) -> None:
    user = database.new_user("%", "localhost")
    strategy = database.strategy(user, "%", "localhost")
    strategy.retire(kept=HOSTILE, gone=NEW)
    strategy.apply(HOSTILE, NEW)
    for _dummy in range(2):
        strategy.retire(kept=HOSTILE, gone=NEW)
        assert strategy.logs_in(HOSTILE) and not strategy.logs_in(NEW)
    strategy.apply(HOSTILE, OTHER)
    assert strategy.logs_in(OTHER)


def test_an_admin_who_rotates_itself_at_two_hosts(database: Database) -> None:
    user = database.new_user("%", "localhost", rights="ALL")
    database.sql(f"GRANT CREATE USER ON *.* TO {user}@'%'; GRANT CREATE USER ON *.* TO {user}@localhost")
    strategy = database.strategy(user, "%", "localhost", admin_user=user, admin_key="GONE_WITH_THE_WIND")
    strategy.apply(HOSTILE, NEW)
    assert strategy.logs_in(HOSTILE) and strategy.logs_in(NEW)
    strategy.retire(kept=NEW, gone=HOSTILE)
    assert strategy.logs_in(NEW) and not strategy.logs_in(HOSTILE)


def test_half_applied_is_not_applied(database: Database) -> None:
    user = database.new_user("%", "localhost")
    database.strategy(user, "%").apply(HOSTILE, NEW)
    both = database.strategy(user, "%", "localhost")
    assert database.strategy(user, "%").logs_in(NEW) and not both.logs_in(NEW)
    both.apply(HOSTILE, NEW)
    assert both.logs_in(NEW) and both.logs_in(HOSTILE)


@pytest.mark.parametrize(("kept", "gone"), [(NEW, HOSTILE), (HOSTILE, NEW)], ids=["forward", "back"])
def test_killed_after_each_command(database: Database, kept: str, gone: str) -> None:
    hosts = ("%", "localhost")
    user = database.new_user(*hosts)

    def make(run: t.Any) -> Strategy:
        return database.strategy(user, *hosts, run=run)

    assert survives_kills(database.name, make, lambda strategy: strategy.apply(HOSTILE, NEW), HOSTILE) >= 3
    strategy = make(None)
    assert strategy.logs_in(HOSTILE) and strategy.logs_in(NEW)
    assert survives_kills(database.name, make, lambda strategy: strategy.retire(kept, gone), kept) >= 3
    assert strategy.logs_in(kept) and not strategy.logs_in(gone)
    if database.kind == "mysql":
        second = "User_attributes->>'$.additional_password' IS NOT NULL"
        assert database.sql(f"SELECT COUNT(*) FROM mysql.user WHERE User = '{user}' AND {second}") == "0\n"
    strategy.apply(kept, OTHER)
    assert strategy.logs_in(OTHER) and strategy.logs_in(kept)


def test_open_sessions_survive(database: Database) -> None:
    user = database.new_user("%")
    run = exec_in(database.name)
    address = run(["cat", "/etc/hostname"], b"")[1].decode().strip()
    plain = "open-Session_pw"
    database.sql(f"ALTER USER {user}@'%' IDENTIFIED BY '{plain}'")
    client = [database.client[3], f"--user={user}", f"--password={plain}", f"--host={address}", "-N", "--unbuffered"]
    session = subprocess.Popen(
        ["docker", "exec", "-i", database.name, *client, "-B"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert session.stdin and session.stdout

    def ask(number: int) -> str:
        session.stdin.write(f"SELECT {number};\n".encode())
        session.stdin.flush()
        return session.stdout.readline().decode().strip()

    try:
        assert ask(1) == "1"
        strategy = database.strategy(user)
        strategy.apply(plain, NEW)
        assert ask(2) == "2"
        strategy.retire(kept=NEW, gone=plain)
        assert not strategy.logs_in(plain) and ask(3) == "3"
    finally:
        session.kill()
        session.wait()


def test_the_applications_driver_logs_in_with_both(database: Database) -> None:
    need("popcon-lab/app-backend")
    # PyMySQL sends passwords as Latin-1.
    old = "$ecret #'\"`\n \\ "
    user = database.new_user("%", password=old)
    database.strategy(user).apply(old, NEW)
    program = (
        "import json, sys, pymysql\n"
        "for login in json.load(sys.stdin):\n"
        "    with pymysql.connect(**login) as connection, connection.cursor() as cursor:\n"
        "        print(cursor.execute('SELECT 1'))\n"
    )
    address = docker("exec", database.name, "cat", "/etc/hostname").strip()
    logins = [{"host": address, "user": user, "password": password} for password in (old, NEW, old, NEW)]
    options = ["run", "--rm", "-i", "--network", f"container:{database.name}", "popcon-lab/app-backend"]
    assert docker(*options, "python3", "-c", program, stdin=json.dumps(logins)) == "1\n" * 4


def test_no_value_on_a_command_line_or_in_a_log(database: Database) -> None:
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        seen.add((process / name).read_bytes())

    user = database.new_user("%", "localhost", password="canary-1-Old_value")
    strategy = database.strategy(user, "%", "localhost")
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        strategy.apply("canary-1-Old_value", "canary-2-New_value")
        assert strategy.logs_in("canary-2-New_value")
        strategy.retire(kept="canary-1-Old_value", gone="canary-2-New_value")
        strategy.apply("canary-1-Old_value", "canary-3-New_value")
        strategy.retire(kept="canary-3-New_value", gone="canary-1-Old_value")
    finally:
        stop.set()
        watcher.join()
    lines = [line for line in seen if b"docker\0exec" not in line]
    if not any(b"--defaults-extra-file=/dev/stdin" in line for line in lines):
        pytest.skip("the engine's processes are not seen from here")
    assert not [line for line in seen if b"canary-" in line or HOSTILE.encode()[:9] in line]
    log = docker("exec", database.name, "cat", "/tmp/general.log")
    assert f"ALTER USER `{user}`" in log
    assert "_value" not in log.replace("IDENTIFIED BY 'canary-1-Old_value'", "")


def refusal(step: t.Callable[[], object]) -> str:
    with pytest.raises(DeployError) as caught:
        step()
    text = str(caught.value)
    assert "DB_PASSWORD" in text and "service db" in text
    assert not [value for value in (HOSTILE, NEW, OTHER, "line 2") if value in text]
    return text


def test_an_account_that_is_not_there(database: Database) -> None:
    strategy = database.strategy("nobody")
    assert not strategy.logs_in(HOSTILE)
    assert "no such account" in refusal(lambda: strategy.apply(HOSTILE, NEW))


def test_the_current_value_is_not_the_accounts(database: Database) -> None:
    strategy = database.strategy(database.new_user("%"))
    refusal(lambda: strategy.apply(OTHER, NEW))
    refusal(lambda: strategy.retire(kept=OTHER, gone=HOSTILE))
    assert strategy.logs_in(HOSTILE) and not strategy.logs_in(NEW)


def test_another_account_answers(database: Database) -> None:
    user = database.new_user("%")
    database.sql(f"CREATE USER {user}@'172.%' IDENTIFIED BY {literal(HOSTILE)}")
    text = refusal(lambda: database.strategy(user).logs_in(HOSTILE))
    assert "another account answers" in text and user not in text
    assert database.strategy(user, "172.%").logs_in(HOSTILE)


def test_an_admin_who_is_refused(database: Database) -> None:
    user = database.new_user("%")
    strategy = database.strategy(user, admin_key="DB_USERNAME")
    assert "DB_USERNAME holds its password" in refusal(lambda: strategy.apply(HOSTILE, NEW))


def test_an_admin_without_the_right(database: Database) -> None:
    user, clerk = database.new_user("%"), database.new_user("%")
    strategy = database.strategy(user, admin_user=clerk)
    assert "SELECT on the database mysql" in refusal(lambda: strategy.apply(HOSTILE, NEW))


def test_a_service_that_is_down(database: Database) -> None:
    strategy = database.strategy("app", run=exec_in("rot-no-such-container"))
    refusal(lambda: strategy.logs_in(HOSTILE))
    # The container runs, and its server does not answer yet.
    with container("popcon-lab/app-mysql", "infinity", options=["--entrypoint=sleep"]) as idle:
        strategy = database.strategy("app", run=exec_in(idle))
        refusal(lambda: strategy.logs_in(HOSTILE))


def test_mysql_a_second_password_of_somebody_elses(mysql: Database) -> None:
    user = mysql.new_user("%", password=OTHER)
    mysql.sql(f"ALTER USER {user}@'%' IDENTIFIED BY {literal(HOSTILE)} RETAIN CURRENT PASSWORD")
    strategy = mysql.strategy(user)
    assert "somebody else's second password" in refusal(lambda: strategy.apply(HOSTILE, NEW))
    assert strategy.logs_in(HOSTILE) and strategy.logs_in(OTHER)
    # Taking back what was never applied leaves it alone, too.
    strategy.retire(kept=HOSTILE, gone=NEW)
    assert strategy.logs_in(OTHER)


def test_mysql_a_first_password_of_somebody_elses(mysql: Database) -> None:
    user = mysql.new_user("%")
    mysql.sql(f"ALTER USER {user}@'%' IDENTIFIED BY {literal(OTHER)} RETAIN CURRENT PASSWORD")
    strategy = mysql.strategy(user)
    assert "somebody has set another password" in refusal(lambda: strategy.apply(HOSTILE, NEW))
    refusal(lambda: strategy.retire(kept=HOSTILE, gone=NEW))
    assert strategy.logs_in(HOSTILE) and strategy.logs_in(OTHER)


def test_mysql_a_statement_that_outlives_its_sender_does_no_harm(mysql: Database) -> None:
    """Two that have seen the same and both want to RETAIN: done twice, the password in use would be gone."""
    user = mysql.new_user("%")
    guard = subprocess.Popen(["docker", *mysql.client], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert guard.stdin and guard.stdout
    guard.stdin.write(b"SELECT GET_LOCK('popcon.deploy.rotation', 5);\n")
    guard.stdin.flush()
    assert guard.stdout.readline() == b"1\n"
    outcomes: list[str] = []

    def apply() -> None:
        try:
            mysql.strategy(user).apply(HOSTILE, NEW)
            outcomes.append("done")
        except DeployError as exc:
            outcomes.append(str(exc))

    threads = [threading.Thread(target=apply) for _dummy in range(2)]
    for thread in threads:
        thread.start()
    waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE State = 'User lock'"
    until(lambda: mysql.sql(waiting).strip() == "2", "they do not wait for the lock")
    guard.stdin.close()
    guard.wait()
    for thread in threads:
        thread.join()
    assert sorted(outcome == "done" for outcome in outcomes) == [False, True]
    assert any("somebody else changed it" in outcome for outcome in outcomes)
    strategy = mysql.strategy(user)
    assert strategy.logs_in(HOSTILE) and strategy.logs_in(NEW)


def test_mysql_without_tls(mysql: Database) -> None:
    user = mysql.new_user("%")
    strategy = mysql.strategy(user)
    # The client's own settings are read before ours.
    settings = "/etc/mysql/my.cnf"
    docker("exec", mysql.name, "sh", "-c", f"cp {settings} /tmp/kept; echo ssl-mode=DISABLED >> {settings}")
    try:
        strategy.apply(HOSTILE, NEW)
        assert strategy.logs_in(NEW)
    finally:
        docker("exec", mysql.name, "cp", "/tmp/kept", settings)
    log = docker("exec", mysql.name, "cat", "/tmp/general.log")
    assert [line for line in log.splitlines() if f"{user}@" in line and "using TCP/IP" in line]


def test_mariadb_other_ways_in_stay(mariadb: Database) -> None:
    user = mariadb.new_user("%")
    other = mariadb.sql(f"SELECT PASSWORD('{OTHER}')").strip()
    old = mariadb.sql(f"SELECT PASSWORD({literal(HOSTILE)})").strip()
    native = "mysql_native_password USING"
    mariadb.sql(f"ALTER USER {user}@'%' IDENTIFIED VIA unix_socket OR {native} '{other}' OR {native} '{old}'")
    strategy = mariadb.strategy(user)
    strategy.apply(HOSTILE, NEW)
    assert all(strategy.logs_in(value) for value in (HOSTILE, NEW, OTHER))
    strategy.retire(kept=NEW, gone=HOSTILE)
    assert [strategy.logs_in(value) for value in (HOSTILE, NEW, OTHER)] == [False, True, True]
    assert "unix_socket" in mariadb.sql(f"SHOW CREATE USER {user}@'%'")


def test_mariadb_an_account_that_trusts_the_socket(mariadb: Database) -> None:
    options = {"key": "DB_PASSWORD", "strategy": "mariadb", "service": "db", "hosts": ["localhost"]}
    admin = {"user": "root", "admin_user": "root", "admin_key": "DB_PASSWORD"}
    strategy = make_strategy({**options, **admin}, {}, exec_in(mariadb.name))
    assert "let in with any password" in refusal(lambda: strategy.logs_in(HOSTILE))


def test_mariadb_a_plugin_that_is_not_known(mariadb: Database) -> None:
    mariadb.sql("INSTALL SONAME 'auth_ed25519'")
    user = mariadb.new_user("%")
    mariadb.sql(f"ALTER USER {user}@'%' IDENTIFIED VIA ed25519 USING PASSWORD({literal(HOSTILE)})")
    assert "mysql_native_password" in refusal(lambda: mariadb.strategy(user).apply(HOSTILE, NEW))
    assert mariadb.strategy(user).logs_in(HOSTILE)


class RedisServer:
    """A server whose user `app` has the password HOSTILE; its files are kept over restarts."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cli(self, script: str) -> str:
        return docker("exec", "-i", self.name, "redis-cli", stdin=script, check=False)

    def restart(self) -> None:
        docker("restart", "--time", "2", self.name)
        self.wait()

    def wait(self) -> None:
        until(lambda: bool(self.cli("PING\n").strip()), "redis does not start")

    def strategy(self, run: t.Any = None, **options: str) -> Strategy:
        options = {"key": "DB_PASSWORD", "strategy": "redis", "service": "db", **options}
        settings = {"ADMIN_PASSWORD": ROOT, "APP_USER": "app"}
        return make_strategy(options, settings, run or exec_in(self.name))


CONFIGURATIONS = {
    "aclfile": "aclfile /data/users.acl\\n",
    "requirepass": f"requirepass {ROOT}\\nuser app on allkeys +@all -ping\\n",
}
APP = {"user": "app", "admin_key": "ADMIN_PASSWORD"}


@contextlib.contextmanager
def redis_server(configuration: str) -> t.Iterator[RedisServer]:
    need("popcon-lab/app-redis")
    script = "[ -e r.conf ] || { printf '%b' \"$1\" > r.conf; touch users.acl; }; exec redis-server r.conf"
    with container("popcon-lab/app-redis", "-c", script, "sh", configuration, options=["--entrypoint=sh"]) as name:
        server = RedisServer(name)
        server.wait()
        yield server


@pytest.fixture(scope="module", params=list(CONFIGURATIONS))
def redis(request: pytest.FixtureRequest) -> t.Iterator[RedisServer]:
    with redis_server(CONFIGURATIONS[request.param]) as server:
        if request.param == "aclfile":
            server.cli(f"ACL SETUSER app on allkeys +@all -ping\nACL SETUSER default resetpass >{ROOT}\n")
        yield server


@pytest.fixture
def user(redis: RedisServer) -> dict[str, str]:
    """The options of the user app, with HOSTILE for its only password."""
    quoted = "".join(f"\\x{byte:02x}" for byte in HOSTILE.encode())
    redis.cli(f'AUTH {ROOT}\nACL SETUSER app resetpass ">{quoted}"\n')
    return APP


def test_redis_old_both_new_over_restarts(redis: RedisServer, user: dict[str, str]) -> None:
    strategy = redis.strategy(**user)
    assert strategy.logs_in(HOSTILE) and not strategy.logs_in(NEW)
    for _dummy in range(2):
        strategy.apply(HOSTILE, NEW)
        redis.restart()
        assert strategy.logs_in(HOSTILE) and strategy.logs_in(NEW)
    for _dummy in range(2):
        strategy.retire(kept=NEW, gone=HOSTILE)
        redis.restart()
        assert strategy.logs_in(NEW) and not strategy.logs_in(HOSTILE)


@pytest.mark.parametrize(("kept", "gone"), [(NEW, HOSTILE), (HOSTILE, NEW)], ids=["forward", "back"])
def test_redis_killed_after_each_command(redis: RedisServer, user: dict[str, str], kept: str, gone: str) -> None:
    def make(run: t.Any) -> Strategy:
        return redis.strategy(run, **user)

    assert survives_kills(redis.name, make, lambda strategy: strategy.apply(HOSTILE, NEW), HOSTILE) >= 1
    assert survives_kills(redis.name, make, lambda strategy: strategy.retire(kept, gone), kept) >= 1
    assert make(None).logs_in(kept) and not make(None).logs_in(gone)


def test_redis_the_default_user_rotates_itself(redis: RedisServer) -> None:
    strategy = redis.strategy()
    strategy.apply(ROOT, NEW)
    redis.restart()
    assert strategy.logs_in(ROOT) and strategy.logs_in(NEW)
    strategy.retire(kept=ROOT, gone=NEW)
    redis.restart()
    assert strategy.logs_in(ROOT) and not strategy.logs_in(NEW)


def test_redis_a_user_named_by_a_setting(redis: RedisServer, user: dict[str, str]) -> None:
    strategy = redis.strategy(user_key="APP_USER", admin_key="ADMIN_PASSWORD")
    assert strategy.logs_in(HOSTILE)
    text = refusal(lambda: strategy.apply(OTHER, NEW))
    assert "the user named by APP_USER" in text


def test_redis_refuses_what_it_cannot_do(redis: RedisServer, user: dict[str, str]) -> None:
    strategy = redis.strategy(**user)
    refusal(lambda: strategy.retire(kept=NEW, gone=HOSTILE))
    assert strategy.logs_in(HOSTILE)
    wrong = redis.strategy(**{**user, "admin_key": "APP_USER"})
    assert "admin default is not let in" in refusal(lambda: wrong.apply(HOSTILE, NEW))
    nobody = redis.strategy(user="nobody", admin_key="ADMIN_PASSWORD")
    assert not nobody.logs_in(HOSTILE)
    refusal(lambda: nobody.apply(HOSTILE, NEW))
    assert not nobody.logs_in(NEW)


def test_redis_that_cannot_save_is_left_as_it_was(redis: RedisServer, user: dict[str, str]) -> None:
    strategy = redis.strategy(**user)
    docker("exec", "--user=root", redis.name, "chown", "root", "/data")
    docker("exec", "--user=root", redis.name, "chmod", "a-w", "/data", "/data/r.conf")
    try:
        assert "nothing was changed" in refusal(lambda: strategy.apply(HOSTILE, NEW))
        assert strategy.logs_in(HOSTILE) and not strategy.logs_in(NEW)
    finally:
        docker("exec", "--user=root", redis.name, "chown", "redis", "/data")
        docker("exec", "--user=root", redis.name, "chmod", "u+w", "/data", "/data/r.conf")
    strategy.apply(HOSTILE, NEW)
    assert strategy.logs_in(NEW)


def test_redis_that_forgets_and_lets_anybody_in() -> None:
    need("popcon-lab/app-redis")
    with container("popcon-lab/app-redis") as name:
        server = RedisServer(name)
        server.wait()
        assert "let in with any password" in refusal(lambda: server.strategy().logs_in(HOSTILE))
        server.cli(f"ACL SETUSER app on >{OTHER} +@all\n")
        strategy = server.strategy(user="app")
        assert strategy.logs_in(OTHER)
        assert "a restart would bring the old password back" in refusal(lambda: strategy.apply(OTHER, NEW))
        assert not strategy.logs_in(NEW)
        # What was never applied can be taken back all the same.
        strategy.retire(kept=OTHER, gone=NEW)
        assert strategy.logs_in(OTHER)


def test_redis_no_value_on_the_servers_side(redis: RedisServer, user: dict[str, str]) -> None:
    """Neither in the ACL, nor in the log of refused logins, nor in what MONITOR shows."""
    monitor = subprocess.Popen(
        ["docker", "exec", "-i", redis.name, "redis-cli", "--no-auth-warning", "-a", ROOT, "MONITOR"],
        stdout=subprocess.PIPE,
    )
    assert monitor.stdout
    assert monitor.stdout.readline() == b"OK\n"
    strategy = redis.strategy(**user)
    strategy.logs_in(NEW)
    strategy.apply(HOSTILE, NEW)
    strategy.retire(kept=NEW, gone=HOSTILE)
    redis.cli(f"AUTH {ROOT}\nECHO the-end\n")
    shown = b""
    while b"the-end" not in shown:
        shown += monitor.stdout.readline()
    monitor.kill()
    monitor.wait()
    kept = redis.cli(f"AUTH {ROOT}\nACL LOG\nSLOWLOG GET 100\nACL LIST\n")
    assert shown.count(b"AUTH") > 4 and b"INFO" in shown
    assert not [value for value in (NEW, "line 2") if value in shown.decode() + kept]


PROGRAM = """
import json, sys
from pathlib import Path
store, asked = Path("/tmp/valid.json"), json.load(sys.stdin)
valid = set(json.loads(store.read_text()))
if asked["step"] == "test":
    sys.exit(asked["new"] not in valid)
if asked["step"] == "apply":
    valid |= {asked["old"], asked["new"]}
if asked["step"] == "retire":
    valid = valid - {asked["old"]} | {asked["new"]}
store.write_text(json.dumps(sorted(valid)))
print("the server says", asked["new"])
"""


def test_command() -> None:
    need("popcon-lab/python")
    with container("popcon-lab/python", "sleep", "infinity") as name:
        docker("exec", "-i", name, "sh", "-c", "cat > /tmp/rotate.py", stdin=PROGRAM)
        docker("exec", "-i", name, "sh", "-c", "cat > /tmp/valid.json", stdin=json.dumps([HOSTILE]))
        options = {"key": "DB_PASSWORD", "strategy": "command", "service": "db"}
        strategy = make_strategy({**options, "command": ["python3", "/tmp/rotate.py"]}, {}, exec_in(name))
        assert strategy.logs_in(HOSTILE) and not strategy.logs_in(NEW)
        strategy.apply(HOSTILE, NEW)
        assert strategy.logs_in(HOSTILE) and strategy.logs_in(NEW)
        strategy.retire(kept=NEW, gone=HOSTILE)
        assert strategy.logs_in(NEW) and not strategy.logs_in(HOSTILE)
        absent = make_strategy({**options, "command": ["no-such-program"]}, {}, exec_in(name))
        assert "step" in refusal(lambda: absent.logs_in(NEW))
        assert "step" in refusal(lambda: absent.apply(HOSTILE, NEW))
