"""The format `compose`: what compose reads, both as the project's `.env` and as a service's `env_file`.

The rules follow compose's source (`https://github.com/compose-spec/compose-go`, `dotenv/parser.go` and
`template/template.go`).
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.base import KEY, DoubleQuoted


class Compose(DoubleQuoted):
    """Values in double quotes, escaped for compose."""

    escapes: t.ClassVar[dict[int, str]] = str.maketrans({"\\": r"\\", '"': r"\"", "$": r"\$", "\n": r"\n", "\r": r"\r"})


_BETWEEN = re.compile(r"(?:\s+|#[^\n]*)*")
_STATEMENT = re.compile(rf"(?:export[ \t]+)?(?P<key>{KEY.pattern})[ \t]*(?:(?P<sign>[=:])|(?=[\r\n])|\Z)")
_BLANKS = re.compile(r"[ \t\v\f\r\x85\xa0]*")
_SINGLE = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_DOLLAR = re.compile(r"\$(?P<next>\$|[A-Za-z_{])")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "$": "$"}
_DOUBLE_PIECE = re.compile(r"\\(?P<octal>0[0-7]{0,3})|\\(?P<escaped>.)|(?P<plain>[^\\]+)", re.DOTALL)


class _Problem(Exception):
    """What is wrong with a value."""


_EXPANSION = "refers to a variable. Write it out, or in single quotes if the dollar sign is meant"


def parse_env(content: bytes, path: str) -> dict[str, str]:
    """The keys of an env file or of a contract (`.env.example`) with their values, or defaults.

    They are read as compose would read them, but for two things: a value that is only a comment (`KEY= # the password`)
    is empty, and a value may not refer to another variable.

    :param path: for the messages.
    :raises DeployError: a line that is no entry, or a value that refers to a variable; named by line and key, without
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
