"""The format `portable`: what compose, systemd and sh, which executes the file, all read the same."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.systemd import Systemd

# An odd run of backslashes before a single quote, or at the end: compose would take the last one as the escape of the
# quote.
_ODD_BACKSLASHES_AT_END = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")

# bash or dash set these themselves, refuse to have them set, or do not take them as a string: a value would be lost.
_SHELL_OWNED = re.compile(
    "BASHOPTS|BASHPID|BASH_(ALIASES|ARGC|ARGV0?|CMDS|LINENO|SOURCE|SUBSHELL|VERSINFO)|COMP_WORDBREAKS|DIRSTACK|"
    "EPOCHREALTIME|EPOCHSECONDS|EUID|FUNCNAME|GROUPS|HISTCMD|LINENO|OPTIND|PIPESTATUS|PPID|S?RANDOM|SECONDS|SHELLOPTS|"
    "SHLVL|UID|_"
)


class Portable(Systemd):
    """Values in single quotes where these can hold them, else in double quotes."""

    # refusal() leaves no backquote to a value in double quotes.
    escapes: t.ClassVar[dict[int, str]] = str.maketrans({"\\": r"\\", '"': r"\"", "$": r"\$"})

    def refusal(self, key: str, value: str) -> str | None:
        """What systemd refuses, what no quotes can hold for all readers, and keys of the shell's own."""
        if _SHELL_OWNED.fullmatch(key):
            return "the shell keeps this name for itself"
        if "`" in value and not _fits_single_quotes(value):
            return "it has a backquote together with a single quote or a backslash at the end"
        return super().refusal(key, value)

    def entry(self, key: str, value: str) -> str:
        """One entry, quoted as its value allows."""
        return f"{key}='{value}'\n" if _fits_single_quotes(value) else super().entry(key, value)


def _fits_single_quotes(value: str) -> bool:
    return "'" not in value and not _ODD_BACKSLASHES_AT_END.search(value)
