"""A Parameter Store in memory that can be late, refuse, and be killed between any two calls."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

from botocore.exceptions import ClientError


class Killed(BaseException):
    """What a kill -9 is to the code: nothing catches it, so nothing is cleaned up."""


class Clock:
    """Time that passes when somebody sleeps; calling it gives seconds since 1970."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Bomb:
    """Counts what is done to the world, and goes off before or after a thing: `Killed`, or any other exception."""

    def __init__(self) -> None:
        self.count = 0
        self.at: int | None = None
        self.error: BaseException = Killed()
        self.watch: t.Callable[[], None] = lambda: None

    def around(self, act: t.Callable[[], t.Any]) -> t.Any:
        """Do something, unless this goes off before it; it may go off right after it too."""
        self._tick()
        result = act()
        self.watch()
        self._tick()
        return result

    def _tick(self) -> None:
        if self.count == self.at:
            self.at = None
            raise self.error
        self.count += 1


class Store:
    """The calls of a boto3 SSM client that rotation needs.

    `late` is how many reads of a parameter still give what was there before the last write of it, and `before_put` is called with
    the name before each write.
    """

    def __init__(self, values: t.Mapping[str, str], bomb: Bomb | None = None) -> None:
        self.versions: dict[str, list[dict[str, t.Any]]] = {}
        self.bomb = bomb or Bomb()
        self.late = 0
        self.busy = 0
        self.before_put: t.Callable[[str], None] = lambda _name: None
        self.keys: dict[str, str | None] = {}
        self.meta = types.SimpleNamespace(region_name="ap-northeast-2")
        self._stale: dict[str, tuple[int, int]] = {}
        for name, value in values.items():
            self.put(name, value, "SecureString")

    def put(self, name: str, value: str, kind: str = "String") -> int:
        """What somebody else writes."""
        versions = self.versions.setdefault(name, [])
        self._stale[name] = (self.late, len(versions))
        versions.append({"Name": name, "Value": value, "Version": len(versions) + 1, "Type": kind})
        return len(versions)

    def value(self, name: str) -> str | None:
        """The newest value."""
        return self.versions[name][-1]["Value"] if self.versions.get(name) else None

    def get_parameters(self, *, Names: list[str], WithDecryption: bool) -> dict[str, t.Any]:
        assert WithDecryption
        assert len(Names) <= 10
        found = self.bomb.around(lambda: [self._get(name) for name in Names])
        invalid = [name for name, parameter in zip(Names, found) if parameter is None]
        return {"Parameters": [parameter for parameter in found if parameter], "InvalidParameters": invalid}

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool, KeyId: str | None = None) -> t.Any:
        self.before_put(Name)
        if self.busy:
            self.busy -= 1
            raise refusal("TooManyUpdates")
        if self.versions.get(Name):
            if not Overwrite:
                raise refusal("ParameterAlreadyExists")
            assert self.versions[Name][-1]["Type"] == Type
        self.keys[Name] = KeyId
        return {"Version": self.bomb.around(lambda: self.put(Name, Value, Type))}

    def delete_parameter(self, *, Name: str) -> None:
        if not self.versions.get(Name):
            raise refusal("ParameterNotFound")
        self.bomb.around(lambda: self.versions.pop(Name))

    def _get(self, name: str) -> dict[str, t.Any] | None:
        name, _dummy, selector = name.partition(":")
        versions = self.versions.get(name, [])
        if selector:
            return next((found for found in versions if found["Version"] == int(selector)), None)
        left, shown = self._stale.get(name, (0, 0))
        if left:
            self._stale[name] = (left - 1, shown)
            versions = versions[:shown]
        return versions[-1] if versions else None


def refusal(code: str) -> ClientError:
    """What boto3 raises when AWS refuses; its text has what no message may have."""
    return ClientError({"Error": {"Code": code, "Message": "hunter2"}}, "any")
