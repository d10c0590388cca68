"""What compose's output and models are taken to mean."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._docker import compose as _compose

# As Compose 2.26 wrote it for a changed setting of a, which b depends on.
DRY_RUN_2_26 = """\
 DRY-RUN MODE -  Container proj-a-1  Recreate
 DRY-RUN MODE -  Container proj-a-1  Recreated
 DRY-RUN MODE -  Container proj-b-1  Running
 DRY-RUN MODE -  Container proj-c-1  Create
 DRY-RUN MODE -  Container proj-c-1  Created
 DRY-RUN MODE -  Container efa9cddc2e39_proj-a-1  Starting
 DRY-RUN MODE -  Container efa9cddc2e39_proj-a-1  Started
 DRY-RUN MODE -  Container proj-c-1  Starting
 DRY-RUN MODE -  Container proj-c-1  Started
 DRY-RUN MODE -  Container proj-d-1  Starting
"""
# The same from Compose 5.6, which leaves the mark out and ends lines with a blank.
DRY_RUN_5_6 = DRY_RUN_2_26.replace(" DRY-RUN MODE - ", "").replace("\n", " \n")


@pytest.mark.parametrize("output", [DRY_RUN_2_26, DRY_RUN_5_6])
def test_what_a_dry_run_recreates(output):
    assert _compose.parse_recreated(output) == {"proj-a-1"}


RAW_MODEL = {
    "services": {
        "plain": {"environment": {"A": "${DB_PASSWORD}"}},
        "default": {"image": "${DB_PASSWORD:-x}/y"},
        "bare": {"command": ["sh", "-c", "$DB_PASSWORD"]},
        "longer": {"environment": {"A": "${DB_PASSWORD_FILE}", "B": "$DB_PASSWORDS"}},
        "escaped": {"environment": {"A": "$${DB_PASSWORD}"}},
        "whole": {"env_file": [{"path": "/srv/app/.env", "required": True}]},
        "other": {"env_file": ["/srv/app/other.env"]},
        "mounted": {"volumes": [{"type": "bind", "source": "/srv/app/.env"}, "${X}:/x"]},
        "secret": {"secrets": ["from_variable"]},
        "config": {"configs": [{"source": "from_content"}]},
        "no_secret": {"secrets": [{"source": "from_file"}]},
        "env_as_secret": {"secrets": [{"source": "whole"}]},
    },
    "secrets": {
        "from_variable": {"environment": "DB_PASSWORD"},
        "from_file": {"file": "/srv/app/DB_PASSWORD"},
        "whole": {"file": "/srv/app/.env"},
    },
    "configs": {"from_content": {"content": "password=${DB_PASSWORD}"}},
}


def test_services_using_a_key():
    assert _compose.services_using(RAW_MODEL, ["DB_PASSWORD"], "/srv/app/.env") == {
        "plain": ["DB_PASSWORD"],
        "default": ["DB_PASSWORD"],
        "bare": ["DB_PASSWORD"],
        "whole": ["DB_PASSWORD"],
        "mounted": ["DB_PASSWORD"],
        "secret": ["DB_PASSWORD"],
        "config": ["DB_PASSWORD"],
        "env_as_secret": ["DB_PASSWORD"],
    }


def override(folder, tree=None):
    model = {
        "services": {
            "web": {
                "image": "web:1",
                "volumes": [{"type": "bind", "source": f"{folder}/conf"}, {"type": "volume", "source": "data"}],
            },
            "db": {"image": "db:1", "volumes": [{"type": "bind", "source": "/etc/hosts"}]},
        }
    }
    return _compose.override_for(model, {"web": "web@sha256:1", "db": "db@sha256:2"}, str(folder), str(tree or folder))


def test_override_pins_images_and_labels_mounted_files_only(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("1")
    made = override(tmp_path)["services"]
    assert made["db"] == {"image": "db@sha256:2"}
    assert made["web"]["image"] == "web@sha256:1"
    assert list(made["web"]["labels"]) == [_compose.MOUNTS_LABEL]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda conf: (conf / "a").write_text("2"), True),
        (lambda conf: (conf / "a").chmod(0o755), True),
        (lambda conf: (conf / "a").rename(conf / "b"), True),
        (lambda conf: (conf / "new").write_text(""), True),
        (lambda conf: os.utime(conf / "a", (0, 0)), False),
        (lambda conf: (conf / ".env").write_text("SECRET=1"), False),
    ],
)
def test_override_changes_with_mounted_files(tmp_path, change, counts):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("1")
    before = override(tmp_path)
    change(tmp_path / "conf")
    assert (override(tmp_path) != before) is counts


def test_override_looks_at_the_wanted_tree(tmp_path):
    for name, content in (("now", "1"), ("wanted", "2")):
        (tmp_path / name / "conf").mkdir(parents=True)
        (tmp_path / name / "conf" / "a").write_text(content)
    assert override(tmp_path / "now", tmp_path / "wanted") != override(tmp_path / "now")
    (tmp_path / "wanted" / "conf" / "a").write_text("1")
    assert override(tmp_path / "now", tmp_path / "wanted") == override(tmp_path / "now")


CHAIN = {
    "services": {
        "web": {"depends_on": {"api": {}}},
        "api": {"depends_on": {"db": {}, "cache": {}}},
        "db": {},
        "cache": {},
    }
}


def test_dependency_order():
    assert _compose.in_dependency_order(CHAIN, ["web", "cache", "db"]) == ["db", "cache", "web"]


def test_dependencies_through_others():
    assert _compose.dependencies(CHAIN, "web") == {"api", "db", "cache"}
    assert _compose.dependencies(CHAIN, "db") == set()


def test_the_command_for_a_restart_of_the_host_has_composes_surroundings(tmp_path):
    made = _compose.Compose("proj", [f"{tmp_path}/prod/a.yml", f"{tmp_path}/b.yml"], f"{tmp_path}/.env", ["p"])
    (tmp_path / ".env").write_text("")
    command = made.up_command("/override")
    assert command[:2] == ["env", f"PWD={tmp_path}/prod"] and "COMPOSE_EXPERIMENTAL_GIT_REMOTE=false" in command
    options = f"--env-file {tmp_path}/.env --project-name proj --profile=p --file {tmp_path}/prod/a.yml --file {tmp_path}/b.yml"
    assert f"{options} --file /override up --detach" in " ".join(command)


def test_what_hangs_is_ended_and_said_so(tmp_path, monkeypatch):
    (tmp_path / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    compose = _compose.Compose("proj", [f"{tmp_path}/compose.yml"], "/dev/null")
    with pytest.raises(_compose.ComposeError) as error:
        compose.pull({}, ["web"], 1)
    assert error.value.output == "it did not end within 1 s: see what it waits for, or give it longer"
