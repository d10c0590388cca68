"""How the modules grow by themselves, without the lab: each run is a process as Ansible starts it on a host.

Time is processor time, since the emulator's own is in the wall time, and memory the most that the process had.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import timeit
import typing as t
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ansible_collections.popcon.deploy.benchmarks import parameters
from ansible_collections.popcon.deploy.benchmarks.ways import Json
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Record, Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records

PARAMETERS = (10, 100, 1000, 10_000)
RELEASES = (1, 10, 100)
_MODULES = "ansible_collections.popcon.deploy.plugins.modules"
#: Runs a module as a program and notes what it used. Memory is the program's own: rusage would count its parent's too.
_OBSERVED = """
import atexit, json, re, resource, runpy, sys
module, noted = sys.argv.pop(1), sys.argv.pop(1)
def note():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = re.search("VmHWM:[^0-9]*([0-9]+) kB", open("/proc/self/status").read())[1]
    found = {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2), "memory_mb": round(int(peak) / 1024)}
    with open(noted, "w") as stream:
        json.dump(found, stream)
atexit.register(note)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def by_parameters() -> Iterator[Json]:
    """ssm_env_render and deploy_host_info with more and more parameters in one Parameter Store."""
    for number in PARAMETERS:
        with parameters.serve(number) as server, tempfile.TemporaryDirectory() as folder:
            by_module = {
                "ssm_env_render": {"path": [parameters.PATH], "dest": f"{folder}/.env"},
                "deploy_host_info": {"parameter_paths": [parameters.PATH], "region": parameters.REGION},
            }
            for module, arguments in by_module.items():
                server.calls.clear()
                used = _observed(f"{_MODULES}.{module}", arguments, server.environment)
                calls = server.calls["GetParametersByPath"]
                yield {"module": module, "parameters": number, "calls": calls, **used}


def by_releases() -> Iterator[Json]:
    """What is remembered of releases, read with more and more of them kept: the list, the last successful one, the history."""
    known = [{"name": f"/popcon/P{number:04}", "key": f"P{number:04}", "version": 1} for number in range(100)]
    record = Record(
        action="deploy", commit=None, files=[], images={}, run="r", by="alice", started_from="laptop", parameters=known
    )
    for releases in RELEASES:
        with tempfile.TemporaryDirectory() as folder:
            records = Records(folder, "popcon")
            for _dummy in range(releases):
                number = records.begin(record, b"A=1\n" * 100).number
                records.finish(number, Result.SUCCEEDED)
                records.audit(action="deploy", release=number, result=Result.SUCCEEDED.value)
            reads = {
                "all": records.all,
                "last_succeeded": records.last_succeeded,
                "history": partial(records.history, 20),
            }
            for name, read in reads.items():
                assert read()
                seconds = min(timeit.repeat(read, number=10, repeat=5)) / 10
                yield {"read": name, "releases": releases, "milliseconds": round(1000 * seconds, 2)}


def _observed(module: str, arguments: Json, environment: t.Mapping[str, str]) -> Json:
    """Run a module of Ansible's in a process of its own, to its good end, and tell what it used."""
    with tempfile.TemporaryDirectory() as folder:
        given, noted = Path(folder, "arguments.json"), Path(folder, "noted.json")
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        command = [sys.executable, "-c", _OBSERVED, module, str(noted), str(given)]
        began = time.perf_counter()
        done = subprocess.run(command, env={**environment}, stdout=subprocess.PIPE, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{module} failed: {done.stdout[-2000:]}")
        return {"seconds": round(seconds, 2), **json.loads(noted.read_text())}
