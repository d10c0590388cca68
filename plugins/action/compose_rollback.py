# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.popcon.deploy.plugins.plugin_utils._attached import AttachedAction


# Not a redirect to the action of compose_release: this module would get the defaults of that one's group, and fails on them.
class ActionModule(AttachedAction):
    """Calls the module until the release, which goes on by itself on the host, is done."""
