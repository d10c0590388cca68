"""Image references: their parts, and which image each stands for now."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import re
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import Engine, EngineError

#: As many digits of a commit or digest as git and docker show.
SHORT = 12

Auth = t.Callable[[str], "str | None"]


def pinned(
    engine: Engine, references: t.Iterable[str], auths: t.Sequence[Auth]
) -> tuple[dict[str, str], dict[str, str]]:
    """Each reference by digest, as the registries have it now; and for those of which none told it, why, in a sentence.

    Several are asked for at a time. Nothing is pulled.

    :param auths: ways to get the `X-Registry-Auth` header for a registry's name, or None; the next is tried where the registry
        refuses what the one before gave.
    """
    found = {reference: reference for reference in references if "@sha256:" in reference}
    left = sorted(set(references) - set(found))
    problems: dict[str, str] = {}
    for auth in auths:
        # Here and not in the threads, as boto3's default session is for one.
        headers = {registry: auth(registry) for registry in {registry_of(reference) for reference in left}}

        def ask(reference: str, headers: t.Mapping[str, str | None] = headers) -> str | EngineError:
            try:
                return engine.registry_digest(reference, headers[registry_of(reference)])
            except EngineError as exc:
                return exc

        with ThreadPoolExecutor(max_workers=8) as pool:
            answers = dict(zip(left, pool.map(ask, left)))
        left = []
        for reference, answer in answers.items():
            if not isinstance(answer, EngineError):
                found[reference] = f"{without_tag(reference)}@{answer}"
                problems.pop(reference, None)
                continue
            problems[reference], refused = image_problem(reference, registry_of(reference), answer)
            left += [reference] if refused else []
        if not left:
            break
    return found, problems


def registry_of(reference: str) -> str:
    """The registry's name in an image reference; `docker.io` where none is named.

    Source: distribution/reference, "normalize": the first part is a registry if it holds `.` or `:` or is `localhost`.
    """
    first, slash, _rest = reference.partition("/")
    return first if slash and (re.search(r"[.:]", first) or first == "localhost") else "docker.io"


def without_tag(reference: str) -> str:
    """An image reference without its tag; a port of the registry is none."""
    folder, slash, name = reference.rpartition("/")
    return f"{folder}{slash}{name.partition(':')[0]}"


def shortened(reference: str) -> str:
    """An image reference with as much of the digest as docker shows of an id."""
    return re.sub(rf"(@sha256:[0-9a-f]{{{SHORT}}})[0-9a-f]+$", r"\1", reference)


def short_digest(reference: str) -> str:
    """As much of the digest in a reference as docker shows of an id; without a digest, the whole reference."""
    digest = reference.partition("@")[2]
    return digest[: len("sha256:") + SHORT] if digest else reference


def image_problem(reference: str, registry: str, error: EngineError) -> tuple[str, bool]:
    """What an operator is told when a registry gave no digest, and whether it refused the login.

    The registry's own words are not passed on.
    """
    text = error.message.lower()
    if error.status == 404 or "manifest unknown" in text or "not found" in text:
        return (
            f"The image {reference} does not exist: push it, or correct its name or tag in the compose file or settings.",
            False,
        )
    if error.status in (401, 403) or any(word in text for word in ("unauthorized", "denied", "no basic auth")):
        return (
            f"{registry} refused access to {reference}: log the host in (ecr_login), and let its role pull this repository.",
            True,
        )
    return (
        f"{registry} could not be asked for {reference} (the engine answered {error.status}): see that the host reaches it.",
        False,
    )
