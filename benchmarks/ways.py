"""The names of the ways to deploy that are compared, and of the rows that the results are made of."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Sequence

Json = dict[str, t.Any]
Rows = Sequence[Json]

OURS, USUAL, SCRIPT = "popcon.deploy", "usual playbook", "deploy.sh"
WAYS = (OURS, USUAL, SCRIPT)
