# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

boto3 = pytest.importorskip("boto3", reason="no boto3")

from ansible_collections.popcon.deploy.plugins.module_utils._common import aws
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings import parameters as _parameters
from ansible_collections.popcon.deploy.plugins.module_utils._settings.parameters import Override, Parameter
from botocore.awsrequest import AWSResponse


class Replies:
    """An SSM client answered by a script, below botocore's retries and paginators, that notes what it was asked."""

    def __init__(self, *replies: tuple[int, dict]) -> None:
        self.client = boto3.client(
            "ssm",
            region_name="ap-northeast-2",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="none",
            config=aws.retrying_config(),
        )
        self.left = list(replies)
        self.asked: list[dict[str, t.Any]] = []
        self.client.meta.events.register("before-send.ssm", self._answer)

    def _answer(self, request: t.Any, **_more: t.Any) -> AWSResponse:
        self.asked.append(json.loads(request.body))
        status, body = self.left.pop(0)
        return _Response(request.url, status, json.dumps(body).encode())


class _Response(AWSResponse):
    def __init__(self, url: str, status: int, body: bytes) -> None:
        super().__init__(url, status, {"Content-Type": "application/x-amz-json-1.1"}, None)
        self._content = body


def page(*names: str, token: str | None = None, version: int = 1) -> tuple[int, dict]:
    found = [{"Name": name, "Type": "SecureString", "Value": f"value of {name}", "Version": version} for name in names]
    return 200, {"Parameters": found, **({"NextToken": token} if token else {})}


def error(code: str) -> tuple[int, dict]:
    return 400, {"__type": code, "message": "hunter2"}


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without botocore's two ways to wait: between tries, and for its own rate limit."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_args, **_more: True)


def parameter(name: str, path: str = "/popcon", version: int = 1, value: str = "x") -> Parameter:
    return Parameter(name=name, path=path, version=version, value=value)


def test_read_follows_the_token_through_empty_pages() -> None:
    replies = Replies(page("/popcon/A", token="1"), page(token="2"), page(token="3"), page("/popcon/B"))
    read = _parameters.read_parameters(replies.client, ["/popcon/"])
    assert [found.name for found in read] == ["/popcon/A", "/popcon/B"]
    assert [asked.get("NextToken") for asked in replies.asked] == [None, "1", "2", "3"]
    assert replies.asked[0] == {"Path": "/popcon", "Recursive": True, "WithDecryption": True, "MaxResults": 10}


@pytest.mark.usefixtures("no_waiting")
def test_read_survives_throttling() -> None:
    replies = Replies(*[error("ThrottlingException")] * 8, page("/popcon/A"))
    assert len(_parameters.read_parameters(replies.client, ["/popcon"])) == 1
    assert len(replies.asked) == 9


@pytest.mark.usefixtures("no_waiting")
def test_read_gives_up_after_ten_tries() -> None:
    replies = Replies(*[error("ThrottlingException")] * 20)
    with pytest.raises(
        DeployError, match="Cannot read the parameters under /popcon in ap-northeast-2: AWS still throttles"
    ):
        _parameters.read_parameters(replies.client, ["/popcon"])
    assert len(replies.asked) == 10


def test_read_does_not_repeat_a_denial() -> None:
    replies = Replies(error("AccessDeniedException"))
    with pytest.raises(DeployError, match="needs ssm:GetParametersByPath"):
        _parameters.read_parameters(replies.client, ["/popcon"])


def test_read_keeps_the_order_of_paths_and_reads_each_once() -> None:
    replies = Replies(page("/b/X"), page("/a/X"))
    read = _parameters.read_parameters(replies.client, ["/b", "/a", "/b/"])
    assert [(found.path, found.relative) for found in read] == [("/b", "X"), ("/a", "X")]


def test_an_empty_path_is_an_error_with_a_cure() -> None:
    replies = Replies(page("/a/X"), page())
    with pytest.raises(
        DeployError, match=r"No parameters under /b in ap-northeast-2.*--path /b --region ap-northeast-2"
    ):
        _parameters.read_parameters(replies.client, ["/a", "/b"])


def test_a_path_starts_with_a_slash() -> None:
    with pytest.raises(DeployError, match="'popcon' is not a parameter path"):
        _parameters.read_parameters(Replies().client, ["popcon"])


def test_a_value_is_not_in_repr() -> None:
    assert "hunter2" not in repr(parameter("/popcon/A", value="hunter2"))


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        ([], [], ["A", "db/user", "db/x/y"]),
        (["db/*"], [], ["db/user", "db/x/y"]),
        (["db/*"], ["db/x/*"], ["db/user"]),
        (["/popcon/A", "db/u?er"], [], ["A", "db/user"]),
        ([], ["[a-z]*"], ["A"]),
    ],
)
def test_choose(include: list[str], exclude: list[str], chosen: list[str]) -> None:
    parameters = [parameter(f"/popcon/{name}") for name in ("A", "db/user", "db/x/y")]
    assert [found.relative for found in _parameters.choose(parameters, include, exclude)] == chosen


def test_choosing_nothing_is_an_error() -> None:
    with pytest.raises(DeployError, match="leave no parameter"):
        _parameters.choose([parameter("/popcon/A")], ["B"], [])


@pytest.mark.parametrize(
    ("relative", "key"),
    [
        ("DB_PASSWORD", "DB_PASSWORD"),
        ("db/password", "DB_PASSWORD"),
        ("db.root-password", "DB_ROOT_PASSWORD"),
        ("a", "A"),
    ],
)
def test_usual_key(relative: str, key: str) -> None:
    assert _parameters.usual_key(relative) == key


def test_the_later_path_wins_and_says_so() -> None:
    first, second = parameter("/common/db/host", "/common"), parameter("/prod/DB_HOST", "/prod")
    keys, overrides = _parameters.assign_keys([first, second], {})
    assert keys == {"DB_HOST": second}
    assert overrides == [Override(key="DB_HOST", name="/common/db/host", by="/prod/DB_HOST")]


def test_a_parameter_below_two_paths_overrides_nothing() -> None:
    twice = [parameter("/a/b/C", "/a"), parameter("/a/b/C", "/a/b")]
    keys, overrides = _parameters.assign_keys(twice, {})
    assert set(keys) == {"B_C", "C"}
    assert overrides == []


def test_all_name_problems_are_told_at_once() -> None:
    wrong = [parameter(f"/popcon/{name}") for name in ("db/x", "DB_X", "1st", "ok")]
    with pytest.raises(DeployError) as refused:
        _parameters.assign_keys(wrong, {})
    assert str(refused.value) == (
        "/popcon/db/x and /popcon/DB_X both make DB_X; /popcon/1st makes '1ST', which is no valid key. "
        "Use rename or exclude."
    )


@pytest.mark.parametrize("name", ["db/x", "/popcon/db/x"])
def test_rename_goes_by_the_name_whole_or_below_the_path(name: str) -> None:
    keys, _overrides = _parameters.assign_keys([parameter("/popcon/db/x"), parameter("/popcon/DB_X")], {name: "Other"})
    assert {key: found.name for key, found in keys.items()} == {"Other": "/popcon/db/x", "DB_X": "/popcon/DB_X"}


def test_rename_of_nothing_is_an_error() -> None:
    with pytest.raises(DeployError, match="Named in rename, but not among the parameters read: b, c"):
        _parameters.assign_keys([parameter("/popcon/a")], {"a": "A", "c": "C", "b": "B"})


def test_rename_to_an_invalid_key_is_an_error() -> None:
    with pytest.raises(DeployError, match="/popcon/a makes 'A-B'"):
        _parameters.assign_keys([parameter("/popcon/a")], {"a": "A-B"})


def test_pins_are_read_ten_at_a_time_and_only_where_needed() -> None:
    parameters = [parameter(f"/popcon/P{number:02}", version=5) for number in range(13)]
    pins = {**{found.name: 3 for found in parameters[:11]}, "P11": 5, "P12": "current"}
    names = [f"{found.name}:3" for found in parameters[:11]] + ["/popcon/P12:current"]
    replies = Replies(
        page(*[found.name for found in parameters[:10]], version=3),
        page(parameters[10].name, parameters[12].name, version=3),
    )
    pinned = _parameters.pin(replies.client, parameters, pins)
    assert [asked["Names"] for asked in replies.asked] == [names[:10], names[10:]]
    assert all(asked["WithDecryption"] for asked in replies.asked)
    assert [found.version for found in pinned] == [3] * 11 + [5, 3]
    assert pinned[0].value == "value of /popcon/P00"
    assert [found.name for found in pinned] == [found.name for found in parameters]


def test_missing_pins_come_as_a_success_and_are_an_error() -> None:
    status, reply = page("/popcon/A")
    replies = Replies((status, {**reply, "InvalidParameters": ["/popcon/B:7"]}))
    with pytest.raises(DeployError, match=r"do not exist: /popcon/B:7, /popcon/C:current\.$"):
        _parameters.pin(
            replies.client,
            [parameter(f"/popcon/{name}", version=9) for name in "ABC"],
            {"A": 1, "B": 7, "C": "current"},
        )


@pytest.mark.parametrize("selector", ["", "awsome", "1x", "a b", None, "x" * 101, True])
def test_what_is_neither_version_nor_label_is_not_asked_for(selector: t.Any) -> None:
    replies = Replies()
    with pytest.raises(DeployError, match="pin of /popcon/A is neither"):
        _parameters.pin(replies.client, [parameter("/popcon/A")], {"A": selector})
    assert replies.asked == []


def test_pin_of_nothing_is_an_error() -> None:
    with pytest.raises(DeployError, match="Named in pins, but not among the parameters read: B"):
        _parameters.pin(Replies().client, [parameter("/popcon/A")], {"B": 1})
