"""docs/numbers.md from docs/numbers/numbers.json: prose from the template beside this, every number from the results."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import jinja2
from ansible_collections.popcon.deploy.benchmarks import tables
from ansible_collections.popcon.deploy.benchmarks.ways import Json

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "numbers"
RESULTS = FOLDER / "numbers.json"
PAGE = ROOT / "docs" / "numbers.md"


def load() -> dict[str, Json]:
    """The results there are, by part."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(numbers: dict[str, Json]) -> None:
    """Keep the results, and write the page that shows them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(lines(numbers))
    PAGE.write_text(page(numbers))


def lines(numbers: dict[str, Json]) -> str:
    """The results as JSON, a line for each row, as that is what people compare."""
    parts = []
    for part, found in numbers.items():
        rows = ",\n".join(f"   {json.dumps(row)}" for row in found["rows"])
        about = json.dumps(found["about"])
        parts.append(f' {json.dumps(part)}: {{\n  "about": {about},\n  "rows": [\n{rows}\n  ]\n }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def page(numbers: dict[str, Json]) -> str:
    """The page, in Markdown."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("numbers.md.j2").render(numbers=numbers, tables=tables)
