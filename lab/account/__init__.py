"""The lab's AWS account in one process: moto behind a thin front, the session gateway and an instance metadata service.

Run it with ``python -m lab.account``; ``__main__`` lists its environment variables.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
