"""Makes the picture in README from a real run: `make demo | tee demo.log`, then `picture.py demo.log > docs/deploy.svg`."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

WIDTH, LINE, SIZE = 110, 17, 13
COLOURS = {
    "changed:": "#d29922",
    "ok:": "#3fb950",
    "TASK": "#79c0ff",
    "PLAY": "#79c0ff",
    "i-": "#8b949e",
    "==>": "#ffffff",
}


def lines(log: str) -> list[str]:
    """The command, what is done in the host, and the table: without empty lines and what was skipped."""
    command = re.search(r"^==> (ansible-playbook .*)$", log, re.MULTILINE)
    begin = log.index("TASK [popcon.deploy.gitops_checkout : Bring")
    end = log.index("TASK [Fail where the deploy failed]")
    shown = [f"==> {command[1]}", "…"]
    # Ansible's own checks of a role's options are left out.
    tasks = [task for task in log[begin:end].split("\n\n") if "Validating arguments" not in task]
    shown += [line.rstrip("* ") for task in tasks for line in task.splitlines()]
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in shown]


def svg(shown: list[str]) -> str:
    """A terminal with these lines in it."""
    height = LINE * (len(shown) + 1)
    texts = []
    for number, line in enumerate(shown, 1):
        colour = next((colour for start, colour in COLOURS.items() if line.startswith(start)), "#c9d1d9")
        texts.append(f'<text x="12" y="{LINE * number}" fill="{colour}" xml:space="preserve">{escape(line)}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * 8} {height}" font-family="monospace" font-size="{SIZE}">',
        '<rect width="100%" height="100%" rx="6" fill="#0d1117"/>',
        *texts,
        "</svg>",
    ])  # fmt: skip


if __name__ == "__main__":
    print(svg(lines(Path(sys.argv[1]).read_text())))
