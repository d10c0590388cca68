"""The instance metadata service: version 2 only, each caller its own instance, a hop limit of 1."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.popcon.deploy.tests.unit.lab.local_account import ACCOUNT, HOST_ADDRESS, REGION, Account, allow

LIFE = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
ROLE = "meta-data/iam/security-credentials/popcon-lab-host"


class Service:
    """The service on a free port of this machine, which is the caller's address too."""

    def __init__(self, account: Account, port: int) -> None:
        self.account = account
        self.port = port

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, str]:
        """Status and text of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def token(self, life: str = "60") -> str:
        """A session token."""
        status, token = self.ask("PUT", "/latest/api/token", **{LIFE: life})
        assert status == 200
        return token

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        """Something below /latest/."""
        return self.ask("GET", f"/latest/{path}", **{TOKEN: token or self.token()})


@pytest.fixture
def service(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    from lab.account import engine, imds

    account.instance(HOST_ADDRESS, allow("ssm:DescribeParameters"))
    # A container has an address in each of its networks.
    account.containers |= {HOST_ADDRESS: "container", "127.0.0.1": "container"}
    monkeypatch.setattr(engine, "hosts", lambda: account.containers)
    server = imds.serve(account.metadata, account.backends, ("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    assert server.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 1
    yield Service(account, server.server_address[1])
    server.shutdown()
    server.server_close()


def test_nothing_without_a_token(service: Service) -> None:
    assert service.ask("GET", "/latest/meta-data/instance-id") == (401, "")
    assert service.get("meta-data/instance-id", "made-up") == (401, "")


@pytest.mark.parametrize("life", ["", "0", "21601", "-1", "soon"])
def test_a_token_needs_a_life(service: Service, life: str) -> None:
    assert service.ask("PUT", "/latest/api/token", **({LIFE: life} if life else {})) == (400, "")


def test_a_token_does_not_outlive_it(service: Service) -> None:
    token = service.token("10")
    assert service.get("meta-data/instance-id", token)[0] == 200
    service.account.later = 11
    assert service.get("meta-data/instance-id", token) == (401, "")


def test_forwarded_requests_get_no_token(service: Service) -> None:
    headers = {LIFE: "60", "X-Forwarded-For": "10.0.0.1"}
    assert service.ask("PUT", "/latest/api/token", **headers) == (403, "")


def test_metadata(service: Service) -> None:
    instance = service.account.backends.instances()[0]
    assert service.get("meta-data/instance-id") == (200, instance.id)
    assert service.get("meta-data/placement/region") == (200, REGION)
    assert service.get("meta-data/iam/security-credentials/") == (200, "popcon-lab-host")
    assert service.get("meta-data/placement/") == (200, "availability-zone\nregion")
    assert "iam/\ninstance-id" in service.get("meta-data/")[1]
    document = json.loads(service.get("dynamic/instance-identity/document")[1])
    assert (document["instanceId"], document["accountId"], document["region"]) == (instance.id, ACCOUNT, REGION)
    assert service.get("meta-data/nothing") == (404, "")
    assert service.get("user-data") == (404, "")
    assert service.ask("PUT", "/latest/meta-data/instance-id", **{LIFE: "60"}) == (404, "")


def test_credentials_work_and_are_renewed(service: Service) -> None:
    first = json.loads(service.get(ROLE)[1])
    assert first["AccessKeyId"].startswith("ASIA")
    keys = (first["AccessKeyId"], first["SecretAccessKey"], first["Token"])
    assert service.account.call(keys, "ssm:DescribeParameters").status == 200
    assert json.loads(service.get(ROLE)[1]) == first
    service.account.later = 1801
    second = json.loads(service.get(ROLE)[1])
    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert second["Expiration"] > first["Expiration"]


def test_an_instance_without_a_role(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    (instance,) = service.account.backends.instances()
    alone = dataclasses.replace(instance, role=None)
    monkeypatch.setattr(service.account.backends, "instances", lambda: [alone])
    assert service.get("meta-data/iam/security-credentials/")[0] == 404


def test_strangers_get_nothing(service: Service) -> None:
    token = service.token()
    del service.account.containers["127.0.0.1"]
    assert service.get("meta-data/instance-id", token) == (404, "")
    assert service.ask("PUT", "/latest/api/token", **{LIFE: "60"}) == (404, "")
