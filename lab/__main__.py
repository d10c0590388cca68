"""The lab's command line: `python -m lab up | down | status | app | push | set`."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from .config import APPS_PATH, LAB, PARAMETER_PATH
from .console import LabError

try:
    from . import apps, images, seed, stack
except ModuleNotFoundError as error:
    sys.exit(f"lab: {error.name} is not installed for {sys.executable}; run: make setup, then .venv/bin/python -m lab")


def _up(arguments: argparse.Namespace) -> int:
    stack.up(arguments.hosts, empty=arguments.empty)
    return 0


def _down(arguments: argparse.Namespace) -> int:
    stack.down(arguments.images)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    found = stack.status()
    if arguments.json:
        print(json.dumps(found, indent=1))
    elif found["services"]:
        _print_status(found)
    else:
        print("No lab here. To start one: python -m lab up")
    return 0 if found["up"] else 1


def _push(arguments: argparse.Namespace) -> int:
    images.push_version(arguments.service, arguments.version, arguments.fault, arguments.ballast)
    return 0


def _app(arguments: argparse.Namespace) -> int:
    apps.put(apps.app_of(arguments.folder, arguments.branch, arguments.file))
    return 0


def _set(arguments: argparse.Namespace) -> int:
    path = f"{APPS_PATH}/{arguments.app}" if arguments.app else PARAMETER_PATH
    seed.set_parameter(*arguments.assignment, path)
    return 0


def _print_status(found: dict[str, Any]) -> None:
    rows: list[tuple[str, ...]] = [("SERVICE", "CONTAINER", "STATE")]
    rows += [(service["service"], service["name"], service["detail"]) for service in found["services"]]
    _print_table(rows)
    print()
    rows = [("INSTANCE", "NAME", "CONTAINER", "ADDRESS", "STATE")]
    rows += [tuple(host[key] for key in ("id", "name", "container", "address", "state")) for host in found["hosts"]]
    _print_table(rows)
    print()
    _print_table(list(found["urls"].items()))


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return number


def _assignment(text: str) -> list[str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as JAVA_OPTS=-Xmx256m")
    return [name, value]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="An AWS account on one machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="build, start and fill the lab; what is there already stays")
    what = up.add_mutually_exclusive_group()
    what.add_argument(
        "--hosts", type=_number(1, 20), metavar="N", help="EC2 stand-ins, 1 to 20 (default: as before, or 1)"
    )
    nothing = "leave the account empty: instances that are run in it become hosts"
    what.add_argument("--empty", action="store_true", help=nothing)
    up.set_defaults(command=_up, changes=True)
    down = commands.add_parser("down", help="remove the lab from this machine")
    down.add_argument("--images", action="store_true", help="its images too")
    down.set_defaults(command=_down, changes=True)
    status = commands.add_parser("status", help="show what runs; status 1 unless the lab is up")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(command=_status, changes=False)
    push = commands.add_parser("push", help="build another version of a sample image and push it under its usual tag")
    push.add_argument("service", choices=("frontend", "backend"))
    push.add_argument("--version", default="1", help="what its health page shows (default: 1)")
    faults = "; ".join(f"{fault}: {what}" for fault, what in images.FAULTS.items())
    push.add_argument("--fault", choices=tuple(images.FAULTS), default="none", help=faults)
    ballast = "make it bigger by so many megabytes (default: 0)"
    push.add_argument("--ballast", type=_number(0, 1000), default=0, metavar="MB", help=ballast)
    push.set_defaults(command=_push, changes=True)
    app = commands.add_parser(
        "app", help="put an app of your own into the lab, or what changed of it, and say how to deploy it"
    )
    app.add_argument("folder", metavar="FOLDER", help="what is to be the root of its repository, in git already or not")
    branch = "its branch in the lab, and the name of its project (default: the folder's name)"
    app.add_argument("--branch", metavar="B", help=branch)
    file = "a compose file, relative to FOLDER; can be given again (default: as compose finds it)"
    app.add_argument("--file", action="append", default=[], metavar="FILE", help=file)
    app.set_defaults(command=_app, changes=True)
    set_ = commands.add_parser("set", help="change a parameter of the application, as its owner would")
    # One word: a value such as -Xmx256m by itself would be taken for an option.
    set_.add_argument("assignment", type=_assignment, metavar="NAME=VALUE", help="NAME is below the application's path")
    set_.add_argument("--app", metavar="NAME", help="of an app that the command app put there (default: the lab's own)")
    set_.set_defaults(command=_set, changes=True)
    return parser


def main() -> int:
    """Run one command: its exit status, 1 after one line on stderr when it failed."""
    arguments = _parser().parse_args()
    try:
        # Two commands at once would undo each other's work; the lock ends with this process.
        with open(LAB / "compose.yml") as lock:
            if arguments.changes:
                fcntl.flock(lock, fcntl.LOCK_EX)
            command: Callable[[argparse.Namespace], int] = arguments.command
            return command(arguments)
    except LabError as error:
        # One line, whatever a program or a service said.
        print(f"lab: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, `head` say, has seen enough; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
