# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: build_table
short_description: What was built, as lines of a table
version_added: 0.1.0
author:
  - popcon.deploy contributors (@popcon)
description:
  - Turns what the role P(popcon.deploy.image_build#role) did, or what P(popcon.deploy.image_build_info#module) says is to be done,
    into a table that people can read.
options:
  _input:
    description:
      - The images, as RV(popcon.deploy.image_build_info#module:images) has them.
    type: list
    elements: dict
    required: true
  planned:
    description:
      - Whether it is still to be done.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say what was built
  ansible.builtin.debug:
    msg: "{{ images | popcon.deploy.build_table }}"
  vars:
    images:
      - name: backend
        tag: backend-3f2a9c1b7d4e
        action: build
        digest: sha256:9c5f0c3b7a214f6e
        size: 187000000
"""

RETURN = r"""
_value:
  description: The lines of the table, headings first.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.popcon.deploy.plugins.plugin_utils._table import digest, table

HEADINGS = ("IMAGE", "TAG", "RESULT", "DIGEST", "SIZE")
DONE = {"build": "built", "tag": "tagged as latest", "none": "unchanged"}
PLANNED = {"build": "to be built", "tag": "to be tagged as latest", "none": "unchanged"}


def build_table(images: list[dict[str, t.Any]], planned: bool = False) -> list[str]:
    """The lines of the table; see DOCUMENTATION."""
    words = PLANNED if planned else DONE
    rows = [
        (image["name"], image["tag"], words[image["action"]], digest(image.get("digest") or ""), _megabytes(image))
        for image in images
    ]
    return table(HEADINGS, rows)


def _megabytes(image: dict[str, t.Any]) -> str:
    size = image.get("size")
    return "" if size is None else f"{size / 1e6:.1f} MB"


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"build_table": build_table}
