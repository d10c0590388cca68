"""What EC2 does about its instances: in an account that begins empty, a container is made, stopped and removed for each.

A container is made as a model is, one that compose made of the service `host` and never started. It gets the address that
the account gave the instance, so that the two are one, as everywhere in the lab.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping

from . import engine
from .backends import Backends, Instance

log = logging.getLogger(__name__)
_SECONDS = 1.0


def steps(instances: list[Instance], made: Mapping[str, tuple[str, bool]]) -> Iterator[tuple[str, str]]:
    """What has to be done: (make, instance id), or (start, stop or remove, container id).

    :param made: As `engine.made` gives it.
    """
    alive = {instance.id: instance for instance in instances if instance.state != "terminated"}
    for instance_id, (container, runs) in made.items():
        if runs and not (instance_id in alive and alive[instance_id].running):
            yield "stop", container
        if instance_id not in alive:
            yield "remove", container
        elif not runs and alive[instance_id].running:
            yield "start", container
    for instance_id in alive.keys() - made.keys():
        yield "make", instance_id


class Machines:
    """Sees to it that there is a running container for each running instance, and none for one that is gone."""

    def __init__(self, backends: Backends, model: str, network: str) -> None:
        self._backends = backends
        self._model = model
        self._network = network
        self._told: set[str] = set()

    def follow(self) -> None:
        """Do so from now on, in a thread of its own."""
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            with self._tried_again():
                instances = self._backends.instances()
                for step, which in steps(instances, engine.made()):
                    with self._tried_again():
                        self._do(step, which, instances)
            time.sleep(_SECONDS)

    def _do(self, step: str, which: str, instances: list[Instance]) -> None:
        if step == "make":
            address = next(instance.private_ip for instance in instances if instance.id == which)
            engine.make_like(self._model, which, self._network, address)
        else:
            {"start": engine.start, "stop": engine.stop, "remove": engine.remove}[step](which)
        log.info("%s %s", step, which)

    @contextlib.contextmanager
    def _tried_again(self) -> Iterator[None]:
        """Tell an error once: of the engine's, or that moto's dictionaries changed while they were read."""
        try:
            yield
        except RuntimeError as error:
            if str(error) not in self._told:
                log.error("%s", error)
            self._told.add(str(error))
