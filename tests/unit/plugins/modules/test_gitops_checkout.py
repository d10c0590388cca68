"""The module against a git server with TLS and a token, and a Parameter Store that holds the token."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import boto3
import pytest
import yaml
from ansible_collections.popcon.deploy.plugins.module_utils._common import aws
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git import command
from ansible_collections.popcon.deploy.plugins.modules import gitops_checkout
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Remote, Server, content, git

PARAMETER = "/popcon-deploy/GIT_TOKEN"
ROLE = Path(gitops_checkout.__file__).parents[2] / "roles" / "gitops_checkout"
COLLECTIONS = Path(command.__file__).parents[6]


class Module:
    """As much of AnsibleAWSModule as the module uses."""

    def __init__(self, params: dict[str, t.Any], check: bool, tmpdir: Path, endpoint: str) -> None:
        defaults = {name: spec.get("default") for name, spec in gitops_checkout.ARGUMENT_SPEC.items()}
        self.params = {**defaults, **params}
        self.check_mode = check
        self.tmpdir = str(tmpdir)
        self.no_log_values: set[str] = set()
        self.endpoint = endpoint
        self.clients = 0

    def client(self, service: str, **more: t.Any) -> t.Any:
        """A real client of the stand-in."""
        self.clients += 1
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name="ap-northeast-2", aws_access_key_id="x",
            aws_secret_access_key="x", **more,
        )  # fmt: skip


@pytest.fixture
def token() -> str:
    return f"a'b\"c$HOME%41\\&=#-{secrets.token_hex(16)}"


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    made = Remote(tmp_path / "served")
    made.commit({"docker-compose.yml": "one"})
    return made


@pytest.fixture
def server(tmp_path: Path, remote: Remote, token: str, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Server]:
    made = Server(tmp_path / "served", token)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(made.certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(command, "PAUSE_SECONDS", 0.0)
    yield made
    made.close()


@pytest.fixture
def module(tmp_path: Path, server: Server) -> t.Callable[..., Module]:
    def make(check: bool = False, **params: t.Any) -> Module:
        usual = {
            "repository": server.url, "dest": str(tmp_path / "app"), "token_parameter": PARAMETER, "timeout": 20,
            "scratch_dir": str(tmp_path / "scratch"),
        }  # fmt: skip
        return Module({**usual, **params}, check, tmp_path, server.aws)

    return make


Make = t.Callable[..., Module]


def everything_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_private_repository(module: Make, server: Server, token: str, tmp_path: Path) -> None:
    first = module()
    outcome = gitops_checkout.run(first)
    assert content(tmp_path / "app") == {"docker-compose.yml": "one"}
    assert outcome["changed"] is True
    assert token in first.no_log_values
    assert token.encode() not in everything_below(tmp_path / "app")
    again = gitops_checkout.run(module())
    assert again["changed"] is False
    assert sorted(os.listdir(tmp_path)) == ["app", "served"]


def test_check_then_the_same(module: Make, tmp_path: Path) -> None:
    planned = gitops_checkout.run(module(check=True))
    assert not (tmp_path / "app").exists()
    assert planned["tree"] == f"{tmp_path}/scratch{tmp_path}/app"
    assert content(Path(planned["tree"])) == {"docker-compose.yml": "one"}
    assert gitops_checkout.run(module()) == {**planned, "tree": f"{tmp_path}/app"}


def test_staged_then_in_place(module: Make, remote: Remote, tmp_path: Path) -> None:
    app = tmp_path / "app"
    before = gitops_checkout.run(module(stage=True))["after"]
    assert content(app) == {"docker-compose.yml": "one"}
    remote.commit({"docker-compose.yml": "two"})
    staged = gitops_checkout.run(module(stage=True))
    assert (staged["before"], staged["changed"]) == (before, True)
    assert (content(app), staged["tree"]) == ({"docker-compose.yml": "one"}, None)
    assert gitops_checkout.run(module()) == {**staged, "tree": str(app)}
    assert content(app) == {"docker-compose.yml": "two"}


def test_deployed_commit_needs_neither_aws_nor_network(module: Make, server: Server) -> None:
    commit = gitops_checkout.run(module())["after"]
    before = server.requests
    pinned = module(ref=commit)
    assert gitops_checkout.run(pinned)["changed"] is False
    assert (pinned.clients, server.requests) == (0, before)


@pytest.mark.parametrize(
    ("change", "params", "words"),
    [
        ("token", {}, f"can't be read: the token in the parameter {PARAMETER} was refused"),
        ("", {"token_parameter": None}, "can't be read: it wants a token. Name the parameter"),
        ("", {"repository": "/other.git"}, "there is no such repository, or the token in the parameter"),
        ("", {"token_parameter": "/nowhere"}, "There is no parameter /nowhere in ap-northeast-2"),
        ("denied", {}, "needs kms:Decrypt"),
        ("two lines", {}, "holds no token"),
        ("403", {}, "was refused"),
        ("502", {}, "failed, 3 times"),
        ("untrusted", {}, "TLS certificate is not trusted"),
        ("stopped", {}, "no connection could be made"),
        ("", {"repository": "https://git.invalid/a.git"}, "host name can't be resolved"),
        ("", {"ref": "mian"}, "Did you mean main"),
        ("", {"dest": "relative"}, "must be absolute"),
        ("", {"dest": "/"}, "can't be the root"),
        ("", {"token_username": "a\nb"}, "one line"),
    ],
)
def test_failures_name_the_thing_and_touch_nothing(
    module: Make,
    server: Server,
    token: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    params: dict[str, t.Any],
    words: str,
) -> None:
    if change == "token":
        server.token = "another"
    elif change == "denied":
        server.parameters[PARAMETER] = "denied"
    elif change == "two lines":
        server.parameters[PARAMETER] = f"{token}\n{token}"
    elif change.isdigit():
        server.answers = [int(change)] * 9
    elif change == "untrusted":
        monkeypatch.delenv("GIT_SSL_CAINFO")
    elif change == "stopped":
        server.parameters[PARAMETER] = token
        params = {"repository": "https://127.0.0.1:1/popcon/gitops.git"}
    if params.get("repository", "").startswith("/"):
        params = {"repository": server.base + params["repository"]}
    with pytest.raises(DeployError) as caught:
        gitops_checkout.run(module(**params))
    assert words in str(caught.value)
    assert token not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["served"]


def test_passing_failure_is_tried_again(module: Make, server: Server) -> None:
    server.answers = [503, 502]
    assert gitops_checkout.run(module())["changed"] is True


def test_redirect_elsewhere_gets_no_token(module: Make, server: Server, token: str) -> None:
    # Another port is another origin.
    other = Server(server.root, token)
    try:
        server.redirect = other.base
        with pytest.raises(DeployError, match="redirects to another host, which is not given the token"):
            gitops_checkout.run(module())
        assert other.requests > 0
        assert other.authorizations == set()
    finally:
        other.close()


def test_git_is_missing(module: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DeployError, match="git is missing on this host: install it"):
        gitops_checkout.run(module())


def test_boto3_is_needed_for_a_token_only(module: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "HAS_BOTO3", False)
    with pytest.raises(DeployError, match="boto3 is missing"):
        gitops_checkout.run(module())
    plain = module(token_parameter=None, repository=f"file://{server.root}/popcon/gitops.git")
    assert gitops_checkout.run(plain)["changed"] is True


def test_shown_is_capped_and_encodable() -> None:
    outcome = {
        "before": None, "after": "b" * 40, "changed_files": [f"{n:04}" for n in range(600)], "local_edits": ["\udcff"],
        "local_edits_commit": None, "recovered": ["x is mended"],
    }  # fmt: skip
    shown = gitops_checkout.shown(outcome)
    assert (len(shown["changed_files"]), shown["changed_files_count"]) == (500, 600)
    assert shown["local_edits"] == ["\ufffd"]
    json.dumps(shown).encode()
    assert gitops_checkout.warnings(outcome, "/app") == [
        "/app: x is mended.",
        "Edits made in /app would be overwritten: \ufffd. Make such changes in the repository.",
    ]


class Watch(threading.Thread):
    """Looks at the arguments and the environment of every process all the time."""

    def __init__(self, *needles: bytes) -> None:
        super().__init__(daemon=True)
        self.needles = needles
        self.found: dict[str, set[bytes]] = {"cmdline": set(), "environ": set()}
        self._ended = threading.Event()

    def run(self) -> None:
        """Until O(end) is called."""
        while not self._ended.is_set():
            for process in filter(str.isdigit, os.listdir("/proc")):
                for name, found in self.found.items():
                    try:
                        with open(f"/proc/{process}/{name}", "rb") as stream:
                            text = stream.read()
                    except OSError:
                        continue
                    found.update(needle for needle in self.needles if needle in text)

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()


@pytest.mark.parametrize("wrong", [False, True])
def test_token_is_nowhere(server: Server, tmp_path: Path, token: str, wrong: bool) -> None:
    """Not in the most talkative output, the processes, the clone, nor the temporary files, whether it works or not."""
    if wrong:
        server.token = "another"
    tail = token[-32:].encode()
    basic = base64.b64encode(f"x-access-token:{token}".encode()).rstrip(b"=")
    arguments = {
        "repository": server.url, "dest": str(tmp_path / "app"), "token_parameter": PARAMETER,
        "scratch_dir": str(tmp_path / "scratch"),
    }  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_SSL_CAINFO": str(server.certificate),
        "NO_PROXY": "127.0.0.1", "AWS_ENDPOINT_URL": server.aws, "AWS_REGION": "ap-northeast-2",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_LOG_PATH": str(tmp_path / "log"), "LC_ALL": "C.UTF-8",
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"), "ANSIBLE_KEEP_REMOTE_FILES": "1",
    }  # fmt: skip
    watch = Watch(tail, basic, server.url.encode(), b"POPCON_GIT_TOKEN_FD")
    watch.start()
    done = subprocess.run(
        [sys.executable, "-m", "ansible.cli.adhoc", "localhost", "-vvvv", "-D",
         "-e", f"ansible_python_interpreter={sys.executable}", "-m", "popcon.deploy.gitops_checkout",
         "-a", json.dumps(arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    watch.end()
    assert (done.returncode == 0) is not wrong, done.stdout.decode()
    assert (b"was refused" in done.stdout) is wrong
    # The watch does see git, and the server did get the token.
    assert server.url.encode() in watch.found["cmdline"]
    assert b"POPCON_GIT_TOKEN_FD" in watch.found["environ"]
    assert any(basic.decode() in sent for sent in server.authorizations)
    everywhere = done.stdout + everything_below(tmp_path)
    for secret in (tail, basic):
        assert secret not in watch.found["cmdline"] | watch.found["environ"]
        assert secret not in everywhere


def test_examples(server: Server, remote: Remote, tmp_path: Path) -> None:
    """As they are in the documentation, in their order, but for the repositories and the folder."""
    git(remote.work, "tag", "v1.4.0")
    git(remote.work, "push", "-q", "--tags")
    tasks = yaml.safe_load(gitops_checkout.EXAMPLES)
    for task in tasks:
        options = task["popcon.deploy.gitops_checkout"]
        private = "token_parameter" in options
        options.update(
            repository=server.url if private else remote.url,
            dest=str(tmp_path / "app"),
            scratch_dir=str(tmp_path / "scratch"),
        )
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_SSL_CAINFO": str(server.certificate),
        "NO_PROXY": "127.0.0.1", "AWS_ENDPOINT_URL": server.aws, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "none-at-all", "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "LC_ALL": "C.UTF-8",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    }  # fmt: skip
    results = []
    for files in ({"docker-compose.yml": "two"}, {"docker-compose.yml": "three"}):
        remote.commit(files)
        done = subprocess.run(
            [sys.executable, "-m", "ansible.cli.playbook", "-i", "localhost,", "-c", "local",
             "-e", f"ansible_python_interpreter={sys.executable}", "play.yml"],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode()
        results = [task["hosts"]["localhost"] for task in json.loads(done.stdout)["plays"][0]["tasks"]]
    newest, former, tagged, staged = results
    assert [result["changed"] for result in results] == [True, True, False, True]
    assert former["after"] == newest["before"] == tagged["after"]
    assert staged["after"] == newest["after"]
    assert staged["tree"] is None
    assert content(tmp_path / "app") == {"docker-compose.yml": "one"}


def test_role_matches_the_module() -> None:
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    for name, option in options.items():
        # The region is among the options that all modules for AWS share.
        of_module = gitops_checkout.ARGUMENT_SPEC.get(name.removeprefix("gitops_checkout_"), {"type": "str"})
        assert option["type"] == of_module["type"]
        # The role works out which files are written.
        assert name == "gitops_checkout_written_files" or option.get("default") == of_module.get("default")
