"""Serves a registry, and has buildx, in the folder that it is started in; until it is told to end."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from pathlib import Path

from ansible_collections.popcon.deploy.tests.integration.builder import serve_builder

signal.signal(signal.SIGTERM, lambda *_signal: sys.exit())
folder = Path.cwd()
with serve_builder(folder) as builder:
    (folder / "builder.json").write_text(json.dumps(dataclasses.asdict(builder), default=str))
    signal.pause()
