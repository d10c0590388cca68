"""Health check of the sample services: `probe.py URL` exits 0 when the URL answers 200 within 4 seconds, else 1."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

try:
    urllib.request.urlopen(sys.argv[1], timeout=4).close()
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
