"""What the benchmarks do to hosts and repositories, as far as that goes without a lab."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("boto3", reason="no boto3")

from ansible_collections.popcon.deploy.benchmarks import growth, session, stage
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.tests.e2e.controller import ROOT


def test_commands_are_counted_from_lines():
    assert stage.commands(sessions=2, lines=2 * 4 + 3 * 12, by_ansible=True) == 12
    assert stage.commands(sessions=1, lines=1, by_ansible=False) == 1
    with pytest.raises(RuntimeError, match="20 lines in 1 sessions"):
        stage.commands(sessions=1, lines=20, by_ansible=True)


def test_services_come_and_go(tmp_path):
    file = tmp_path / "docker-compose.yml"
    shutil.copy(ROOT / "lab/app/gitops/docker-compose.yml", file)
    own = file.read_text()
    growth._add_services(file, range(4, 40))
    growth._add_services(file, range(4, 12))
    assert file.read_text().count("  added-") == 8
    growth._add_services(file, ())
    assert file.read_text() == own


@pytest.mark.parametrize("wanted", [1, 2, 12])
def test_releases_are_copied_and_forgotten(tmp_path, wanted):
    records = Records(str(tmp_path), "popcon")
    for _dummy in range(2):
        records.finish(records.begin({"action": "deploy", "commit": "c"}, b"A=1\n"), "good")
    releases = tmp_path / "popcon" / "releases"
    subprocess.run([sys.executable, "-c", growth._COPY, str(releases), str(wanted)], check=True)
    kept = records.all()
    assert len(kept) == wanted
    assert [record["number"] for record in kept] == list(range(kept[0]["number"], kept[0]["number"] + wanted))
    assert {record["commit"] for record in kept} == {"c"}
    assert (releases / str(kept[-1]["number"]) / "env").read_bytes() == b"A=1\n"


class Ssm:
    """What a session needs of a client."""

    class meta:
        region_name = "ap-northeast-2"
        endpoint_url = "http://account"

    def start_session(self, Target):
        return {"SessionId": "s", "StreamUrl": "u", "TokenValue": "t", "ResponseMetadata": {"HTTPStatusCode": 200}}


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_in_a_session(tmp_path, monkeypatch, capfd, status):
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text(
        "#!/bin/sh\n"
        f"printf '%s\\n' \"$1\" > {tmp_path}/ticket; printf '\\nStarting session with SessionId: s\\n$ '; exec sh\n"
    )
    plugin.chmod(0o755)
    monkeypatch.setenv("AWS_SESSION_MANAGER_PLUGIN", str(plugin))
    monkeypatch.setattr(session.boto3, "client", lambda service: Ssm())
    assert session.main("i-1", f"echo deployed; (exit {status})") == status
    assert "deployed\n" in capfd.readouterr().out
    assert json.loads((tmp_path / "ticket").read_text()) == {"SessionId": "s", "StreamUrl": "u", "TokenValue": "t"}
