# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import subprocess
import sys
import typing as t
from pathlib import Path
from types import SimpleNamespace

import ansible_collections
import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible_collections.popcon.deploy.plugins.plugin_utils import _attached
from ansible_collections.popcon.deploy.plugins.plugin_utils._attached import AttachedAction, where, who

CI = (
    "GITHUB_ACTOR", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITLAB_USER_LOGIN", "CI_JOB_URL",
    "BUILD_URL", "SUDO_USER", "USER",
)  # fmt: skip


@pytest.fixture(autouse=True)
def laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CI:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setattr(_attached, "PAUSE_SECONDS", 0)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(_attached.display, "display", lines.append)
    return lines


class Action(AttachedAction):
    """With a module that answers, or raises, what it is told to."""

    def __init__(self, answers: t.Iterable[dict | Exception], timeout: int | None = None, **task: t.Any) -> None:
        def option(name: str) -> int:
            if timeout is None or name != "ssm_timeout":
                raise KeyError(name)
            return timeout

        self.closed = 0
        self.calls: list[dict] = []
        self._answers = iter(answers)
        self._task = SimpleNamespace(**{"args": {}, "async_val": 0, "check_mode": False, "no_log": False, **task})
        self._connection = SimpleNamespace(
            _shell=SimpleNamespace(tmpdir="/tmp/x"), get_option=option, close=self._close
        )

    def _close(self) -> None:
        self.closed += 1
        raise BrokenPipeError("the client is dead")

    def _execute_module(self, module_args: dict, task_vars: dict) -> dict:
        self.calls.append(dict(module_args))
        module_args["_ansible_check_mode"] = True
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def go(self) -> dict:
        return self.run(task_vars={"inventory_hostname": "web1"})


def going_on(*lines: tuple[float, str]) -> dict:
    return {"changed": False, "unfinished": True, "progress": [{"at": at, "text": text} for at, text in lines]}


def done(*lines: tuple[float, str]) -> dict:
    return {"changed": True, "progress": [{"at": at, "text": text} for at, text in lines]}


def test_the_module_is_called_with_the_same_arguments_until_it_is_done(shown: list[str]) -> None:
    action = Action([going_on((0.1, "one")), going_on((0.1, "one"), (2, "two")), done((2, "two"), (3, "three"))])
    assert action.go() == {"changed": True}
    assert shown == ["web1: one", "web1: two", "web1: three"]
    assert action.calls[0] == action.calls[1] == action.calls[2]
    assert re.fullmatch("[0-9a-f]{32}", action.calls[0].pop("run"))
    assert action.calls[0] == {"by": "alice", "started_from": socket.gethostname(), "attach_seconds": 60}
    assert action.closed == 0


def test_each_task_is_a_run_of_its_own() -> None:
    actions = [Action([done()]), Action([done()])]
    for action in actions:
        action.go()
    assert actions[0].calls[0]["run"] != actions[1].calls[0]["run"]


def test_what_the_task_says_goes_first() -> None:
    given = {"run": "r1", "by": "bob", "started_from": "there", "attach_seconds": 5, "project": "popcon"}
    action = Action([done()], timeout=60, args=given)
    action.go()
    assert action.calls == [given]
    action = Action([done()], args={"by": None, "tree": None})
    action.go()
    assert action.calls[0]["by"] == "alice"
    assert "tree" not in action.calls[0]


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 60), (20, 10), (60, 30), (119, 59), (3600, 60), (1, 1)])
def test_a_call_takes_half_the_time_of_a_command_at_most(timeout: int | None, seconds: int) -> None:
    action = Action([done()], timeout)
    action.go()
    assert action.calls[0]["attach_seconds"] == seconds


def test_a_failure_is_passed_on(shown: list[str]) -> None:
    action = Action([going_on(), {"failed": True, "msg": "web is sick", "progress": [{"at": 1, "text": "taken back"}]}])
    assert action.go() == {"failed": True, "msg": "web is sick"}
    assert shown == ["web1: taken back"]
    assert len(action.calls) == 2


def test_check_mode_is_one_call() -> None:
    action = Action([going_on()], check_mode=True)
    assert action.go() == {"changed": False}
    assert len(action.calls) == 1


def test_with_no_log_no_progress_is_shown(shown: list[str]) -> None:
    action = Action([going_on((1, "one")), done((2, "two"))], no_log=True)
    assert action.go() == {"changed": True}
    assert shown == []


def test_async_is_refused() -> None:
    action = Action([done()], async_val=10, action="popcon.deploy.compose_release")
    with pytest.raises(AnsibleActionFail, match="does not support async"):
        action.go()
    assert action.calls == []


@pytest.mark.parametrize(
    "breaks",
    [AnsibleConnectionFailure("timeout"), BrokenPipeError("gone"), IndexError("empty"), AnsibleError("failed to transfer"),
     {"failed": True, "msg": "Module result deserialization failed.", "module_stdout": '{"chan'}],
)  # fmt: skip
def test_a_session_that_breaks_costs_another_call(breaks: dict | Exception, shown: list[str]) -> None:
    action = Action([going_on((1, "one")), breaks, breaks, breaks, going_on((1, "one")), breaks, done((2, "two"))])
    assert action.go() == {"changed": True}
    assert shown == ["web1: one", "web1: two"]
    assert len({call["run"] for call in action.calls}) == 1
    assert action.closed == 4


def test_a_session_that_stays_broken_ends_the_task_and_not_the_run() -> None:
    action = Action([going_on(), *[BrokenPipeError("gone")] * 9], args={"run": "r1"})
    with pytest.raises(
        AnsibleConnectionFailure, match=r"session to web1 broke 4 times\. If run r1 had begun, it goes on"
    ):
        action.go()
    assert len(action.calls) == 5


def test_an_error_that_is_not_the_sessions_stays_what_it_is() -> None:
    action = Action([AnsibleError("The module was not found")] * 9)
    with pytest.raises(AnsibleError, match="The module was not found") as caught:
        action.go()
    assert not isinstance(caught.value, AnsibleConnectionFailure)
    action = Action([AnsibleActionFail("no")])
    with pytest.raises(AnsibleActionFail):
        action.go()
    assert len(action.calls) == 1
    crash = {"failed": True, "msg": "deserialization failed", "module_stdout": "Traceback"}
    assert Action([dict(crash) for _dummy in range(4)]).go() == crash


@pytest.mark.parametrize(
    ("env", "name", "place"),
    [
        ({}, "alice", socket.gethostname()),
        ({"SUDO_USER": "bob"}, "bob", socket.gethostname()),
        ({"GITLAB_USER_LOGIN": "gl", "CI_JOB_URL": "https://gl/j/1", "SUDO_USER": "bob"}, "gl", "https://gl/j/1"),
        ({"BUILD_URL": "https://jenkins/1"}, "alice", "https://jenkins/1"),
        (
            {
                "GITHUB_ACTOR": "gh",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "o/r",
                "GITHUB_RUN_ID": "7",
            },
            "gh",
            "https://github.com/o/r/actions/runs/7",
        ),
        ({"USER": ""}, getpass.getuser(), socket.gethostname()),
    ],
)
def test_who_and_where(env: dict[str, str], name: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    assert (who(), where()) == (name, place)


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("USER")
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert who() == str(os.getuid())


MODULE = """
import os, time
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.popcon.deploy.plugins.module_utils._release import detached

def main():
    spec = dict(run={}, by={}, started_from={}, attach_seconds=dict(type="float"), folder=dict(type="path"))
    module = AnsibleModule(spec, supports_check_mode=True)
    zipped = __file__
    def work(say):
        say("begun")
        while not os.path.exists(module.params["folder"] + "/go"):
            time.sleep(0.05)
        say("gone" if not os.path.exists(zipped.partition(".zip")[0] + ".zip") else "still there")
        try:
            raise RuntimeError
        except RuntimeError:
            pass
        return {"answer": 42, "changed": True}
    about = {key: module.params[key] for key in ("by", "started_from")}
    followed = detached.follow(
        module.params["folder"] + "/runs", module.params["run"], work, lambda say, died: {}, module.params["attach_seconds"], about)
    if followed.finished and followed.failure:
        module.fail_json(msg=followed.failure, progress=followed.progress)
    module.exit_json(unfinished=not followed.finished, progress=followed.progress, zipped=zipped, **(followed.result or {}))

main()
"""
ACTION = """
from __future__ import annotations
import os
from ansible_collections.popcon.deploy.plugins.plugin_utils._attached import AttachedAction

class ActionModule(AttachedAction):
    def _call(self, args, host, task_vars):
        calls = args["folder"] + "/calls"
        with open(calls, "a") as file:
            file.write(args["run"] + "\\n")
        result = super()._call(args, host, task_vars)
        if os.path.getsize(calls) > 33:
            open(args["folder"] + "/go", "w").close()
        return result
"""


def test_a_run_that_outlives_its_module_in_a_real_playbook(tmp_path: Path) -> None:
    plugins = tmp_path / "collections/ansible_collections/some/thing/plugins"
    for kind, text in (("modules", MODULE), ("action", ACTION)):
        (plugins / kind).mkdir(parents=True)
        (plugins / kind / "works.py").write_text(text)
    tmp_path.chmod(0o755)
    (tmp_path / "ansible.cfg").touch()
    task = {"some.thing.works": {"folder": str(tmp_path), "attach_seconds": 0.3}, "register": "did"}
    verify = {
        "ansible.builtin.assert": {
            "that": [
                "did.answer == 42",
                "did is changed",
                "did.progress is not defined",
                "did.unfinished is not defined",
            ]
        }
    }
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [task, verify]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    paths = [str(tmp_path / "collections"), *(str(Path(path).parent) for path in ansible_collections.__path__)]
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    ran = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-e", json.dumps(variables), "play.yml"],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": ":".join(paths),
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
        },
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("localhost: begun\n") == 1
    # The files of the module that started it were removed in the meantime.
    assert ran.stdout.count("localhost: gone\n") == 1
    runs = (tmp_path / "calls").read_text().split()
    assert len(runs) > 2
    assert len(set(runs)) == 1
    state = json.loads((tmp_path / "runs" / f"{runs[0]}.json").read_bytes())
    assert (state["by"], state["started_from"], state["delivered"]) == ("alice", socket.gethostname(), True)
