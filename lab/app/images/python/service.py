"""What the sample services have in common: two paths, 200 or 503, few words in the log, and an orderly end."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import abc
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fault

VERSION = os.environ["APP_VERSION"]


class Handler(BaseHTTPRequestHandler, abc.ABC):
    """Answers `/` and `/health`."""

    @abc.abstractmethod
    def report(self) -> tuple[bool, str, str]:
        """Whether all is well, the content's type, and the content."""

    def do_GET(self) -> None:
        """Answer the report, or 404."""
        if self.path not in ("/", "/health"):
            self.send_error(404)
            return
        ok, kind, text = self.report()
        body = text.encode()
        self.send_response(200 if ok else 503)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log what a person asked; the health check asks every few seconds."""
        if self.path != "/health":
            print(format % args, flush=True)


def serve(name: str, port: int, handler: type[Handler]) -> None:
    """Do what the image's fault wants, then serve until SIGTERM."""
    fault.begin(name)
    server = ThreadingHTTPServer(("", port), handler)
    # shutdown() waits for the loop, which this handler interrupts: hence the thread.
    signal.signal(signal.SIGTERM, lambda *_dummy: threading.Thread(target=server.shutdown).start())
    print(f"{name} {VERSION}: listening on {port}", flush=True)
    server.serve_forever()
