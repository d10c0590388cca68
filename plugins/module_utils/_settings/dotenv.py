"""Files of `KEY=value` that their readers read back exactly, or an error that names the keys they could not.

The rules follow the readers' sources and are tested against the readers themselves:
compose (`https://github.com/compose-spec/compose-go`, `dotenv/parser.go` and `template/template.go`), docker
(`https://github.com/docker/cli`, `pkg/kvfile`), systemd (`src/basic/env-file.c`), and sh, which executes the file.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError

HEADER = "# Written by popcon.deploy.ssm_env_render: edits are lost at the next run.\n"

# bufio.MaxScanTokenSize of Go, line feed included: docker refuses the whole file beyond it.
RAW_LINE_LIMIT = 64 * 1024

# systemd takes no Unicode noncharacter for UTF-8 (unichar_is_valid in src/basic/utf8.c) and then drops the whole file.
_NONCHARACTER = re.compile(
    "[\ufdd0-\ufdef"
    + "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)

# An odd run of backslashes before a single quote, or at the end: compose would take the last one as the escape of the
# quote.
_ODD_BACKSLASHES_AT_END = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")

# bash or dash set these themselves, refuse to have them set, or do not take them as a string: a value would be lost.
_SHELL_OWNED = re.compile(
    "BASHOPTS|BASHPID|BASH_(ALIASES|ARGC|ARGV0?|CMDS|LINENO|SOURCE|SUBSHELL|VERSINFO)|COMP_WORDBREAKS|DIRSTACK|"
    "EPOCHREALTIME|EPOCHSECONDS|EUID|FUNCNAME|GROUPS|HISTCMD|LINENO|OPTIND|PIPESTATUS|PPID|S?RANDOM|SECONDS|SHELLOPTS|"
    "SHLVL|UID|_"
)


def render(values: t.Mapping[str, str], format: str) -> bytes:
    """The whole file, keys sorted, ending in a line feed.

    :param values: keys (`[A-Za-z_][A-Za-z0-9_]*`, checked by the caller) and values.
    :param format: one of `FORMATS`.
    :raises DeployError: names every key whose value the format can't carry.
    """
    refusal, entry = FORMATS[format]
    reasons = {key: _unencodable(value) or refusal(key, value) for key, value in sorted(values.items())}
    refused = [f"{key} ({reason})" for key, reason in reasons.items() if reason]
    if refused:
        raise DeployError(f"The format {format} cannot carry the value of {', '.join(refused)}.")
    return (HEADER + "".join(entry(key, values[key]) for key in sorted(values))).encode()


def entries(content: bytes, format: str) -> dict[str, str]:
    """The keys of a file made by `render`, each with its text, to be compared with another file's of the same format.

    Of a file by another hand this finds what looks like an entry; it never fails.
    """
    text = content.decode("utf-8", "replace")
    return {found["key"]: found[0] for found in (_LINE if format == "raw" else _ENTRY).finditer(text)}


# Quoted values may span lines.
_ENTRY = re.compile(
    r"""^(?P<key>[A-Za-z_][A-Za-z0-9_]*)=(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\n]*)$""", re.MULTILINE | re.DOTALL
)
_LINE = re.compile(r"^(?P<key>[A-Za-z_][A-Za-z0-9_]*)=[^\n]*$", re.MULTILINE)


def _unencodable(value: str) -> str | None:
    if "\0" in value:
        return "it has a NUL, which no environment variable can hold"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return None


def _refuse_nothing(key: str, value: str) -> str | None:
    return None


def _compose_entry(key: str, value: str) -> str:
    return f'{key}="{value.translate(_COMPOSE_ESCAPES)}"\n'


_COMPOSE_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "$": r"\$", "\n": r"\n", "\r": r"\r"})


def _raw_refusal(key: str, value: str) -> str | None:
    if "\n" in value:
        return "it has a line feed"
    if value.endswith("\r"):
        return "it ends in a carriage return"
    if len(_raw_entry(key, value).encode()) > RAW_LINE_LIMIT:
        return f"its line is longer than {RAW_LINE_LIMIT} bytes"
    return None


def _raw_entry(key: str, value: str) -> str:
    return f"{key}={value}\n"


def _systemd_refusal(key: str, value: str) -> str | None:
    return "it has a Unicode noncharacter" if _NONCHARACTER.search(value) else None


def _systemd_entry(key: str, value: str) -> str:
    return f'{key}="{value.translate(_SYSTEMD_ESCAPES)}"\n'


_SYSTEMD_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "$": r"\$", "`": r"\`"})


def _portable_refusal(key: str, value: str) -> str | None:
    if _SHELL_OWNED.fullmatch(key):
        return "the shell keeps this name for itself"
    if "`" in value and not _fits_single_quotes(value):
        return "it has a backquote together with a single quote or a backslash at the end"
    return _systemd_refusal(key, value)


def _portable_entry(key: str, value: str) -> str:
    return f"{key}='{value}'\n" if _fits_single_quotes(value) else f'{key}="{value.translate(_PORTABLE_ESCAPES)}"\n'


_PORTABLE_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "$": r"\$"})


def _fits_single_quotes(value: str) -> bool:
    return "'" not in value and not _ODD_BACKSLASHES_AT_END.search(value)


# Of each format: why it can't carry a value (None if it can), and the entry of a key.
FORMATS: dict[str, tuple[t.Callable[[str, str], str | None], t.Callable[[str, str], str]]] = {
    "compose": (_refuse_nothing, _compose_entry),
    "raw": (_raw_refusal, _raw_entry),
    "systemd": (_systemd_refusal, _systemd_entry),
    "portable": (_portable_refusal, _portable_entry),
}


def differing_keys(recorded: t.Mapping[str, str], found: t.Mapping[str, str]) -> list[str]:
    """The keys that only one of them has, or that have another value there; sorted."""
    return sorted(key for key in {*recorded, *found} if recorded.get(key) != found.get(key))
