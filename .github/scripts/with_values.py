"""Runs a command with the environment variables that the JSON object in VALUES names: `with_values.py COMMAND...`.

A workflow that is called can't know the names of its caller's secrets. They go from environment to environment, and are on no
command line and in no file.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import sys


def values_of(text: str) -> dict[str, str]:
    """The variables.

    :raises SystemExit: they are not what they must be; the text tells no value.
    """
    try:
        values = json.loads(text or "{}")
    except ValueError:
        sys.exit("The secret `values` is not JSON: give an object, with toJSON() around each value.")
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        sys.exit("The secret `values` is not a JSON object of texts.")
    return values


def main(command: list[str]) -> None:
    """Become the command."""
    values = values_of(os.environ.pop("VALUES", ""))
    os.execvpe(command[0], command, {**os.environ, **values})


if __name__ == "__main__":
    main(sys.argv[1:])
