"""What a service built to fail does at its start: APP_FAULT, baked into its image, is exit, crash, slow or unhealthy."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import sys
import threading
import time

FAULT = os.environ["APP_FAULT"]
#: Long enough for a health check each second to find the service well once.
CRASH_SECONDS = 2
SLOW_SECONDS = 20


def begin(service: str) -> None:
    """Do what the image's fault wants done before the service listens; `unhealthy` is the health page's business."""
    name = f"{service} {os.environ['APP_VERSION']}"
    if FAULT == "exit":
        sys.exit(f"{name}: this image was built to fail at its start")
    if FAULT == "crash":
        threading.Timer(CRASH_SECONDS, _crash, [name]).start()
    if FAULT == "slow":
        # Process 1 of a container has no default way to end.
        signal.signal(signal.SIGTERM, lambda *_dummy: sys.exit(0))
        print(f"{name}: this image was built to start slowly", flush=True)
        time.sleep(SLOW_SECONDS)


def _crash(name: str) -> None:
    print(f"{name}: this image was built to crash", file=sys.stderr, flush=True)
    os._exit(1)
