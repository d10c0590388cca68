"""Whether the host can read the token for the repository."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._git.token import read_token
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look


def check(look: Look, _caller: object) -> None:
    """Find the token.

    :raises DeployError: it can't be read.
    """
    look.found.token = read_token(look.module, look.options["token_parameter"], look.ssm)
