"""HTTP checks from the host: the last word on whether a release is ready."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._common.https import NoRedirect

PAUSE_SECONDS = 1.0
ANSWER_SECONDS = 5.0


class HttpCheck(t.NamedTuple):
    """An address and the status that its answer must have."""

    url: str
    status: int


def wait_for(check: HttpCheck, wait_seconds: float, say: t.Callable[[str], None]) -> None:
    """Ask until the answer is as wanted; no proxy is used and no redirect followed.

    :raises DeployError: it was not within this time.
    """
    end = time.monotonic() + wait_seconds
    said = ""
    while True:
        answer = ask(check.url)
        if answer == f"status {check.status}":
            return
        if time.monotonic() > end:
            raise DeployError(
                f"The HTTP check {check.url} gave {answer} instead of status {check.status} for {wait_seconds:.0f} s."
            )
        if answer != said:
            say(f"waiting for {check.url}: {answer}")
            said = answer
        time.sleep(PAUSE_SECONDS)


def ask(url: str) -> str:
    """What comes of a request, in few words: `status 200`, `no answer (timed out)`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            return f"status {answer.status}"
    except urllib.error.HTTPError as exc:
        return f"status {exc.code}"
    except Exception as exc:
        # Whatever a server can do wrong ends up here, as urllib and http.client each have their own classes for it.
        return f"no answer ({type(exc).__name__})"
