"""Fixtures of the lab's unit tests: an account without Docker, its clock and its containers made up."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.popcon.deploy.tests.unit.lab.local_account import (
    ACCOUNT,
    ADMIN,
    REGION,
    REGISTRY,
    Account,
    LocalShell,
    Running,
)


@pytest.fixture
def running() -> Iterator[Running]:
    """A gateway on a free port of this machine whose shells are local ones."""
    pytest.importorskip("websockets")
    from lab.account.gateway import Gateway

    shells: list[LocalShell] = []
    typed: list[bytes] = []

    async def start_shell(container: str) -> LocalShell:
        shells.append(LocalShell())
        return shells[-1]

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    gateway = Gateway("", start_shell, typed=typed.append)
    server = asyncio.run_coroutine_threadsafe(gateway.serve("127.0.0.1", 0), loop).result()
    gateway._url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield Running(gateway, loop, shells, typed)
    asyncio.run_coroutine_threadsafe(gateway.close(), loop).result(10)
    server.close()
    loop.call_soon_threadsafe(loop.stop)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, running: Running) -> Iterator[Account]:
    """A new account for one test."""
    pytest.importorskip("moto", reason="the account stands on moto: pip install -r lab/account/requirements.txt")
    pytest.importorskip("flask_cors")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)
    from moto.ec2.models import ec2_backends
    from moto.ecr.models import ecr_backends
    from moto.iam.models import iam_backends
    from moto.kms.models import kms_backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.s3.models import s3_backends
    from moto.ssm.models import ssm_backends
    from moto.sts.models import sts_backends

    from lab.account import api, auth, backends, ecr, imds

    made = Account()
    made.backends = backends.Backends(ACCOUNT, REGION)
    made.keyring = auth.Keyring(made.backends, ADMIN, made.now)
    made.metadata = imds.Metadata(made.backends, made.keyring, made.now)
    authorizer = auth.Authorizer(made.backends, running.gateway.owner)
    settings = api.Settings()
    tokens = ecr.Tokens(REGISTRY, ACCOUNT, REGION, authorizer, lambda: settings.ecr_token_life_seconds, made.now)
    made.api = api.Api(
        made.backends,
        auth.Authenticator(made.keyring, made.now),
        authorizer,
        tokens,
        running.gateway,
        settings,
        DomainDispatcherApplication(create_backend_app),
        hosts=lambda: made.containers,
    )
    yield made
    for accounts in (
        ec2_backends, ecr_backends, iam_backends, kms_backends, s3_backends, ssm_backends, sts_backends,
    ):  # fmt: skip
        accounts.pop(ACCOUNT, None)
    s3_backends.bucket_accounts.clear()
