"""Whether the host's clock is right enough for AWS to accept what it signs."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks.base import Look

# AWS refuses signatures that are more than five minutes off: "Troubleshoot Signature Version 4 signing" (IAM User Guide).
_LIMIT_SECONDS = 300
_DOUBT_SECONDS = 60


def check(look: Look, ahead: float) -> None:
    """Note a warning if the clock is a little off.

    :param ahead: seconds it is ahead of AWS's; behind, if negative.
    :raises DeployError: it is too far off.
    """
    if abs(ahead) <= _DOUBT_SECONDS:
        return
    off = f"The clock of this host is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} AWS's"
    cure = "Let it follow a time server (systemctl status chrony, or timedatectl set-ntp true)."
    if abs(ahead) > _LIMIT_SECONDS:
        raise DeployError(f"{off}, and from {_LIMIT_SECONDS} s on AWS refuses what it signs. {cure}")
    look.findings.warnings.append(f"{off}. {cure}")
