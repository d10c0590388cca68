# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import json
import os
import re
import stat
import typing as t
from pathlib import Path

import pytest
import yaml

boto3 = pytest.importorskip("boto3", reason="no boto3")
moto = pytest.importorskip("moto", reason="no moto (pip install 'moto[ssm]')")

from ansible.module_utils.testing import patch_module_args
from ansible_collections.popcon.deploy.plugins.module_utils._common import aws
from ansible_collections.popcon.deploy.plugins.module_utils._settings import dotenv
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.table import FORMATS
from ansible_collections.popcon.deploy.plugins.modules import ssm_env_render
from botocore.exceptions import NoCredentialsError

REGION = "ap-northeast-2"
# What no result, diff or message may hold.
CANARY = "c4n4ry"
PARAMETERS = {
    "/popcon/DB_HOST": "popcon-mysql",
    "/popcon/db/password": f"{CANARY}$ecret${{HOME}} #'\"`\n\\",
    "/popcon/REDIS_PORT": "6379",
}


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-at-all")
    with moto.mock_aws():
        client = boto3.client("ssm", region_name=REGION)
        for name, value in PARAMETERS.items():
            client.put_parameter(Name=name, Value=value, Type="SecureString")
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Whatever the umask of whoever runs the tests: a folder open to others is refused.
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def run(ssm: t.Any, folder: Path, capsys: pytest.CaptureFixture) -> t.Callable[..., dict]:
    """Run the module in this process with these options over working ones, and return its result."""

    def run(check: bool = False, **options: t.Any) -> dict:
        arguments = {
            "path": ["/popcon"],
            "dest": str(folder / ".env"),
            "region": REGION,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            ssm_env_render.main()
        output, errors = capsys.readouterr()
        result = json.loads(output)
        assert not errors
        result.pop("invocation", None)
        if CANARY not in json.dumps(options):
            assert CANARY not in json.dumps(result)
        assert not {"size", "checksum", "md5sum"} & result.keys()
        return result

    return run


def failure(result: dict) -> str:
    assert result["failed"]
    return result["msg"]


def test_check_do_check_do(run: t.Callable[..., dict], folder: Path) -> None:
    dest = folder / ".env"
    keys = ["DB_HOST", "DB_PASSWORD", "REDIS_PORT"]

    planned = run(check=True)
    assert planned["changed"]
    assert planned["added"] == keys
    assert not dest.exists()

    done = run()
    assert done == planned
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert dest.read_bytes() == dotenv.render(
        dict(zip(keys, [PARAMETERS["/popcon/DB_HOST"], PARAMETERS["/popcon/db/password"], "6379"])), "compose"
    )
    assert os.listdir(folder) == [".env"]

    before = dest.stat()
    for check in (True, False):
        again = run(check=check)
        assert not again["changed"]
        assert again["diff"] == {}
        assert again["added"] == again["removed"] == again["modified"] == []
    assert dest.stat() == before


def test_the_result_names_keys_versions_and_counts(run: t.Callable[..., dict], ssm: t.Any, folder: Path) -> None:
    ssm.put_parameter(Name="/popcon/DB_HOST", Value="other", Overwrite=True)
    result = run(contract_keys=["DB_HOST"], extra={"IMAGE_TAG": "1.4.2", "REDIS_PORT": 6380})
    nowhere = {"name": None, "path": None, "version": None}
    assert result["rendered"] == [
        {"key": "DB_HOST", "source": "parameter", "name": "/popcon/DB_HOST", "path": "/popcon", "version": 2},
        {"key": "DB_PASSWORD", "source": "parameter", "name": "/popcon/db/password", "path": "/popcon", "version": 1},
        {"key": "IMAGE_TAG", "source": "extra", **nowhere},
        {"key": "REDIS_PORT", "source": "extra", **nowhere},
    ]
    assert result["counts"] == {"read": 3, "parameter": 2, "extra": 2, "default": 0}
    assert result["overridden"] == [{"key": "REDIS_PORT", "name": "/popcon/REDIS_PORT", "by": "extra"}]
    assert result["unknown"] == ["DB_PASSWORD", "IMAGE_TAG", "REDIS_PORT"]
    assert result["file"] == str(folder / ".env")


def test_the_diff_names_keys_only(run: t.Callable[..., dict], ssm: t.Any, folder: Path) -> None:
    run()
    ssm.put_parameter(Name="/popcon/db/password", Value=f"new {CANARY}", Overwrite=True)
    ssm.put_parameter(Name="/popcon/NEW", Value=CANARY, Type="String")
    ssm.delete_parameter(Name="/popcon/REDIS_PORT")
    (folder / ".env").chmod(0o644)
    result = run()
    assert (result["added"], result["removed"], result["modified"]) == (["NEW"], ["REDIS_PORT"], ["DB_PASSWORD"])
    assert result["diff"]["prepared"].replace(f"{folder}/", "") == (
        ".env: NEW (added)\n.env: REDIS_PORT (removed)\n.env: DB_PASSWORD (modified)\n.env: (mode or owner changed)\n"
    )


def test_a_drifted_mode_is_mended_and_reported(run: t.Callable[..., dict], folder: Path) -> None:
    run()
    (folder / ".env").chmod(0o644)
    assert run(check=True)["changed"]
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o644
    result = run()
    assert result["changed"]
    assert result["modified"] == []
    assert "mode or owner" in result["diff"]["prepared"]
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert not run()["changed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_and_group(run: t.Callable[..., dict], folder: Path) -> None:
    assert run(owner="65534", group="12345", mode="0640")["changed"]
    info = (folder / ".env").stat()
    assert (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (65534, 12345, 0o640)
    assert not run(owner="65534", group="12345", mode="0640")["changed"]
    assert "belongs to user 65534" in failure(run())


def test_what_a_killed_run_left_is_cleared_though_nothing_changed(run: t.Callable[..., dict], folder: Path) -> None:
    run()
    (folder / "..env.new").write_text("half of a")
    run(check=True)
    assert (folder / "..env.new").exists()
    assert not run()["changed"]
    assert os.listdir(folder) == [".env"]


def test_contract_file(run: t.Callable[..., dict], folder: Path) -> None:
    contract = folder / ".env.example"
    contract.write_text("# the app\nDB_HOST=\nDB_PASSWORD=\nREDIS_PORT=1\nLOG_LEVEL=info\n")
    result = run(contract=str(contract), unknown_keys="refuse")
    assert [entry["source"] for entry in result["rendered"] if entry["key"] == "LOG_LEVEL"] == ["default"]
    assert result["counts"]["default"] == 1
    assert b'LOG_LEVEL="info"\n' in (folder / ".env").read_bytes()
    assert b'REDIS_PORT="6379"\n' in (folder / ".env").read_bytes()


def test_a_broken_contract_leaves_the_file(run: t.Callable[..., dict], folder: Path) -> None:
    run()
    before = (folder / ".env").stat()
    assert failure(run(contract_keys=["DB_HOST", "B", "A"])) == "Required by the contract, but missing or empty: A, B."
    assert "Not in the contract: DB_PASSWORD" in failure(run(contract_keys=["DB_HOST"], unknown_keys="refuse"))
    assert "is not there" in failure(run(contract=str(folder / "none")))
    (folder / "link").symlink_to("/etc/passwd")
    assert "symbolic link" in failure(run(contract=str(folder / "link")))
    assert (folder / ".env").stat() == before


def test_unknown_keys_warn(run: t.Callable[..., dict]) -> None:
    result = run(contract_keys=["DB_HOST"])
    assert "Not in the contract: DB_PASSWORD, REDIS_PORT." in json.dumps(result["warnings"])
    assert "deprecations" not in result


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": ["/nope"]}, "No parameters under /nope in ap-northeast-2."),
        ({"path": ["popcon"]}, "'popcon' is not a parameter path"),
        ({"dest": "/nope/.env"}, "Cannot enter /nope: No such file or directory."),
        ({"dest": "relative"}, "'relative' is not an absolute path"),
        ({"format": "raw"}, "The format raw cannot carry the value of DB_PASSWORD (it has a line feed)."),
        ({"include": ["x*"]}, "leave no parameter"),
        ({"rename": {"x": "X"}}, "Named in rename, but not among the parameters read: x."),
        ({"rename": {"db/password": "DB_HOST"}}, "both make DB_HOST"),
        ({"pins": {"DB_HOST": 9}}, "do not exist: /popcon/DB_HOST:9."),
        ({"pins": {"DB_HOST": "no-label"}}, "do not exist: /popcon/DB_HOST:no-label."),
        (
            {"extra": {"COMPOSE_FILE": "x"}},
            "would steer compose, docker or the shell instead of the app: COMPOSE_FILE.",
        ),
        ({"extra": {"A": [1]}}, "In extra, not a valid key with a text, number or boolean: A."),
        ({"owner": "nobody-at-all"}, "There is no user nobody-at-all"),
        ({"mode": "0644"}, "value of mode must be one of: 0600, 0640"),
        ({"mode": "0640"}, "mode is 0640 but all of the following are missing: group"),
        (
            {"unknown_keys": "refuse"},
            "unknown_keys is refuse but any of the following are missing: contract, contract_keys",
        ),
        ({"contract": "/x", "contract_keys": ["A"]}, "mutually exclusive"),
    ],
)
def test_errors(run: t.Callable[..., dict], folder: Path, options: dict, words: str) -> None:
    assert words in failure(run(**options))
    assert not (folder / ".env").exists()


def test_reserved_keys_can_be_allowed(run: t.Callable[..., dict], folder: Path) -> None:
    run(extra={"COMPOSE_PROJECT_NAME": "popcon"}, allow_keys=["COMPOSE_PROJECT_NAME"])
    assert b'COMPOSE_PROJECT_NAME="popcon"\n' in (folder / ".env").read_bytes()


def test_pins_bring_back_what_an_earlier_run_rendered(run: t.Callable[..., dict], ssm: t.Any, folder: Path) -> None:
    recorded = run()["rendered"]
    before = (folder / ".env").read_bytes()
    ssm.put_parameter(Name="/popcon/db/password", Value="newer", Overwrite=True)
    ssm.label_parameter_version(Name="/popcon/db/password", ParameterVersion=1, Labels=["current"])
    for pins in ({entry["name"]: entry["version"] for entry in recorded}, {"db/password": "current"}):
        assert run()["modified"] == ["DB_PASSWORD"]
        assert run(pins=pins)["modified"] == ["DB_PASSWORD"]
        assert (folder / ".env").read_bytes() == before


def test_the_documentation_describes_each_format() -> None:
    option = yaml.safe_load(ssm_env_render.DOCUMENTATION)["options"]["format"]
    described = [match[1] for match in map(re.compile(r"V\((\w+)\)").match, option["description"]) if match]
    assert option["choices"] == described == list(FORMATS)


def test_an_unforeseen_exception_tells_no_value(run: t.Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    def leak(values: dict, _format: str) -> bytes:
        raise ValueError(repr(values))

    monkeypatch.setattr(dotenv, "render", leak)
    assert failure(run(_ansible_tracebacks_for=["error", "warning"])).startswith(
        "Unforeseen ValueError in test_ssm_env_render.py"
    )


def test_aws_failures_are_sentences(run: t.Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: t.Any, **_more: t.Any) -> None:
        raise NoCredentialsError

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", fail)
    assert failure(run()).startswith(
        "Cannot read the parameters under /popcon in ap-northeast-2: there are no AWS credentials."
    )


def test_a_missing_boto3_names_the_package(run: t.Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "HAS_BOTO3", False)
    assert "Install the package python3-boto3" in failure(run())


@pytest.mark.parametrize("task", yaml.safe_load(ssm_env_render.EXAMPLES), ids=lambda task: task["name"])
def test_examples(run: t.Callable[..., dict], ssm: t.Any, folder: Path, task: dict) -> None:
    """Each example works twice, and the second time changes nothing."""
    (folder / ".env.example").write_text(
        "DB_HOST=\nDB_PASSWORD=\nREDIS_PORT=\nMYSQL_ROOT_PASSWORD=x\nIMAGE_TAG=latest\n"
    )
    for name in [
        *("DB_HOST", "DB_PASSWORD", "REDIS_HOST", "REDIS_PORT", "JAVA_OPTS", "JAVA_OPTS", "JAVA_OPTS", "JAVA_OPTS"),
        *("common/DB_HOST", "common/REDIS_PORT"),
        *("prod/DB_HOST", "prod/DB_PASSWORD", "prod/db/root-password", "prod/internal/x"),
    ]:
        ssm.put_parameter(Name=f"/popcon/{name}", Value="x", Type="String", Overwrite=True)
    ssm.label_parameter_version(Name="/popcon/DB_PASSWORD", Labels=["current"])
    ssm.delete_parameter(Name="/popcon/db/password")
    options = dict(task["popcon.deploy.ssm_env_render"])
    for option in {"dest", "contract"} & options.keys():
        options[option] = str(folder / Path(options[option]).name)
    if "group" in options:
        options["group"] = grp.getgrgid(os.getegid()).gr_name
    assert run(**options)["changed"]
    assert not run(**options)["changed"]
