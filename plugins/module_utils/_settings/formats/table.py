"""The formats of env files by name."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.base import Format
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.compose import Compose
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.portable import Portable
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.raw import Raw
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.systemd import Systemd

FORMATS: dict[str, Format] = {
    "compose": Compose(),
    "raw": Raw(),
    "systemd": Systemd(),
    "portable": Portable(),
}
