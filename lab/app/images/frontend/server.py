"""The sample frontend: a page that shows what the backend says.

Settings: BACKEND_URL by environment (`http://host:port`); APP_VERSION and APP_FAULT are baked into the image.
`GET /` answers HTML, `GET /health` JSON `{"service", "version", "ok", "backend"}`; both 200 when the backend says it
works, else 503. While the backend is being replaced, a visitor of `/` waits for the new one; `/health` says what is.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import html
import http.client
import json
import os
import time
import urllib.error
import urllib.request

import fault
import service

#: How long a visitor waits for a backend that does not answer, and the pause between two tries, in seconds.
PATIENCE, PAUSE = 30, 0.2
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Pop-Con</title>
<style>body {{ font: 1rem/1.5 system-ui; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}</style>
<h1>Pop-Con: {verdict}</h1>
<p>Frontend version {version}. The backend says:</p>
<pre>{backend}</pre>
"""


def ask_backend(patience: float) -> dict[str, object]:
    """The backend's report; `{"ok": False, "error": reason}` when it gives none for so many seconds."""
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(f"{os.environ['BACKEND_URL']}/health", timeout=4) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            # An unwell backend answers 503 with its report.
            try:
                return json.load(refusal)
            except ValueError:
                return {"ok": False, "error": f"HTTP {refusal.code}"}
        except (OSError, http.client.HTTPException, ValueError) as error:
            # Nobody listens, or it was stopped amid its answer: asking again does no harm.
            if time.monotonic() > end:
                return {"ok": False, "error": str(error)}
        time.sleep(PAUSE)


class Handler(service.Handler):
    """The page and the health check."""

    def report(self) -> tuple[bool, str, str]:
        """What the backend says, as the path wants it."""
        backend = ask_backend(PATIENCE if self.path == "/" else 0)
        ok = fault.FAULT != "unhealthy" and backend["ok"] is True
        if self.path == "/":
            page = PAGE.format(
                verdict="everything works" if ok else "something is wrong",
                version=html.escape(service.VERSION),
                backend=html.escape(json.dumps(backend, indent=2)),
            )
            return ok, "text/html; charset=utf-8", page
        found = {"service": "frontend", "version": service.VERSION, "ok": ok, "backend": backend}
        return ok, "application/json", json.dumps(found, indent=1)


if __name__ == "__main__":
    service.serve("frontend", 3000, Handler)
