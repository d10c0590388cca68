"""A value that nothing checks but the application itself: the roll-out is all there is to do."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._docker.exec import Exec
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.base import Options, Settings


class Plain:
    """Both values are taken for valid always."""

    required: t.ClassVar[frozenset[str]] = frozenset()
    optional: t.ClassVar[frozenset[str]] = frozenset()
    per_host: t.ClassVar[bool] = False
    tells: t.ClassVar[bool] = False

    def __init__(self, options: Options, settings: Settings, run: Exec) -> None:
        """Nothing of these is used."""

    def logs_in(self, value: str) -> bool:
        """True: there is nobody to ask."""
        return True

    def apply(self, current: str, pending: str) -> None:
        """Do nothing."""

    def retire(self, kept: str, gone: str) -> None:
        """Do nothing: what no container holds any more is gone."""
