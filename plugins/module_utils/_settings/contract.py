"""The contract: the keys an app needs, as its `.env.example` lists them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import fnmatch
import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError

# Keys that steer compose, docker, the dynamic linker or a shell rather than the app. In an .env of compose the first
# two take effect without anybody exporting them.
STEERING = (
    "BASHOPTS",
    "BASH_ENV",
    "BUILDKIT_*",
    "BUILDX_*",
    "COMPOSE_*",
    "DOCKER_*",
    "IFS",
    "LD_*",
    "PATH",
    "SHELLOPTS",
)

_BETWEEN = re.compile(r"(?:\s+|#[^\n]*)*")
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_STATEMENT = re.compile(rf"(?:export[ \t]+)?(?P<key>{KEY.pattern})[ \t]*(?:(?P<sign>[=:])|(?=[\r\n])|\Z)")
_BLANKS = re.compile(r"[ \t\v\f\r\x85\xa0]*")
_SINGLE = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_DOLLAR = re.compile(r"\$(?P<next>\$|[A-Za-z_{])")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "$": "$"}
_DOUBLE_PIECE = re.compile(r"\\(?P<octal>0[0-7]{0,3})|\\(?P<escaped>.)|(?P<plain>[^\\]+)", re.DOTALL)


class _Problem(Exception):
    """What is wrong with a default."""


_EXPANSION = "refers to a variable. Write it out, or in single quotes if the dollar sign is meant"


def parse_contract(content: bytes, path: str) -> dict[str, str]:
    """The keys of an `.env.example` with their defaults; an empty default means that the key is required.

    The syntax is that of compose (see _dotenv), read as compose would, but for two things: a value that is only a
    comment (`KEY= # the password`) is empty, and a default may not refer to another variable.

    :param path: for the messages.
    :raises DeployError: a line that is no entry, or a default that refers to a variable; named by line and key, without
    the text.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise DeployError(f"{path} is not UTF-8.") from None
    keys: dict[str, str] = {}
    position = _after(_BETWEEN, text, 0)
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        found = _STATEMENT.match(text, position)
        if not found:
            raise DeployError(f"{path}, line {line}: not a comment, not KEY=default and not KEY.")
        position = found.end()
        value = ""
        if found["sign"]:
            try:
                value, position = _value(text, position)
            except _Problem as problem:
                raise DeployError(f"{path}, line {line}: the default of {found['key']} {problem}.") from None
        keys[found["key"]] = value
        position = _after(_BETWEEN, text, position)
    return keys


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _value(text: str, position: int) -> tuple[str, int]:
    """The value that starts here, and where it ends."""
    start = _after(_BLANKS, text, position)
    single, double = _SINGLE.match(text, start), _DOUBLE.match(text, start)
    if single:
        return single[1].replace(r"\'", "'"), single.end()
    if double:
        return "".join(map(_double_piece, _DOUBLE_PIECE.finditer(double[1]))), double.end()
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    raw = text[start:end]
    if raw.startswith(("'", '"')):
        raise _Problem("has no closing quote")
    if raw.startswith("#"):
        return "", end
    return _undollar(raw.partition(" #")[0].rstrip()), end


def _double_piece(piece: re.Match[str]) -> str:
    if piece["octal"]:
        return chr(int(piece["octal"], 8))
    if piece["escaped"]:
        return _ESCAPES.get(piece["escaped"], piece[0])
    return _undollar(piece["plain"])


def _undollar(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found["next"] != "$":
            raise _Problem(_EXPANSION)
        return "$"

    return _DOLLAR.sub(plain, text)


def apply_contract(values: t.Mapping[str, str], contract: t.Mapping[str, str]) -> dict[str, str]:
    """The values, completed by the contract's defaults.

    :raises DeployError: required keys that are missing or empty, all at once.
    """
    complete = {**{key: default for key, default in contract.items() if default}, **values}
    missing = sorted(key for key, default in contract.items() if not default and not complete.get(key))
    if missing:
        raise DeployError(f"Required by the contract, but missing or empty: {', '.join(missing)}.")
    return complete


def literals(extra: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Literal values of a task as text: numbers as written, booleans as `true` and `false`.

    :raises DeployError: keys that are no keys, and values that are lists, mappings or null.
    """
    wrong = sorted(
        str(key)
        for key, value in extra.items()
        if not KEY.fullmatch(str(key)) or not isinstance(value, (str, int, float))
    )
    if wrong:
        raise DeployError(f"In extra, not a valid key with a text, number or boolean: {', '.join(wrong)}.")
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in extra.items()}


def refuse_unknown(unknown: t.Sequence[str]) -> None:
    """:raises DeployError: there are keys that the contract doesn't list."""
    if unknown:
        raise DeployError(f"Not in the contract: {', '.join(unknown)}. Add them to it, or use exclude.")


def refuse_steering(keys: t.Iterable[str], allowed: t.Collection[str]) -> None:
    """:raises DeployError: keys that would steer the tools themselves and are not allowed by name."""
    steering = sorted(
        key for key in keys if key not in allowed and any(fnmatch.fnmatchcase(key, pattern) for pattern in STEERING)
    )
    if steering:
        raise DeployError(
            f"These keys would steer compose, docker or the shell instead of the app: {', '.join(steering)}. "
            "Use exclude or rename, or name them in allow_keys."
        )
