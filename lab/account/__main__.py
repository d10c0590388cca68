"""Start the account. Environment:

=========================== ============================================ ===============================
LAB_REGION                  the region everything is in                  ap-northeast-2
LAB_ACCOUNT_ID              the account                                  123456789012
LAB_REGISTRY                the registry's name                          <account>.dkr.ecr.<region>.amazonaws.com
LAB_ADMIN_ACCESS_KEY        the seeding principal, who may do all        required
LAB_ADMIN_SECRET_KEY        its secret                                   required
LAB_CHANNEL_URL             the gateway as clients and hosts reach it    ws://10.213.77.10:4567
LAB_IMDS_ADDRESS            where the metadata service listens           169.254.169.254
LAB_NETWORK                 the network with the instances' addresses    popcon-lab
LAB_MODEL                   the container that instances are made like   none: they are containers that are there
=========================== ============================================ ===============================

Ports: 4566 AWS API and ``/_lab/``, 4567 data channels, 80 on the metadata address. Needs the engine's socket.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

API_PORT = 4566
CHANNEL_PORT = 4567
IMDS_PORT = 80


async def main() -> None:
    """Serve until SIGTERM or SIGINT, then end every session."""
    environment = _environment()
    # moto reads it for every request whose account it cannot tell from the key.
    os.environ["MOTO_ACCOUNT_ID"] = environment["LAB_ACCOUNT_ID"]
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    api, imds = _wire(environment)
    listening = await api.gateway.serve("0.0.0.0", CHANNEL_PORT)
    front = make_server("0.0.0.0", API_PORT, api, threaded=True, request_handler=_handler())
    for server in (front, imds):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    api.ready.set()
    logging.info("ready: %s in %s", environment["LAB_ACCOUNT_ID"], environment["LAB_REGION"])

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(api.gateway.close(), 8)
    listening.close()


def _environment() -> dict[str, str]:
    region = os.environ.get("LAB_REGION", "ap-northeast-2")
    account_id = os.environ.get("LAB_ACCOUNT_ID", "123456789012")
    defaults = {
        "LAB_REGION": region,
        "LAB_ACCOUNT_ID": account_id,
        "LAB_REGISTRY": f"{account_id}.dkr.ecr.{region}.amazonaws.com",
        "LAB_CHANNEL_URL": "ws://10.213.77.10:4567",
        "LAB_IMDS_ADDRESS": "169.254.169.254",
        "LAB_NETWORK": "popcon-lab",
        "LAB_MODEL": "",
    }
    missing = [name for name in ("LAB_ADMIN_ACCESS_KEY", "LAB_ADMIN_SECRET_KEY") if not os.environ.get(name)]
    if missing:
        sys.exit(f"set {' and '.join(missing)}")
    return defaults | {name: value for name, value in os.environ.items() if name.startswith("LAB_") and value}


def _wire(environment: dict[str, str]) -> tuple[Any, Any]:
    # moto reads its settings when it is first imported.
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from . import imds, selftest
    from .api import Api, Settings
    from .auth import Authenticator, Authorizer, Keyring
    from .backends import Backends
    from .counters import Counters
    from .ecr import Tokens
    from .gateway import Gateway
    from .instances import Machines
    from .shell import ContainerShell

    region, account_id = environment["LAB_REGION"], environment["LAB_ACCOUNT_ID"]
    try:
        selftest.run(region)
    except selftest.SelfTestError as error:
        sys.exit(f"self-test: {error}")
    backends = Backends(account_id, region)
    backends.publish_image()
    keyring = Keyring(backends, (environment["LAB_ADMIN_ACCESS_KEY"], environment["LAB_ADMIN_SECRET_KEY"]))
    settings, counters = Settings(), Counters()
    gateway = Gateway(
        environment["LAB_CHANNEL_URL"],
        ContainerShell.start,
        lambda: settings.session_first_output_delay_seconds,
        counters.typed,
    )
    authorizer = Authorizer(backends, gateway.owner)
    registry = environment["LAB_REGISTRY"]
    tokens = Tokens(registry, account_id, region, authorizer, lambda: settings.ecr_token_life_seconds)
    moto = DomainDispatcherApplication(create_backend_app)
    api = Api(backends, Authenticator(keyring), authorizer, tokens, gateway, settings, moto, counters=counters)
    if environment["LAB_MODEL"]:
        Machines(backends, environment["LAB_MODEL"], environment["LAB_NETWORK"]).follow()
    metadata = imds.serve(imds.Metadata(backends, keyring), backends, (environment["LAB_IMDS_ADDRESS"], IMDS_PORT))
    return api, metadata


def _handler() -> type[WSGIRequestHandler]:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Quiet(MotoRequestHandler):
        def log_request(self, *args: Any) -> None:
            """Nothing: a line for each request drowns what matters, and presigned URLs are secrets."""

    return Quiet


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("websockets.server", "werkzeug", "botocore", "moto"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    asyncio.run(main())
