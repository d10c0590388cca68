"""The sample backend: writes and reads MySQL and Redis at every call and tells how it went.

Settings, by environment: DB_HOST, DB_PORT, DB_NAME, DB_USERNAME, DB_PASSWORD, REDIS_HOST, REDIS_PORT, REDIS_PASSWORD if it
wants one, and SPRING_PROFILES_ACTIVE and JAVA_OPTS, which are only shown. APP_VERSION and APP_FAULT are baked into the image.

`GET /health` and `GET /` answer JSON, 200 when both dependencies work and 503 otherwise:
`{"service", "version", "ok", "settings": {name: value}, "dependencies": {name: {"ok", "writes" | "error"}}}`.
No answer and no log line holds a credential: of an error only its class and code are told.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from collections.abc import Callable

import fault
import pymysql
import redis
import service

SHOWN = ("SPRING_PROFILES_ACTIVE", "JAVA_OPTS", "DB_HOST", "DB_PORT", "DB_NAME", "REDIS_HOST", "REDIS_PORT")


def write_mysql() -> int:
    """Add one to the row of this application and read it back: the number of writes since the database was made."""
    connection = pymysql.connect(
        host=os.environ["DB_HOST"],
        port=int(os.environ["DB_PORT"]),
        user=os.environ["DB_USERNAME"],
        password=os.environ["DB_PASSWORD"],
        database=os.environ["DB_NAME"],
        connect_timeout=3,
        read_timeout=3,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visits (name VARCHAR(32) PRIMARY KEY, writes BIGINT NOT NULL)")
        cursor.execute("INSERT INTO visits VALUES ('backend', 1) ON DUPLICATE KEY UPDATE writes = writes + 1")
        cursor.execute("SELECT writes FROM visits WHERE name = 'backend'")
        (writes,) = cursor.fetchone()
        return writes


def write_redis() -> int:
    """Add one to this application's counter: its new value."""
    client = redis.Redis(
        host=os.environ["REDIS_HOST"],
        port=int(os.environ["REDIS_PORT"]),
        password=os.environ.get("REDIS_PASSWORD"),
        socket_timeout=3,
        socket_connect_timeout=3,
    )
    with client:
        return client.incr("popcon:visits")


def attempt(write: Callable[[], int]) -> dict[str, object]:
    """The outcome of one dependency; the texts of driver errors name the user, so they stay here."""
    try:
        return {"ok": True, "writes": write()}
    except (pymysql.Error, redis.RedisError, OSError, RuntimeError, KeyError, ValueError) as error:
        code = error.args[0] if isinstance(error, pymysql.Error) and error.args else ""
        return {"ok": False, "error": f"{type(error).__name__} {code}".strip()}


class Handler(service.Handler):
    """Both paths have the same answer."""

    def report(self) -> tuple[bool, str, str]:
        """The whole answer, as the module's docstring says."""
        dependencies = {"mysql": attempt(write_mysql), "redis": attempt(write_redis)}
        found = {
            "service": "backend",
            "version": service.VERSION,
            "ok": fault.FAULT != "unhealthy" and all(found["ok"] for found in dependencies.values()),
            "settings": {name: os.environ.get(name) for name in SHOWN},
            "dependencies": dependencies,
        }
        return bool(found["ok"]), "application/json", json.dumps(found, indent=1)


if __name__ == "__main__":
    service.serve("backend", 8080, Handler)
