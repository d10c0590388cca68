"""Compose's own JSON schema, which its program has in it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

_ID = b'"compose_spec.json"'
#: Bytes between the start of the schema and its id, at most; and those of the schema.
_HEAD, _SIZE = 400, 1 << 20


def compose_schema(program: Path) -> dict[str, Any]:
    """The schema of compose files that is embedded in a docker-compose program."""
    with program.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = -1
        while (at := content.find(_ID, at + 1)) >= 0:
            start = at
            while (start := content.rfind(b"{", max(0, at - _HEAD), start)) >= 0:
                try:
                    text = content[start : start + _SIZE].decode(errors="replace")
                    found, _end = json.JSONDecoder().raw_decode(text)
                except ValueError:
                    continue
                if "services" in found.get("properties", {}):
                    return dict(found)
    raise AssertionError(f"{program} has no compose schema in it")


def keys_of(schema: dict[str, Any], definition: str) -> set[str]:
    """The properties that a definition of the schema allows, those of what it is made of included."""
    definitions = schema.get("$defs") or schema["definitions"]
    found: set[str] = set()
    waiting = [definitions[definition]]
    while waiting:
        one = waiting.pop()
        if "$ref" in one:
            one = definitions[one["$ref"].rpartition("/")[2]]
        found |= set(one.get("properties", ()))
        waiting += one.get("allOf", ())
    return found
