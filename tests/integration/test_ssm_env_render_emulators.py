"""ssm_env_render against two emulators over HTTP, with the same expectations of both.

Where each of them differs from AWS (moto 5.2, ministack 1.5):

- Both let any access key read and decrypt everything, never throttle, and never give an empty page that has a successor.
  For these, replies as AWS documents them are played by botocore's stubber.
- moto ends a number of parameters divisible by ten with a page that is empty, AWS and ministack don't.
- moto refuses more than ten names or parameters per call, as AWS does; ministack gives whatever is asked for.
- ministack tells the selector of a pinned parameter apart from its name, as AWS does; moto leaves it out.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

boto3 = pytest.importorskip("boto3", reason="no boto3")
pytest.importorskip("moto.server", reason="no moto (pip install 'moto[server,ssm]')")
pytest.importorskip("ministack", reason="no ministack (pip install ministack)")

from ansible.module_utils.testing import patch_module_args
from ansible_collections.popcon.deploy.plugins.module_utils._settings import dotenv
from ansible_collections.popcon.deploy.plugins.modules import ssm_env_render
from ansible_collections.popcon.deploy.tests.integration.emulators import REGION
from botocore.client import BaseClient
from botocore.stub import Stubber

pytestmark = pytest.mark.usefixtures("environment")

HOSTILE = "$ecret ${HOME} #'\"`\nline 2 \\n $$ \\\né漢🐟\t="


@pytest.fixture
def ssm(url: str) -> t.Iterator[t.Any]:
    """A client; what a test made is gone after it."""
    client = boto3.client("ssm", endpoint_url=url, region_name=REGION)
    yield client
    pages = client.get_paginator("describe_parameters").paginate()
    for name in [found["Name"] for page in pages for found in page["Parameters"]]:
        client.delete_parameter(Name=name)


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    # Whatever the umask of whoever runs the tests: a folder open to others is refused.
    tmp_path.chmod(0o755)
    return tmp_path / ".env"


@pytest.fixture
def run(dest: Path, capsys: pytest.CaptureFixture) -> t.Callable[..., dict]:
    """Run the module in this process and return its result."""

    def run(**options: t.Any) -> dict:
        arguments = {"path": ["/app"], "dest": str(dest), "region": REGION, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            ssm_env_render.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def render(url: str, run: t.Callable[..., dict]) -> t.Callable[..., dict]:
    """Run the module against the emulator."""
    return lambda **options: run(endpoint_url=url, **options)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict]]:
    """What this process asks AWS, in order: the operations and their parameters."""
    made: list[tuple[str, dict]] = []
    plain = BaseClient._make_api_call

    def noted(client: BaseClient, operation: str, parameters: dict) -> t.Any:
        made.append((operation, parameters))
        return plain(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return made


def put(ssm: t.Any, values: t.Mapping[str, str], kind: str = "String") -> None:
    for name, value in values.items():
        ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def in_file(dest: Path) -> dict[str, t.Any]:
    return dotenv.entries(dest.read_bytes(), "compose")


def test_all_pages_and_all_depths_but_no_neighbour(
    ssm: t.Any, render: t.Callable[..., dict], dest: Path, calls: list
) -> None:
    expected = {f"G{number % 3}_DEEP_P{number:02}": f"value {number}" for number in range(25)}
    put(ssm, {f"/app/{key.replace('_', '/').lower()}": value for key, value in expected.items()})
    put(ssm, {"/apple/X": "no", "/ap/X": "no"})
    calls.clear()
    result = render(path=["/app/"])
    assert [operation for operation, _parameters in calls] == ["GetParametersByPath"] * 3
    assert result["changed"] and result["counts"]["read"] == 25
    assert dest.read_bytes() == dotenv.render(expected, "compose")
    assert not render()["changed"]


def test_a_number_of_parameters_divisible_by_ten(
    ssm: t.Any, render: t.Callable[..., dict], dest: Path, calls: list
) -> None:
    put(ssm, {f"/app/P{number:02}": "x" for number in range(20)})
    calls.clear()
    assert render()["counts"]["read"] == 20
    # The third is moto's empty page.
    assert [operation for operation, _parameters in calls] in (["GetParametersByPath"] * 2, ["GetParametersByPath"] * 3)
    assert len(in_file(dest)) == 20


def test_a_secure_string_arrives_decrypted_and_exact(ssm: t.Any, render: t.Callable[..., dict], dest: Path) -> None:
    put(ssm, {"/app/db/password": HOSTILE}, "SecureString")
    assert ssm.get_parameter(Name="/app/db/password")["Parameter"]["Value"] != HOSTILE
    result = render()
    assert dest.read_bytes() == dotenv.render({"DB_PASSWORD": HOSTILE}, "compose")
    assert HOSTILE not in json.dumps(result, ensure_ascii=False)


def test_a_new_version_is_seen(ssm: t.Any, render: t.Callable[..., dict]) -> None:
    put(ssm, {"/app/A": "1", "/app/B": "1"}, "SecureString")
    assert render()["added"] == ["A", "B"]
    put(ssm, {"/app/A": "2"}, "SecureString")
    ssm.delete_parameter(Name="/app/B")
    result = render()
    assert (result["modified"], result["removed"]) == (["A"], ["B"])
    assert [(row["name"], row["version"]) for row in result["rendered"]] == [("/app/A", 2)]


@pytest.mark.parametrize("kind", ["String", "SecureString"])
def test_versions_and_labels(ssm: t.Any, render: t.Callable[..., dict], dest: Path, kind: str) -> None:
    for value in ("one", "two", "three"):
        put(ssm, {"/app/A": value, "/app/B": value, "/app/C": value}, kind)
    ssm.label_parameter_version(Name="/app/B", ParameterVersion=2, Labels=["good"])
    result = render(pins={"A": 1, "/app/B": "good", "C": 3})
    assert [row["version"] for row in result["rendered"]] == [1, 2, 3]
    assert dest.read_bytes() == dotenv.render({"A": "one", "B": "two", "C": "three"}, "compose")
    again = render(pins={row["name"]: row["version"] for row in result["rendered"]})
    assert not again["changed"] and again["rendered"] == result["rendered"]
    assert render()["modified"] == ["A", "B"]


def test_more_pins_than_a_call_takes(ssm: t.Any, render: t.Callable[..., dict], calls: list) -> None:
    names = [f"/app/P{number:02}" for number in range(12)]
    for value in ("old", "new"):
        put(ssm, dict.fromkeys(names, value))
    calls.clear()
    result = render(pins=dict.fromkeys(names, 1))
    assert {row["version"] for row in result["rendered"]} == {1}
    assert [len(parameters["Names"]) for operation, parameters in calls if operation == "GetParameters"] == [10, 2]


@pytest.mark.parametrize("pin", [9, "no-label"])
def test_a_pin_to_what_is_not_there(ssm: t.Any, render: t.Callable[..., dict], dest: Path, pin: t.Any) -> None:
    put(ssm, {"/app/A": "1", "/app/B": "1"})
    assert render(pins={"A": pin})["msg"] == f"Pinned versions or labels that do not exist: /app/A:{pin}."
    assert not dest.exists()


def test_a_path_without_parameters(ssm: t.Any, render: t.Callable[..., dict], dest: Path) -> None:
    put(ssm, {"/app/A": "1"})
    assert render(path=["/app", "/app/A", "/nope"])["msg"].startswith(f"No parameters under /app/A in {REGION}.")
    assert render(path=["/app", "/nope"])["msg"].startswith(f"No parameters under /nope in {REGION}.")
    assert render(region="eu-west-3")["msg"].startswith("No parameters under /app in eu-west-3.")
    assert not dest.exists()


def test_a_later_path_wins(ssm: t.Any, render: t.Callable[..., dict], dest: Path) -> None:
    put(ssm, {"/common/db/host": "common", "/common/A": "1", "/prod/DB_HOST": "prod"})
    result = render(path=["/common", "/prod"])
    assert result["overridden"] == [{"key": "DB_HOST", "name": "/common/db/host", "by": "/prod/DB_HOST"}]
    assert dest.read_bytes() == dotenv.render({"A": "1", "DB_HOST": "prod"}, "compose")


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Stubber]:
    """AWS played by the stubber, which also checks every request against AWS's own model."""
    client = boto3.client("ssm", region_name=REGION)
    monkeypatch.setattr(ssm_env_render.AnsibleAWSModule, "client", lambda *_args, **_more: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


FIRST = {"Path": "/app", "Recursive": True, "WithDecryption": True, "MaxResults": 10}


def page(*names: str, token: str | None = None) -> dict:
    found = [{"Name": name, "Type": "String", "Value": "x", "Version": 4} for name in names]
    return {"Parameters": found, **({"NextToken": token} if token else {})}


def test_an_empty_page_is_not_the_end(stubbed: Stubber, run: t.Callable[..., dict], dest: Path) -> None:
    """GetParametersByPath's reference: a page may hold fewer than asked for, or none, and still have a NextToken."""
    stubbed.add_response("get_parameters_by_path", page(token="1"), FIRST)
    stubbed.add_response("get_parameters_by_path", page("/app/A", token="2"), {**FIRST, "NextToken": "1"})
    stubbed.add_response("get_parameters_by_path", page(token="3"), {**FIRST, "NextToken": "2"})
    stubbed.add_response("get_parameters_by_path", page("/app/B"), {**FIRST, "NextToken": "3"})
    assert run()["counts"]["read"] == 2
    assert in_file(dest).keys() == {"A", "B"}


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (
            "AccessDeniedException",
            "User: arn:aws:sts::1:assumed-role/r/i is not authorized to perform: ssm:GetParametersByPath on resource: x",
            "access denied. The role needs ssm:GetParametersByPath",
        ),
        (
            "AccessDeniedException",
            "User: arn:aws:sts::1:assumed-role/r/i is not authorized to perform: kms:Decrypt on resource: y",
            "access denied by KMS",
        ),
        (
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, or you are not allowed to access.",
            "access denied by KMS",
        ),
        ("ExpiredTokenException", "The security token included in the request is expired", "credentials have expired"),
        ("UnrecognizedClientException", "The security token is invalid.", "access key is not known to AWS"),
        ("InvalidKeyId", "Key is disabled", "KMS key of a SecureString is disabled"),
        ("ThrottlingException", "Rate exceeded", "AWS still throttles"),
    ],
)
def test_what_aws_refuses(
    stubbed: Stubber, run: t.Callable[..., dict], dest: Path, code: str, message: str, words: str
) -> None:
    """On the first page or a later one, nothing is written."""
    stubbed.add_response("get_parameters_by_path", page("/app/A", token="1"), FIRST)
    stubbed.add_client_error("get_parameters_by_path", code, message, 400, None, {**FIRST, "NextToken": "1"})
    result = run()
    assert result["failed"] and words in result["msg"]
    assert message not in result["msg"]
    assert not dest.exists()


def test_pins_are_denied_apart(stubbed: Stubber, run: t.Callable[..., dict]) -> None:
    """Another action than reading by path, so a role may have the one without the other."""
    stubbed.add_response("get_parameters_by_path", page("/app/A"), FIRST)
    expected = {"Names": ["/app/A:3"], "WithDecryption": True}
    stubbed.add_client_error("get_parameters", "AccessDeniedException", "no", 400, None, expected)
    assert "The role needs ssm:GetParameters," in run(pins={"A": 3})["msg"]


def test_a_pin_as_aws_answers_it(stubbed: Stubber, run: t.Callable[..., dict]) -> None:
    """The selector apart from the name, and what doesn't exist in a successful reply."""
    stubbed.add_response("get_parameters_by_path", page("/app/A", "/app/B"), FIRST)
    found = {"Name": "/app/A", "Type": "String", "Value": "old", "Version": 3, "Selector": ":3"}
    reply = {"Parameters": [found], "InvalidParameters": ["/app/B:good"]}
    stubbed.add_response("get_parameters", reply, {"Names": ["/app/A:3", "/app/B:good"], "WithDecryption": True})
    assert run(pins={"A": 3, "B": "good"})["msg"] == "Pinned versions or labels that do not exist: /app/B:good."
