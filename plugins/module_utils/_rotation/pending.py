"""What a rotation keeps in Parameter Store: pending values beside the path that deploys read, and the lock.

A pending value is one SecureString that holds the value together with what is to be known of it, as JSON: so both are written at
once, and can be read without ssm:DescribeParameters and ssm:GetParameterHistory.

Parameter Store doesn't promise that a read sees an earlier write. So every write waits until a read shows its version, and
what must happen only once rests on Overwrite=False or on the number of the version that a write made.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.aws import aws_errors_in_words
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.text import json_object
from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Parameter

# How long a write may take to be seen, far longer than was ever reported.
SETTLE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
# Tries of a write that meets another one of the same parameter.
_TRIES = 5


@dataclasses.dataclass(frozen=True)
class PendingValue:
    """A value that is to replace version `base` of a parameter, or with `revert` is to go again; who began it, and when."""

    value: str = dataclasses.field(repr=False)
    base: int
    revert: bool
    by: str
    run: str
    since: str


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who rotates: the person, from where, and the name of the run."""

    by: str
    started_from: str
    run: str


def pending_path(paths: list[str], wanted: str | None) -> str:
    """The path for pending values.

    :raises DeployError: deploys would read what is there, or it is no path.
    """
    path = (wanted or f"{paths[-1].rstrip('/')}-rotation").rstrip("/")
    if not path.startswith("/"):
        raise DeployError(f"{path!r} is not a parameter path: it must start with a slash.")
    for read in paths:
        if f"{path}/".startswith(f"{read.rstrip('/')}/"):
            raise DeployError(
                f"Deploys would read the pending values, as {path} is below {read}. Give pending_path another place."
            )
    return path


class PendingValues:
    """The pending values and the lock below a path, and the parameters they are for.

    :param client: a boto3 SSM client, with retries configured.
    :param path: a hierarchy that deploys don't read, such as `/popcon-rotation`.
    :param key_id: the KMS key for every SecureString written; None for the account's default.
    :param clock: seconds since 1970, and `sleep` waits for seconds.
    :raises DeployError: from every method, whatever AWS refuses.
    """

    def __init__(
        self,
        client: t.Any,
        path: str,
        key_id: str | None = None,
        clock: t.Callable[[], float] = time.time,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._path = path.rstrip("/")
        self._key_id = key_id
        self._clock = clock
        self._sleep = sleep
        self._lock = f"{self._path}/lock"

    def look(self, parameter: Parameter, key: str) -> tuple[Parameter, PendingValue | None]:
        """The newest version of a parameter, and the pending value for the key it makes.

        :raises DeployError: the parameter is gone, or what is in the pending value's place is none.
        """
        name = self._name(key)
        found = self._read(parameter.name, name)
        if parameter.name not in found:
            raise DeployError(f"The parameter {parameter.name} is gone: somebody deleted it. Make it again.")
        now = found[parameter.name]
        newest = dataclasses.replace(parameter, version=now["Version"], value=now["Value"])
        return newest, _pending_value(name, found[name]["Value"]) if name in found else None

    def create(self, key: str, value: str, base: int, holder: Holder) -> None:
        """Store a pending value, unless there is one: the one that is there stays."""
        pending = PendingValue(value, base, False, holder.by, holder.run, self._time(0))
        self._put(self._name(key), _json(pending), "SecureString", overwrite=False)

    def mark(self, key: str, pending: PendingValue) -> None:
        """Note that a pending value is to be taken back, whatever happens."""
        self._put(self._name(key), _json(dataclasses.replace(pending, revert=True)), "SecureString")

    def drop(self, key: str) -> None:
        """Delete a pending value; one that is gone is fine."""
        from botocore.exceptions import ClientError

        with aws_errors_in_words(f"delete {self._name(key)}", "ssm:DeleteParameter", self._client.meta.region_name):
            try:
                self._client.delete_parameter(Name=self._name(key))
            except ClientError as exc:
                if exc.response["Error"]["Code"] != "ParameterNotFound":
                    raise

    def replace(self, parameter: Parameter, value: str) -> None:
        """Give a parameter a new value, and return when a plain read shows it.

        :param parameter: as it was read last.
        :raises DeployError: it has another version by now.
        """
        now = self._read(parameter.name).get(parameter.name)
        if now is None or now["Version"] != parameter.version:
            raise DeployError(f"Somebody else changed {parameter.name} at this moment. Run again to see what to do.")
        self._put(parameter.name, value, now["Type"])

    def lock(self, holder: Holder, seconds: int) -> None:
        """Take the lock for some time, or for longer if this run has it.

        The parameter stays for good, since its version tells who of several was first: a lock that is free or over is taken
        by whoever writes the version that follows.

        :raises DeployError: somebody else has it; the text says who and until when.
        """
        wanted = json.dumps({**dataclasses.asdict(holder), "expires": self._time(seconds)})
        found = self._read(self._lock).get(self._lock)
        if found is None:
            if self._put(self._lock, wanted, "String", overwrite=False) is not None:
                return
            found = self._read(self._lock)[self._lock]
        lock = _lock(self._lock, found["Value"])
        if lock["run"] != holder.run and lock["expires"] is not None and lock["expires"] > self._time(0):
            raise _held(lock)
        follower = found["Version"] + 1
        if self._put(self._lock, wanted, "String") == follower:
            return
        first = self._read(f"{self._lock}:{follower}")[self._lock]["Value"]
        lock = _lock(self._lock, first)
        # This very run, if botocore repeated the write because its answer got lost.
        if lock["run"] != holder.run:
            self._put(self._lock, first, "String")
            raise _held(lock)

    def unlock(self, run: str) -> None:
        """Give the lock back, if this run has it."""
        found = self._read(self._lock).get(self._lock)
        if found is None:
            return
        lock = _lock(self._lock, found["Value"])
        if lock["run"] == run and lock["expires"] is not None:
            self._put(self._lock, json.dumps({**lock, "expires": None}), "String")

    def _name(self, key: str) -> str:
        return f"{self._path}/{key}"

    def _time(self, ahead: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock() + ahead))

    def _read(self, *names: str) -> dict[str, Json]:
        """What is there of some parameters, by name without selector."""
        what = " and ".join(names)
        with aws_errors_in_words(f"read {what}", "ssm:GetParameters", self._client.meta.region_name):
            reply = self._client.get_parameters(Names=list(names), WithDecryption=True)
        return {found["Name"]: found for found in reply["Parameters"]}

    def _put(self, name: str, value: str, kind: str, overwrite: bool = True) -> int | None:
        """Write a parameter and return its version once a read shows it, or None if it is there and not to be overwritten."""
        from botocore.exceptions import ClientError

        key = {"KeyId": self._key_id} if self._key_id and kind == "SecureString" else {}
        with aws_errors_in_words(f"write {name}", "ssm:PutParameter", self._client.meta.region_name):
            for last in range(1, _TRIES + 1):
                try:
                    reply = self._client.put_parameter(Name=name, Value=value, Type=kind, Overwrite=overwrite, **key)
                    break
                except ClientError as exc:
                    code = exc.response["Error"]["Code"]
                    if code == "ParameterAlreadyExists" and not overwrite:
                        # By somebody else, or by this very write: botocore repeats one whose answer got lost.
                        self._settle(name, 1)
                        return None
                    if code != "TooManyUpdates" or last == _TRIES:
                        raise
                self._sleep(_LOOK_SECONDS)
        version = t.cast(int, reply["Version"])
        self._settle(name, version)
        return version

    def _settle(self, name: str, version: int) -> None:
        for _look in range(int(SETTLE_SECONDS / _LOOK_SECONDS)):
            found = self._read(name).get(name)
            if found and found["Version"] >= version:
                return
            self._sleep(_LOOK_SECONDS)
        raise DeployError(
            f"{name} was written, but is not read as version {version} after {SETTLE_SECONDS:.0f} s. Run again."
        )


def _json(pending: PendingValue) -> str:
    return json.dumps(dataclasses.asdict(pending))


def _pending_value(name: str, text: str) -> PendingValue:
    try:
        return PendingValue(**t.cast(Json, json_object(text.encode())))
    except TypeError:
        raise DeployError(
            f"{name} is no pending value of a rotation. Move it elsewhere: this path is for rotations."
        ) from None


def _lock(name: str, text: str) -> Json:
    # Earlier versions wrote `origin`.
    lock = {
        "started_from" if key == "origin" else key: value for key, value in (json_object(text.encode()) or {}).items()
    }
    if not {"by", "started_from", "run", "expires"} <= lock.keys():
        raise DeployError(f"{name} is no lock of a rotation. Move it elsewhere: this path is for rotations.")
    return lock


def _held(lock: Json) -> DeployError:
    until = f", until {lock['expires']} at the latest" if lock["expires"] else ""
    return DeployError(
        f"{lock['by']} ({lock['started_from']}) is rotating secrets{until}. Run again when that is done; if that run was killed, "
        f"resume it under its name: -e secret_rotation_run={lock['run']}"
    )
