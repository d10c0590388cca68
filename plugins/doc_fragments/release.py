# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that change a project; of PROJECT, those that say which it is, and of WHO, those for the record."""

    DOCUMENTATION = r"""
options:
  wait_seconds:
    description:
      - How long a service may take to become ready, and an HTTP check to succeed.
    type: int
    default: 300
  service_wait_seconds:
    description:
      - The same for single services, by name.
    type: dict
    default: {}
  log_lines:
    description:
      - How many of its last log lines are shown of a service that doesn't become ready. Values of settings are taken out.
    type: int
    default: 20
  keep_releases:
    description:
      - How many successful releases are kept to go back to. The images that only older ones name are removed from the host, as far as
        nothing uses them.
    type: int
    default: 5
  pull_seconds:
    description:
      - How long the pull of all images that are not on the host may take.
    type: int
    default: 900
  lock_wait_seconds:
    description:
      - How long to wait for the deploy lock while another run holds it.
    type: int
    default: 600
  run:
    description:
      - Name of this run. A task with the name of a run that was begun on the host before doesn't begin another one, and gives the
        result of that one.
      - By default a new name for each task.
    type: str
  attach_seconds:
    description:
      - How long one remote command follows the run before it is started again to follow on. What is done is done by a process of
        its own on the host, so it goes on when the connection, or the controller, does not.
      - By default half of what the C(aws_ssm) connection lets a command take, and at most a minute.
    type: int
"""

    PROJECT = r"""
options:
  project:
    description:
      - Name of the compose project.
    type: str
    required: true
  project_dir:
    description:
      - Folder of the project's files, such as a clone of its repository.
    type: path
    required: true
  env_file:
    description:
      - The file that C(${NAME}) in the compose files is filled from.
      - By default C(.env) beside the first compose file.
    type: path
  state_dir:
    description:
      - Folder of what is remembered of projects; readable to its owner only.
    type: path
    default: /var/lib/popcon/projects
"""

    WHO = r"""
options:
  by:
    description:
      - Who does it, for the record. By default the person or account that started the CI job, or the user at the controller.
    type: str
  started_from:
    description:
      - Where it is started from, for the record. By default the address of the CI job, or the name of the controller.
    type: str
"""
