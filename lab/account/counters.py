"""What the account counts, to know what a deployment costs."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Any

from .request import Call, Request

_REGISTRY_KIND = re.compile(r"/v2/.+/(manifests|blobs|tags)/")


class Counters:
    """Counts since the start or the last reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._s3: Counter[str] = Counter()
        self._registry: Counter[str] = Counter()
        self._lines = 0

    def count(self, call: Call, request: Request) -> None:
        """Count one authorized call."""
        with self._lock:
            self._calls[call.name] += 1
            if call.service == "s3":
                self._s3[request.method.lower()] += 1
                self._s3["uploaded_bytes"] += len(request.body)

    def typed(self, data: bytes) -> None:
        """Count the lines in what was typed into a session's shell: a line ends with Enter or, from a pipe, a line feed."""
        with self._lock:
            self._lines += data.count(b"\n") + data.count(b"\r")

    def registry(self, method: str, uri: str) -> None:
        """Count one request to the registry, whatever its answer."""
        kind = _REGISTRY_KIND.match(uri)
        with self._lock:
            self._registry[f"{method} {kind[1] if kind else 'other'}"] += 1

    def reset(self) -> None:
        """Back to zero."""
        with self._lock:
            for counter in (self._calls, self._s3, self._registry):
                counter.clear()
            self._lines = 0

    def report(self) -> dict[str, Any]:
        """The counts as ``/_lab/counters`` gives them."""
        with self._lock:
            return {
                "sessions": self._calls["ssm:StartSession"],
                "lines": self._lines,
                "api": dict(sorted(self._calls.items())),
                "s3": {name: self._s3[name] for name in ("put", "get", "delete", "head", "uploaded_bytes")},
                "registry": dict(sorted(self._registry.items())),
            }
