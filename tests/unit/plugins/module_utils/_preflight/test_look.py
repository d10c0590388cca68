"""The one look at a host: all problems at once, nothing that isn't asked for, and whether a deploy is needed."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import email.utils
import json
import os
import pwd
import time

import boto3
import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.module_utils._git import checkout
from ansible_collections.popcon.deploy.plugins.module_utils._preflight import look
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import host as _host
from ansible_collections.popcon.deploy.plugins.module_utils._preflight.checks import project, room
from ansible_collections.popcon.deploy.plugins.module_utils._registry import ecr as _ecr
from ansible_collections.popcon.deploy.plugins.module_utils._registry import login as _login
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.modules.deploy_host_info import ARGUMENT_SPEC
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import Remote, client
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    OWN,
    REGION,
    make_certificate,
    reach_registries,
    serve_aws,
)
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.sample_record import sample_record
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

ARN = "arn:aws:sts::123456789012:assumed-role/popcon/i-0123456789abcdef0"
TOKEN = "token-canary"
VALUE = "value-canary"
DIGEST = "sha256:" + "1" * 64
ONE_SERVICE = {"web": Image("reg.x/web:1", f"reg.x/web@{DIGEST}")}


class Engine:
    """An engine with one healthy container, in a folder with room."""

    folder = "/"

    def data_folder(self):
        return self.folder

    projects = ("app",)

    def projects_in(self, _folder):
        return self.projects

    def containers(self, project):
        return [
            {
                "Id": "id-web",
                "Name": f"/{project}-web-1",
                "Config": {
                    "Labels": {"com.docker.compose.service": "web"},
                    "Image": f"reg.x/web@{DIGEST}",
                },
                "HostConfig": {"RestartPolicy": {"Name": "always"}},
                "RestartCount": 0,
                "State": {"Status": "running", "Running": True, "StartedAt": "x", "Health": {"Status": "healthy"}},
                "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "3000"}]}},
            }
        ]

    def registry_digest(self, reference, auth):
        assert (reference, auth) == ("reg.x/web:1", None)
        return DIGEST


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    """A host that has all it needs; `programs` changes what they say, `daemon_config` what the engine's file holds."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def write(name, script):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    def docker(engine="26.1.5", compose="2.26.1"):
        write("docker", f'case "$1" in compose) echo {compose} ;; *) echo {engine} ;; esac')

    files = {"/etc/os-release": "ID=debian\nVERSION_ID=13\n", "/etc/docker/daemon.json": '{"live-restore": true}'}
    docker()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(_host, "read", lambda path: files.get(path, ""))
    for user in (project, room):
        monkeypatch.setattr(user, "Engine", Engine)
    monkeypatch.setattr(project.stored_logins, "stored", lambda _registry: None)
    monkeypatch.setattr(Engine, "folder", str(tmp_path))
    docker.files, docker.path = files, programs
    return docker


class Module:
    """As much of AnsibleAWSModule as the module uses, with AWS played back."""

    def __init__(self, tmpdir, clients, region=REGION, **params):
        defaults = {name: spec.get("default") for name, spec in ARGUMENT_SPEC.items()}
        self.params = {**defaults, "state_dir": f"{tmpdir}/state", **params}
        self.tmpdir, self.region = str(tmpdir), region
        self.no_log_values = set()
        self.clients = clients
        self.asked = []

    def client(self, service, region=None, config=None):
        assert region in (None, REGION) and config is not None
        self.asked.append(service)
        return self.clients[service]


def aws(service, **more):
    return boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y", **more)


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """AWS that knows the host, one parameter and the token; `sts` and `ssm` are to be filled for other answers."""
    clients = {"sts": aws("sts"), "ssm": aws("ssm")}
    stubs = {service: Stubber(client) for service, client in clients.items()}
    monkeypatch.setattr(https, "PAUSES_SECONDS", ())

    class Cloud:
        sts, ssm = stubs["sts"], stubs["ssm"]

        def knows(self, ahead=0):
            date = email.utils.formatdate(time.time() - ahead, usegmt=True)
            who = {"Arn": ARN, "Account": "123456789012", "UserId": "x"}
            self.sts.add_response(
                "get_caller_identity", {**who, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}, {}
            )

        def has_parameters(self):
            asked = {"Path": "/p", "Recursive": True, "WithDecryption": True, "MaxResults": 10}
            found = [{"Name": "/p/A", "Version": 2, "Value": VALUE}]
            self.ssm.add_response("get_parameters_by_path", {"Parameters": found}, asked)

        def has_token(self):
            found = {"Parameter": {"Name": "/t", "Value": TOKEN}}
            self.ssm.add_response("get_parameter", found, {"Name": "/t", "WithDecryption": True})

        def module(self, **params):
            return Module(tmp_path, clients, **params)

    user = pwd.struct_passwd((*pwd.getpwuid(os.geteuid())[:5], str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(_login.store, "own_user", lambda: user)
    with reach_registries(make_certificate(tmp_path), monkeypatch) as registry, serve_aws() as stub:
        stub.be_known_to(registry)
        clients["ecr"] = aws("ecr", endpoint_url=stub.url)
        Cloud.registry, Cloud.ecr = registry, stub
        with stubs["sts"], stubs["ssm"]:
            yield Cloud()


@pytest.fixture
def remote(tmp_path):
    remote = Remote(tmp_path / "served")
    remote.commit({"docker-compose.yml": "one"})
    return remote


ALL = {
    "project": "app",
    "parameter_paths": ["/p"],
    "token_parameter": "/t",
    "registries": [],
    "options_digest": "options",
}


def test_without_options_it_says_what_the_host_has(cloud):
    module = cloud.module()
    result, warnings = look.run(module)
    assert result.pop("distribution") == {"id": "debian", "version": "13"}
    assert result.pop("daemon_config") == {"live-restore": True}
    assert (result.pop("engine"), result.pop("compose"), result.pop("missing")) == ("26.1.5", "2.26.1", [])
    assert result.pop("changed") is False
    assert not any(result.values()), result
    assert result["up_to_date"] is None
    assert (warnings, module.asked) == ([], [])


def test_a_host_that_has_nothing_yet_is_no_problem(host, cloud, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setattr(_host.importlib.util, "find_spec", lambda _name: None)
    module = cloud.module(**ALL, project_dir="/opt/app", repository="https://git.example.com/a.git")
    result, warnings = look.run(module)
    assert result["missing"] == ["engine", "compose", "git", "boto3"]
    assert result["unchecked"] == [
        *("engine", "compose", "identity", "clock", "parameters", "token", "registries", "repository", "up_to_date"),
    ]
    assert (result["problems"], warnings, module.asked) == ([], [], [])
    assert result["up_to_date"] is False
    assert result["differences"] == ["the host lacks engine, compose, git, boto3"]


def test_all_that_stands_in_the_way_is_told_at_once(host, cloud, remote, monkeypatch, tmp_path):
    host(engine="19.03.1", compose="2.19.9")
    host.files["/etc/docker/daemon.json"] = "{"
    cloud.knows(ahead=400)
    cloud.ssm.add_client_error("get_parameters_by_path", "AccessDeniedException", VALUE)
    cloud.has_token()
    cloud.ecr.token = cloud.ecr.unknown_token
    options = {**ALL, "repository": remote.url, "ref": "mian", "project_dir": str(tmp_path), "min_free_gb": 1e9}
    result, _warnings = look.run(cloud.module(**options))
    expected = [
        "/etc/docker/daemon.json is no valid JSON object",
        "Docker Engine is 19.03.1",
        "Docker Compose is 2.19.9",
        f"{tmp_path} has ",
        "The clock of this host is 4",
        "Cannot read the parameters under /p",
        f"{OWN} refuses a token",
        f"{remote.url} has no branch or tag mian",
    ]
    assert len(result["problems"]) == len(expected), result["problems"]
    assert all(found.startswith(words) for found, words in zip(result["problems"], expected)), result["problems"]
    assert (result["unchecked"], result["parameters"], result["commit"]) == ([], None, None)
    assert result["identity"] == ARN


@pytest.mark.parametrize("registries", [[], [OWN]])
def test_whether_it_is_logged_in(cloud, registries):
    def ecr(*_):
        return aws("ecr", endpoint_url=cloud.ecr.url)

    cloud.knows()
    assert look.run(cloud.module(registries=registries))[0]["logged_in"] is False
    login = _login.Login.of(None, check=False)
    _login.log_in(login, _ecr.find_registries([OWN], REGION, ecr), 0.5, ecr)
    cloud.knows()
    assert look.run(cloud.module(registries=registries))[0]["logged_in"] is True


def test_without_a_region_aws_is_not_asked(cloud):
    module = cloud.module(region=None, parameter_paths=["/p"])
    result, _warnings = look.run(module)
    (problem,) = result["problems"]
    assert problem.startswith("No region is set")
    assert result["unchecked"] == ["identity", "clock", "parameters"]
    assert module.asked == []


def test_without_an_identity_nothing_else_is_asked_of_aws(cloud, remote):
    cloud.sts.add_client_error("get_caller_identity", "ExpiredToken", VALUE)
    options = {**ALL, "repository": remote.url, "project": None, "options_digest": None}
    module = cloud.module(**options)
    result, _warnings = look.run(module)
    (problem,) = result["problems"]
    assert "the credentials have expired" in problem
    assert result["unchecked"] == ["identity", "clock", "parameters", "token", "registries", "repository"]
    assert module.asked == ["sts"]


@pytest.mark.parametrize("registries", [[], [OWN]])
def test_sts_alone_is_out_of_reach(cloud, monkeypatch, registries):
    def fail():
        raise EndpointConnectionError(endpoint_url="https://sts")

    module = cloud.module(registries=registries)
    monkeypatch.setattr(module.clients["sts"], "get_caller_identity", fail)
    result, warnings = look.run(module)
    told = warnings if registries else result["problems"]
    assert len(told) == 1 and "does not answer" in told[0]
    assert len(result["problems"]) + len(warnings) == 1
    assert result["unchecked"] == ["identity", "clock"] + ([] if registries else ["registries"])
    assert ("ecr" in module.asked) is bool(registries)


def test_a_clock_that_is_a_little_off_is_a_warning(cloud):
    cloud.knows(ahead=-90)
    cloud.has_token()
    result, warnings = look.run(cloud.module(token_parameter="/t"))
    assert result["problems"] == []
    assert len(warnings) == 1 and "behind AWS's" in warnings[0]


def test_an_unreadable_token_is_told_once_and_the_repository_not_asked(cloud, remote):
    cloud.knows()
    cloud.ssm.add_client_error("get_parameter", "ParameterNotFound")
    result, _warnings = look.run(cloud.module(token_parameter="/t", repository=remote.url))
    (problem,) = result["problems"]
    assert problem.startswith(f"There is no parameter /t in {REGION}")
    assert result["unchecked"] == ["repository"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"repository": "http://git.example.com/a.git"}, "is no repository URL"),
        ({"repository": "https://git.example.com/a.git", "ref": "-x"}, "'-x' is no ref"),
        ({"project": "APP", "project_dir": "/opt/app"}, "'APP' is no name for a compose project"),
    ],
)
def test_options_that_cant_be_right_are_problems(cloud, options, words):
    result, _warnings = look.run(cloud.module(**options))
    (problem,) = result["problems"]
    assert words in problem


@pytest.fixture
def deployed(cloud, remote, tmp_path):
    """A host that is up to date, and a function that looks at it."""
    folder = tmp_path / "app"
    checkout.synchronise(client(tmp_path / "home", remote.url), "main", str(folder), str(tmp_path / "preview"), False)
    (folder / ".env").write_text(f"A={VALUE}\n")
    (folder / ".env").chmod(0o600)
    os.chmod(tmp_path, 0o700)
    records = Records(str(tmp_path / "state"), "app")
    record = sample_record(
        commit=checkout.head(str(folder)),
        repository=remote.url,
        options_digest="options",
        images=ONE_SERVICE,
        parameters=[{"key": "A", "source": "parameter", "name": "/p/A", "version": 2}],
    )
    records.finish(records.begin(record, f"A={VALUE}\n".encode()).number, Result.SUCCEEDED)

    def seen(**changes):
        cloud.knows()
        cloud.has_parameters()
        cloud.has_token()
        options = {**ALL, "repository": remote.url, "project_dir": str(folder), "min_free_gb": 0, **changes}
        result, warnings = look.run(cloud.module(**options))
        assert (result["problems"], result["unchecked"], warnings) == ([], [], [])
        assert VALUE not in json.dumps(result) and TOKEN not in json.dumps(result)
        return result

    seen.folder, seen.records = folder, records
    return seen


@pytest.fixture
def refused(cloud, remote, tmp_path):
    """A function that looks at a host with the wanted repository: its problems and its unchecked checks."""

    def seen(**changes):
        cloud.knows()
        cloud.has_parameters()
        cloud.has_token()
        options = {**ALL, "repository": remote.url, "project_dir": str(tmp_path / "app"), "min_free_gb": 0, **changes}
        result, _warnings = look.run(cloud.module(**options))
        return result["problems"], result["unchecked"]

    return seen


def test_a_commit_that_tracks_what_the_deploy_writes(refused, remote, tmp_path):
    commit = remote.commit({"prod/.env": VALUE})
    for ref in ("main", commit):
        (problem,), unchecked = refused(written_files=["prod/.env"], ref=ref)
        assert "tracks prod/.env" in problem and "git rm --cached prod/.env" in problem and VALUE not in problem
        assert not unchecked and not (tmp_path / "app").exists()
    assert refused(written_files=[".env"]) == ([], [])


def test_it_is_seen_in_the_clone_too_without_a_command(refused, remote, tmp_path):
    folder, commit = tmp_path / "app", remote.commit({".env": "A=1"})
    os.chmod(tmp_path, 0o700)
    checkout.synchronise(client(tmp_path / "home", remote.url), "main", str(folder), str(tmp_path / "preview"), False)
    (folder / ".env").write_text(VALUE)
    (problem,), _unchecked = refused(written_files=[".env"])
    assert f"Commit {commit[:12]}" in problem
    # The commit of another branch is in the clone, so nothing is fetched for it.
    remote.commit({".env": None})
    assert refused(written_files=[".env"]) == ([], [])


def test_a_clone_of_another_project(refused, monkeypatch):
    monkeypatch.setattr(Engine, "projects", ("app", "shop"))
    (problem,), _unchecked = refused()
    assert "The compose project shop runs from" in problem and "gitops_checkout_dest" in problem


def test_a_host_that_is_up_to_date(deployed):
    result = deployed()
    assert (result["up_to_date"], result["differences"]) == (True, [])
    assert result["parameters"] == {"/p/A": 2}
    assert result["commit"] == checkout.head(str(deployed.folder))
    assert result["release"]["number"] == 1 and "parameters" not in result["release"]
    assert result["lock"] is None
    (service,) = result["services"]
    assert (service["service"], service["state"], service["ports"]) == ("web", "healthy", ["3000"])
    # What a release needn't ask again, were there one.
    assert result["digests"] == dict(ONE_SERVICE.values())
    assert result["checkout"].pop("tree") == str(deployed.folder)
    assert result["checkout"] == {
        "repository": result["release"]["repository"],
        "ref": "main",
        "after": result["commit"],
    }


def test_files_that_are_not_the_wanted_ones_are_told_to_be_checked_out(deployed, remote):
    (deployed.folder / "docker-compose.yml").write_text("edited")
    assert deployed()["checkout"] is None
    checkout.switch(str(deployed.folder), checkout.head(str(deployed.folder)))
    assert deployed()["checkout"]
    remote.commit({"docker-compose.yml": "two"})
    assert deployed()["checkout"] is None


def test_a_host_that_is_not(deployed, remote):
    old = checkout.head(str(deployed.folder))
    new = remote.commit({"docker-compose.yml": "two"})
    result = deployed(options_digest="others")
    assert result["up_to_date"] is False
    assert result["differences"] == ["the options of the deploy", f"commit {old[:12]} -> {new[:12]}"]
    with deployed.records.locked({"by": "alice"}, 1, print):
        result = deployed(ref=old)
    (difference,) = result["differences"]
    assert difference.startswith("alice has held the deploy lock since ")
    assert result["lock"]["by"] == "alice"


def test_without_a_digest_it_is_not_compared(deployed):
    result = deployed(options_digest=None)
    assert (result["up_to_date"], result["differences"]) == (None, [])
    assert result["release"]["number"] == 1


def test_before_the_first_release(deployed, tmp_path):
    result = deployed(state_dir=str(tmp_path / "nowhere"))
    assert (result["up_to_date"], result["differences"], result["release"]) == (
        False,
        ["no release has succeeded yet"],
        None,
    )
    assert len(result["services"]) == 1


def test_records_of_somebody_else_are_a_problem(cloud, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/app").write_text("")
    options = {"project": "app", "project_dir": "/opt/app", "options_digest": "x"}
    result, _warnings = look.run(cloud.module(**options))
    (problem,) = result["problems"]
    assert f"{tmp_path}/state/app is not a folder" in problem
    assert (result["up_to_date"], result["differences"], result["unchecked"]) == (False, [], ["up_to_date"])


def test_an_unforeseen_failure_of_one_check_is_a_problem_and_stops_no_other(cloud, monkeypatch):
    monkeypatch.setattr(room.os, "statvfs", lambda _path: {}["canary"])
    result, _warnings = look.run(cloud.module(project="app", project_dir="/opt/app"))
    (problem,) = result["problems"]
    assert "KeyError" in problem and "canary" not in problem
    assert len(result["services"]) == 1
