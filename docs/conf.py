"""How scripts/docs builds the site: these guides, and below reference/ what plugins and roles say of themselves."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "popcon.deploy"
author = "popcon.deploy contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "index"
myst_heading_anchors = 3
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_theme_options = {
    "documentation_home_url": "index.html",
    "topbar_links": {},
    "vcs_pageview_mode": "",
}
REPOSITORY = "https://github.com/popcon/popcon.deploy/blob/main/"

#: What the reference refers to in Ansible's own documentation.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_collections.amazon.aws.aws_ssm_connection": "collections/amazon/aws/aws_ssm_connection.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def _link_ansible(_app: Sphinx, _env: Any, node: nodes.Element, text: nodes.Element) -> nodes.reference | None:
    page = PAGES.get(node["reftarget"].split("__")[0])
    return nodes.reference("", "", text, internal=False, refuri=ANSIBLE + page) if page else None


def _link_the_repository(_app: Sphinx, _name: str, source: list[str]) -> None:
    """A guide links files of the repository by their relative paths, which aren't on the site."""
    source[0] = re.sub(r"\]\(\.\./", f"]({REPOSITORY}", source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", _link_ansible)
    app.connect("source-read", _link_the_repository)
