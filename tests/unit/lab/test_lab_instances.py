"""An account that begins empty: what is done for its instances, and what a container is made like."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("moto", reason="the account stands on moto: pip install -r lab/account/requirements.txt")

from lab.account import engine
from lab.account.backends import Instance
from lab.account.instances import steps

MODEL = {
    "Config": {"Hostname": "0123", "Image": "popcon-lab/host", "Labels": {"com.docker.compose.project": "popcon-lab"}},
    "HostConfig": {"CapAdd": ["CAP_SYS_ADMIN"], "NetworkMode": "popcon-lab-imds"},
    "NetworkSettings": {"Networks": {"popcon-lab": {}, "popcon-lab-imds": {}}},
}


def instance(state: str) -> Instance:
    return Instance("i-1", "10.213.77.68", state, None, {}, "ami-1", "t3.medium", "ap-northeast-2a")


@pytest.mark.parametrize(
    ("state", "container", "expected"),
    [
        ("running", None, [("make", "i-1")]),
        ("running", ("c", False), [("start", "c")]),
        ("running", ("c", True), []),
        ("stopped", ("c", True), [("stop", "c")]),
        ("stopped", ("c", False), []),
        ("terminated", ("c", True), [("stop", "c"), ("remove", "c")]),
        ("terminated", ("c", False), [("remove", "c")]),
        ("terminated", None, []),
        (None, ("c", True), [("stop", "c"), ("remove", "c")]),
    ],
)
def test_a_container_follows_its_instance(
    state: str | None, container: tuple[str, bool] | None, expected: list[tuple[str, str]]
) -> None:
    instances = [instance(state)] if state else []
    assert list(steps(instances, {"i-1": container} if container else {})) == expected


def test_a_container_is_made_like_the_model_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, Any]] = []

    def call(method: str, path: str, body: Any = None) -> Any:
        calls.append((method, path, body))
        return MODEL if method == "GET" else {"Id": "new"}

    monkeypatch.setattr(engine, "call", call)
    engine.make_like("popcon-lab-host-1", "i-1", "popcon-lab", "10.213.77.68")
    (_get, _model, _none), (_post, create, body), connect = calls
    assert create == "/containers/create?name=popcon-lab-i-1"
    assert body == {
        "Image": "popcon-lab/host",
        "HostConfig": {"CapAdd": ["CAP_SYS_ADMIN"], "NetworkMode": "popcon-lab"},
        "Labels": {
            "com.docker.compose.project": "popcon-lab", "com.docker.compose.oneoff": "True", "popcon.lab.instance": "i-1",
        },
        "NetworkingConfig": {"EndpointsConfig": {"popcon-lab": {"IPAMConfig": {"IPv4Address": "10.213.77.68"}}}},
    }  # fmt: skip
    assert connect == ("POST", "/networks/popcon-lab-imds/connect", {"Container": "new"})
