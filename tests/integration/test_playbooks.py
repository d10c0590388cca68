"""The modules as playbooks use them: the examples of their documentation, and the defaults of their action group."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import importlib
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

boto3 = pytest.importorskip("boto3", reason="no boto3")
pytest.importorskip("moto.server", reason="no moto (pip install 'moto[server,ec2,ssm,sts]')")

from ansible_collections.popcon.deploy.plugins.modules import ecr_login, ssm_env_render
from ansible_collections.popcon.deploy.tests.integration.emulators import CREDENTIALS, REGION, environment_without_aws
from ansible_collections.popcon.deploy.tests.integration.plays import COLLECTIONS_PATH, play
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    make_certificate,
    serve_aws,
    serve_registries,
)

COLLECTION = Path(ecr_login.__file__).parents[2]
GROUP = "group/popcon.deploy.deploy"


@pytest.fixture
def run(tmp_path: Path) -> t.Callable[..., list[dict]]:
    """Run tasks as a play on this machine and return their results, in order."""
    tmp_path.chmod(0o755)

    def run(tasks: list[dict], defaults: dict, **environment: str) -> list[dict]:
        environment = {**environment_without_aws(), **CREDENTIALS, **environment}
        # Whoever runs the tests is as good as root here.
        return play(tmp_path, tasks, environment, module_defaults=defaults, vars={"ansible_become": False})

    return run


def examples(module: t.Any) -> list[dict]:
    return yaml.safe_load(module.EXAMPLES)


def test_the_examples_of_ssm_env_render(moto: str, run: t.Callable[..., list[dict]], tmp_path: Path) -> None:
    """As they are in the documentation, but for the paths and the group, which this machine may not have."""
    ssm = boto3.client(
        "ssm", endpoint_url=moto, region_name=REGION, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="none"
    )
    names = ("DB_PASSWORD", "REDIS_HOST", "REDIS_PORT", "common/DB_HOST", "prod/DB_HOST", "prod/db/root-password")
    for name in (*names, "prod/internal/x", *["JAVA_OPTS"] * 4):
        ssm.put_parameter(Name=f"/popcon/{name}", Value="x", Type="SecureString", Overwrite=True)
    ssm.label_parameter_version(Name="/popcon/DB_PASSWORD", Labels=["current"])
    contract = "DB_HOST=x\nMYSQL_ROOT_PASSWORD=x\nIMAGE_TAG=latest\n"  # pragma: allowlist secret
    (tmp_path / ".env.example").write_text(contract)
    tasks = examples(ssm_env_render)
    for task in tasks:
        # What the second example reads lies below the path of the others.
        options = task["popcon.deploy.ssm_env_render"]
        if options["path"] == "/popcon":
            options["exclude"] = ["common/*", "prod/*"]
        for option in {"dest", "contract"} & options.keys():
            options[option] = str(tmp_path / Path(options[option]).name)
        if "group" in options:
            options["group"] = grp.getgrgid(os.getegid()).gr_name
    results = run(tasks, {"popcon.deploy.ssm_env_render": {"endpoint_url": moto}})
    assert [result.get("msg", result["changed"]) for result in results] == [True] * len(tasks)
    assert (tmp_path / "worker.env").stat().st_mode & 0o777 == 0o640


def test_the_examples_of_ecr_login(run: t.Callable[..., list[dict]], tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    tasks = examples(ecr_login)
    with serve_registries(certificate) as (registry, proxy), serve_aws() as aws:
        aws.be_known_to(registry)
        results = run(
            tasks,
            {
                "popcon.deploy.ecr_login": {
                    "config_path": str(tmp_path / ".docker/config.json"),
                    "endpoint_url": aws.url,
                }
            },
            HTTPS_PROXY=proxy,
            SSL_CERT_FILE=str(certificate),
        )
    assert [result.get("msg", result["changed"]) for result in results] == [True] * len(tasks)
    assert [len(result["registries"]) for result in results] == [1, 3]


def documentation() -> dict[str, dict]:
    """What the collection's modules say of themselves: by their names, what ansible-doc has."""
    modules = [f"popcon.deploy.{path.stem}" for path in (COLLECTION / "plugins/modules").glob("*.py")]
    done = subprocess.run(
        ["ansible-doc", "--json", *modules],
        env={**environment_without_aws(), "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS_PATH},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return {name.rpartition(".")[2]: page for name, page in json.loads(done.stdout).items()}


def group(name: str = "deploy", extends: tuple[str, ...] = ("amazon.aws.aws",)) -> list[str]:
    """The action group's modules, without the groups it extends."""
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    *modules, rest = runtime["action_groups"][name]
    assert rest == {"metadata": {"extend_group": list(extends)}}
    return modules


def test_the_group_of_what_provisions_has_exactly_the_aws_modules_that_mark_what_they_make() -> None:
    owning = [name for name, page in documentation().items() if {"region", "adopt"} <= page["doc"]["options"].keys()]
    assert group("provision", ("amazon.aws.aws", "community.aws.aws")) == sorted(owning)


def test_the_group_has_exactly_the_aws_modules_that_run_on_hosts() -> None:
    """Those with the option `region` that aren't actions of the controller, nor delegated to it in their examples."""

    def runs_on_hosts(module: str, page: dict) -> bool:
        if (COLLECTION / f"plugins/action/{module}.py").exists():
            action = importlib.import_module(f"ansible_collections.popcon.deploy.plugins.action.{module}")
            if not action.ActionModule._requires_connection:
                return False
        uses = [task for task in yaml.safe_load(page["examples"]) if f"popcon.deploy.{module}" in task]
        assert uses, module
        return all(task.get("delegate_to") != "localhost" for task in uses)

    expected = [
        module
        for module, page in documentation().items()
        if "region" in page["doc"]["options"] and "adopt" not in page["doc"]["options"] and runs_on_hosts(module, page)
    ]
    assert group() == sorted(expected)


# What each module of the group does without a region of its own, and where its result tells the region it worked in.
ASKING = {
    "popcon.deploy.compose_release": (
        {"project": "app", "project_dir": "/nonexistent/app", "parameter_paths": ["/none"]},
        lambda result: result["msg"],
    ),
    "popcon.deploy.deploy_host_info": (
        {"token_parameter": "/none"},
        lambda result: result["problems"][0],
    ),
    "popcon.deploy.ecr_login": (
        {"config_path": "/nonexistent/config.json"},
        lambda result: result["registries"][0]["name"],
    ),
    "popcon.deploy.gitops_checkout": (
        {
            "repository": "https://git.popcon.invalid/x.git",
            "dest": "/nonexistent/app",
            "token_parameter": "/none",
            "scratch_dir": "/nonexistent/scratch",
        },
        lambda result: result["msg"],
    ),
    "popcon.deploy.secret_rotation": (
        {
            "path": ["/none"],
            "secrets": {"A": {"strategy": "plain"}},
            "rotate": ["A"],
            "phase": "plan",
            "project": "app",
            "state_dir": "/nonexistent/state",
        },
        lambda result: result["msg"],
    ),
    "popcon.deploy.ssm_env_render": (
        {"path": "/none", "dest": "/nonexistent/.env"},
        lambda result: result["msg"],
    ),
    "amazon.aws.aws_az_info": ({}, lambda result: result["availability_zones"][0]["region_name"]),
}


def test_the_defaults_of_the_group_reach_all_its_modules(moto: str, run: t.Callable[..., list[dict]]) -> None:
    """And those of the group it extends. Nothing else says the region: no environment, no profile."""
    assert {name for name in ASKING if name.startswith("popcon.")} == {f"popcon.deploy.{name}" for name in group()}
    tasks = [
        {"name": name, name: options, "ignore_errors": True, "check_mode": True}
        for name, (options, _region) in ASKING.items()
    ]
    results = run(tasks, {GROUP: {"region": "eu-west-3", "endpoint_url": moto}})
    for (name, (_options, region)), result in zip(ASKING.items(), results):
        assert "eu-west-3" in region(result), (name, result)
    (unset,) = run([task for task in tasks if "amazon.aws.aws_az_info" in task], {}, AWS_ENDPOINT_URL=moto)
    assert unset["failed"]
