"""An app's settings as one value, read and parsed once: the bytes of its env file, what they say, and where each key is from."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.types import Json
from ansible_collections.popcon.deploy.plugins.module_utils._settings.dotenv import (
    differing_keys,
    entries,
    parse_env,
    render,
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings, whose values no `repr` shows.

    `sources` has a row a key: key, source, name, path, version; empty where they were not rendered from parameters.
    """

    content: bytes = dataclasses.field(repr=False)
    values: t.Mapping[str, str] = dataclasses.field(repr=False)
    sources: t.Sequence[Json] = ()

    @classmethod
    def parse(cls, content: bytes, name: str, sources: t.Sequence[Json] = ()) -> Settings:
        """The settings that an env file holds.

        :param name: what to call the file in an error.
        :raises DeployError: a line that is none of an env file's.
        """
        return cls(content, parse_env(content, name), sources)

    def keeping(self, values: t.Mapping[str, str]) -> Settings:
        """The same settings with other values for some keys; the same bytes where the values are the same."""
        if all(self.values.get(key) == value for key, value in values.items()):
            return self
        merged = {**self.values, **values}
        return Settings(render(merged, "compose"), merged, self.sources)

    def differing(self, other: Settings) -> list[str]:
        """The keys that only one of them has, or that have another value there; sorted."""
        return differing_keys(self.values, other.values)

    def changes(self, before: Settings) -> dict[str, list[str]]:
        """The keys that are `added`, `removed` and `modified` since `before`, in the file's own spelling; sorted."""
        return key_changes(before.content, self.content)


NO_SETTINGS = Settings(b"", {})


def key_changes(before: bytes, after: bytes, file_format: str = "compose") -> dict[str, list[str]]:
    """The keys of an env file that are `added`, `removed` and `modified`, sorted."""
    old, new = entries(before, file_format), entries(after, file_format)
    return {
        "added": sorted(set(new) - set(old)),
        "removed": sorted(set(old) - set(new)),
        "modified": sorted(key for key in set(old) & set(new) if old[key] != new[key]),
    }
