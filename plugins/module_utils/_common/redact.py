"""Takes known secrets out of what other programs wrote."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import base64
import json
import typing as t
from urllib.parse import quote, quote_plus

MASK = "********"
# Taking out anything shorter would blot out the text, ports and all, and nobody's password is that short.
SHORTEST = 4


def redactor(secrets: t.Iterable[str]) -> t.Callable[[str], str]:
    """A function that puts `MASK` in the place of every secret in a text, as it is or as programs commonly write it.

    Those ways are: JSON and Python escapes, URL quoting, base64, doubled `$` (Compose), and each line of a longer value.
    """
    shapes = sorted(
        {shape for secret in secrets if len(secret) >= SHORTEST for shape in _shapes(secret)}, key=len, reverse=True
    )

    def redact(text: str) -> str:
        for shape in shapes:
            text = text.replace(shape, MASK)
        return text

    return redact


def _shapes(secret: str) -> t.Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield secret.replace("$", "$$")
    if "\n" in secret:
        yield from (line for line in secret.splitlines() if len(line.strip()) >= SHORTEST)
