"""The module as a whole, with an emulated Parameter Store and a service that a program stands for."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import string
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

boto3 = pytest.importorskip("boto3", reason="no boto3")
moto = pytest.importorskip("moto", reason="no moto (pip install 'moto[ssm]')")

from ansible.module_utils.testing import patch_module_args
from ansible_collections.popcon.deploy.plugins.module_utils._docker import exec
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._rotation.strategies.table import STRATEGIES
from ansible_collections.popcon.deploy.plugins.modules import secret_rotation
from botocore.client import BaseClient

from lab.account.policy import allows

REGION = "ap-northeast-2"
OLD = "c4n4ry$ \"'\n"
ROLE = Path(secret_rotation.__file__).parents[2] / "roles" / "secret_rotation"
ROLE_ARN = "arn:aws:iam::123456789012:role/popcon-rotation"
SECRETS = {
    "DB_PASSWORD": {"strategy": "command", "service": "db", "command": ["rotate", "db"]},
    "JWT_SECRET": {"strategy": "plain", "length": 48},
}
# Stands for docker: `docker exec --interactive ID rotate db`, with one line of JSON on stdin.
DOCKER = f"""#!{sys.executable}
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
with (folder / "commands").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
asked = json.loads(sys.stdin.readline())
valid = json.loads((folder / "valid").read_text())
if asked["step"] == "test":
    sys.exit(asked["new"] not in valid)
if asked["step"] == "apply":
    valid.append(asked["new"])
elif asked["old"] in valid:
    valid.remove(asked["old"])
(folder / "valid").write_text(json.dumps(valid))
"""

Call = tuple[str, dict[str, t.Any], str]


def container(service: str, running: bool = True) -> dict[str, t.Any]:
    return {
        "Id": f"id-{service}",
        "Name": f"/popcon-{service}-1",
        "Config": {"Labels": {"com.docker.compose.service": service}},
        "State": {"Running": running},
    }


class Engine:
    """An engine with these containers."""

    there: t.ClassVar[list[dict[str, t.Any]]] = []

    def containers(self, project: str) -> list[dict[str, t.Any]]:
        assert project == "popcon"
        return self.there


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `docker`; in `valid` there are the values that the service takes, in `commands` what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    (folder / "valid").write_text(json.dumps([OLD]))
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(exec, "Engine", Engine)
    monkeypatch.setattr(Engine, "there", [container("web"), container("db", running=False), container("db")])
    return folder


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-at-all")
    with moto.mock_aws():
        client = boto3.client("ssm", region_name=REGION)
        for name in ("db/password", "JWT_SECRET"):
            client.put_parameter(Name=f"/popcon/{name}", Value=OLD, Type="SecureString")
        yield client


@pytest.fixture
def calls(ssm: t.Any, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What AWS is asked: the operation, its parameters, and by which access key."""
    made: list[Call] = []
    plain = BaseClient._make_api_call

    def noted(client: BaseClient, operation: str, parameters: dict) -> t.Any:
        made.append((operation, parameters, client._request_signer._credentials.access_key))
        return plain(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return made


@pytest.fixture
def run(ssm: t.Any, bin_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> t.Callable[..., dict]:
    """Run the module in this process with these options over working ones, and return its result."""

    def run(phase: str = "advance", check: bool = False, **options: t.Any) -> dict:
        arguments = {
            "path": ["/popcon"],
            "secrets": SECRETS,
            "rotate": ["DB_PASSWORD"],
            "phase": phase,
            "project": "popcon",
            "state_dir": str(tmp_path / "state"),
            "region": REGION,
            "run": "run-1",
            "by": "alice",
            "started_from": "laptop",
            "_ansible_check_mode": check,
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            secret_rotation.main()
        output, errors = capsys.readouterr()
        assert not errors
        known = [OLD, *json.loads((bin_folder / "valid").read_text())]
        assert not [value for value in known if json.dumps(value)[1:-1] in output]
        result = json.loads(output)
        result.pop("invocation", None)
        return result

    return run


def value(ssm: t.Any, name: str) -> str:
    return ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]


def names(ssm: t.Any) -> set[str]:
    return {found["Name"] for found in ssm.describe_parameters()["Parameters"]}


def valid(bin_folder: Path) -> list[str]:
    return json.loads((bin_folder / "valid").read_text())


def test_a_rotation(run: t.Callable[..., dict], ssm: t.Any, bin_folder: Path, tmp_path: Path) -> None:
    for options in ({"check": True}, {"phase": "plan"}, {"phase": "retire", "check": True}):
        planned = run(**options)
        assert not planned["changed"]
        assert planned["rotated"][0]["steps"] == ["create", "apply", "promote", "roll out", "retire"]
    assert names(ssm) == {"/popcon/db/password", "/popcon/JWT_SECRET"}

    done = run()
    time = done.pop("time")
    assert done == {
        "changed": True,
        "rotated": [
            {
                "key": "DB_PASSWORD",
                "name": "/popcon/db/password",
                "old_version": 1,
                "new_version": 2,
                "state": "promoted",
                "steps": ["create", "apply", "promote"],
            }
        ],
        "by": "alice",
        "started_from": "laptop",
        "run": "run-1",
    }
    assert time.endswith("Z")
    new = value(ssm, "/popcon/db/password")
    assert valid(bin_folder) == [OLD, new]
    assert "/popcon-rotation/DB_PASSWORD" in names(ssm)
    assert not run()["changed"]

    assert "It is not proven" in run("retire")["msg"]
    # As a template may give it.
    retired = run("retire", proof={"DB_PASSWORD": "2"})
    assert (retired["changed"], retired["rotated"][0]["state"]) == (True, "retired")
    assert valid(bin_folder) == [new]
    assert names(ssm) == {"/popcon/db/password", "/popcon/JWT_SECRET", "/popcon-rotation/lock"}
    assert not run("retire", proof={"DB_PASSWORD": 2})["changed"]

    (line,) = Records(str(tmp_path / "state"), "popcon").history(10)
    assert {name: line[name] for name in ("action", "result", "by", "old_version", "new_version", "key")} == {
        "action": "rotation",
        "result": "retired",
        "by": "alice",
        "old_version": 1,
        "new_version": 2,
        "key": "DB_PASSWORD",
    }
    commands = (bin_folder / "commands").read_text()
    assert {tuple(json.loads(line)) for line in commands.splitlines()} == {
        ("exec", "--interactive", "id-db", "rotate", "db")
    }


def test_several_are_rotated_and_taken_back(run: t.Callable[..., dict], ssm: t.Any, bin_folder: Path) -> None:
    # As -e rotate= gives them.
    both = {"rotate": "[JWT_SECRET,DB_PASSWORD,JWT_SECRET]"}
    assert [entry["state"] for entry in run(**both)["rotated"]] == ["promoted"] * 2
    assert len(value(ssm, "/popcon/JWT_SECRET")) == 48
    taken_back = run(revert=True, **both)["rotated"]
    assert [(entry["state"], entry["new_version"]) for entry in taken_back] == [("reverting", 3)] * 2
    assert value(ssm, "/popcon/JWT_SECRET") == value(ssm, "/popcon/db/password") == OLD
    done = run("retire", proof={"JWT_SECRET": 3, "DB_PASSWORD": 3}, **both)
    assert [entry["state"] for entry in done["rotated"]] == ["reverted"] * 2
    assert valid(bin_folder) == [OLD]
    assert not run(revert=True, **both)["changed"]


def test_what_the_run_has_ended_is_not_rotated_once_more(run: t.Callable[..., dict], ssm: t.Any) -> None:
    run()
    run("retire", proof={"DB_PASSWORD": 2})
    new = value(ssm, "/popcon/db/password")
    (entry,) = run()["rotated"]
    assert (entry["state"], entry["steps"], entry["new_version"]) == ("settled", [], 2)
    assert value(ssm, "/popcon/db/password") == new
    # After the time of a lock, the name is free.
    assert run(lock_seconds=-1)["rotated"][0]["new_version"] == 3


def test_the_lock_is_the_runs(run: t.Callable[..., dict]) -> None:
    run()
    assert "alice (laptop) is rotating secrets" in run(run="run-2")["msg"]
    assert not run("unlock", run="run-2")["changed"]
    assert "alice (laptop) is rotating secrets" in run(run="run-2")["msg"]
    assert run("unlock")["rotated"] == []
    assert run(run="run-2", by="bob")["rotated"][0]["state"] == "promoted"


def test_the_role_does_the_work(run: t.Callable[..., dict], calls: list[Call]) -> None:
    run(role_arn=ROLE_ARN, by="Alice Müller")
    (assumed, options, own), *others = calls
    assert (assumed, options["RoleArn"]) == ("AssumeRole", ROLE_ARN)
    assert options["RoleSessionName"] == "Alice-M-ller-run-1"
    keys = {key for _operation, _options, key in others}
    assert len(keys) == 1
    assert own not in keys


def test_the_key_is_for_all_that_is_encrypted(run: t.Callable[..., dict], calls: list[Call]) -> None:
    run(key_id="alias/aws/ssm")
    written = {options["Name"]: options for operation, options, _key in calls if operation == "PutParameter"}
    assert {name: options.get("KeyId") for name, options in written.items()} == {
        "/popcon-rotation/lock": None,
        "/popcon-rotation/DB_PASSWORD": "alias/aws/ssm",
        "/popcon/db/password": "alias/aws/ssm",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pending_path": "/popcon/x"}, "Deploys would read the pending values, as /popcon/x is below /popcon."),
        ({"pending_path": "/popcon/"}, "Deploys would read the pending values"),
        ({"path": ["/", "/popcon"]}, "as /popcon-rotation is below /."),
        ({"pending_path": "x"}, "'x' is not a parameter path"),
        ({"path": ["/nope"]}, "No parameters under /nope"),
        ({"rotate": ["NOPE"]}, "Not declared as secrets that can be rotated: NOPE."),
        ({"rotate": []}, "No secret is named"),
        ({"phase": "retire", "proof": {"DB_PASSWORD": "x"}}, "In proof, each value must be the version"),
        ({"phase": "nope"}, "value of phase must be one of: plan, advance, retire, unlock"),
        ({"project": "No"}, "is no name for a compose project"),
    ],
)
def test_errors(run: t.Callable[..., dict], ssm: t.Any, options: dict, words: str) -> None:
    assert words in run(**options)["msg"]
    assert value(ssm, "/popcon/db/password") == OLD


def test_a_service_that_does_not_run_here(run: t.Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "there", [container("db", running=False)])
    assert "The service db of popcon does not run on this host." in run()["msg"]


def test_a_host_without_docker(run: t.Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "The command docker is not on this host." in run()["msg"]


def test_a_command_without_end(run: t.Callable[..., dict], bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bin_folder / "docker").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(exec, "EXEC_SECONDS", 0.2)
    assert "A command in the service db did not end" in run()["msg"]


def test_a_missing_boto3_names_the_package(run: t.Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.popcon.deploy.plugins.module_utils._common.aws.HAS_BOTO3", False)
    assert "Install the package python3-boto3" in run()["msg"]


def test_a_phase_waits_for_a_deploy_on_the_host(
    run: t.Callable[..., dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_rotation, "WAIT_SECONDS", 0)
    with Records(str(tmp_path / "state"), "popcon").locked({"by": "bob"}, 0, print):
        assert "The deploy lock of popcon is held by bob" in run()["msg"]
        assert run("plan")["rotated"][0]["state"] == "settled"
    assert run()["changed"]


def test_the_documentation_lists_the_strategies_that_there_are() -> None:
    option = yaml.safe_load(secret_rotation.DOCUMENTATION)["options"]["secrets"]
    listed = re.search(r"one of (.*?), and what", option["description"][0])
    assert listed
    assert re.findall(r"V\((\w+)\)", listed[1]) == list(STRATEGIES)


def test_examples_and_role_name_options_that_there_are() -> None:
    _old_names, role, _shown = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    for task in [*yaml.safe_load(secret_rotation.EXAMPLES), role]:
        assert task["popcon.deploy.secret_rotation"].keys() <= secret_rotation.ARGUMENT_SPEC.keys() | {"region"}
    specified = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    used = (ROLE / "tasks/main.yml").read_text()
    assert [name for name in specified if name not in used] == []


@pytest.fixture
def policy() -> str:
    """The role's policy, filled in."""
    key = f"arn:aws:kms:{REGION}:123456789012:key/1"
    return string.Template((ROLE / "files/policy.json").read_text()).substitute(
        REGION=REGION, ACCOUNT="123456789012", PATH="popcon", PENDING="popcon-rotation", KEY=key
    )


def arn(name: str) -> str:
    return f"arn:aws:ssm:{REGION}:123456789012:parameter{name.partition(':')[0]}"


def test_the_policy_allows_what_a_rotation_does_and_no_more(
    run: t.Callable[..., dict], calls: list[Call], policy: str
) -> None:
    run()
    run(revert=True)
    run("retire", proof={"DB_PASSWORD": 3})
    used = set()
    for operation, options, _key in calls:
        for name in options.get("Names") or [options.get("Name") or options["Path"]]:
            used.add(f"ssm:{operation}")
            assert allows([policy], f"ssm:{operation}", arn(name), {}) == (True, False), (operation, name)
    statements = json.loads(policy)["Statement"]
    assert used == {action for statement in statements for action in statement["Action"] if action.startswith("ssm:")}


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ssm:GetParameters", arn("/other/A")),
        ("ssm:GetParameters", arn("/popconx/A")),
        ("ssm:PutParameter", arn("/popcon-deploy/GIT_TOKEN")),
        ("ssm:DeleteParameter", arn("/popcon/DB_PASSWORD")),
        ("ssm:GetParameterHistory", arn("/popcon/DB_PASSWORD")),
        ("ssm:DescribeParameters", "*"),
        ("kms:Decrypt", f"arn:aws:kms:{REGION}:123456789012:key/2"),
        ("sts:AssumeRole", ROLE_ARN),
    ],
)
def test_the_policy_does_not_allow(policy: str, action: str, resource: str) -> None:
    assert allows([policy], action, resource, {})[0] is False


def test_the_policy_names_resources(policy: str) -> None:
    for statement in json.loads(policy)["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        for resource in statement["Resource"]:
            assert "*" not in resource.replace("/popcon/*", "").replace("/popcon-rotation/*", "")


def test_the_key_may_be_used_for_the_parameters_only(policy: str) -> None:
    key = f"arn:aws:kms:{REGION}:123456789012:key/1"
    through = {"kms:viaservice": f"ssm.{REGION}.amazonaws.com"}
    for name, allowed in [("/popcon/A", True), ("/popcon-rotation/A", True), ("/popcon-deploy/GIT_TOKEN", False)]:
        context = {**through, "kms:encryptioncontext:parameter_arn": arn(name)}
        for action in ("kms:Encrypt", "kms:Decrypt"):
            assert allows([policy], action, key, context)[0] is allowed
    assert allows([policy], "kms:Decrypt", key, {"kms:encryptioncontext:parameter_arn": arn("/popcon/A")})[0] is False
