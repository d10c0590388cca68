"""The workflows run what the README documents, with no more rights than they need; and the callers in the docs fit them."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
GITHUB = ROOT / ".github"
GUIDE = ROOT / "docs/github-actions.md"
BIN = Path(sys.executable).parent
OURS = "popcon/popcon.deploy/.github/workflows/"

READ = {"contents": "read"}
TOKEN = {**READ, "id-token": "write"}
PERMISSIONS = {
    "apply": TOKEN, "build": TOKEN, "ci": READ, "deploy": TOKEN, "plan": {**TOKEN, "pull-requests": "write"}, "rotate": TOKEN,
}  # fmt: skip
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((GITHUB / "workflows").glob("*.yml"))}
CALLED = sorted(set(WORKFLOWS) - {"ci"})
CONTROLLER = yaml.safe_load((GITHUB / "actions/controller/action.yml").read_text())


def on(workflow):
    """What starts a workflow; YAML 1.1 reads its key as true."""
    return workflow[True]


def job_of(name):
    (job,) = WORKFLOWS[name]["jobs"].values()
    return job


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def documented():
    """The commands in the README, without the remarks behind them."""
    lines = "".join(blocks(ROOT / "README.md", "sh")).splitlines()
    return {re.sub(r"\s+#.*", "", line).strip() for line in lines}


def commands(run):
    """The commands of a step, with what a user would type in place of variables, and without where their output goes."""
    run = run.replace("\\\n", " ").replace('"$INVENTORY"', "inventories/dev")
    run = run.replace('"rotate=[$ROTATE]"', "'rotate=[DB_PASSWORD]'")
    for line in run.strip().splitlines():
        command = re.sub(r" 2>&1 \| tee .*", "", line)
        yield re.sub(r"\s+", " ", command.removeprefix('python "$SCRIPTS/with_values.py"')).strip()


def callers():
    """The workflows in the guide, by the file that each is to be."""
    named = r"^`\.github/workflows/(\S+\.yml)`.*?^```yaml\n(.*?)^```$"
    return dict(re.findall(named, GUIDE.read_text(), re.MULTILINE | re.DOTALL))


def test_there_are_the_workflows_that_the_guide_lists():
    linked = re.findall(r"\.\./\.github/workflows/(\S+)\.yml", GUIDE.read_text())
    assert sorted(linked) == CALLED == ["apply", "build", "deploy", "plan", "rotate"]


@pytest.mark.parametrize("name", CALLED)
def test_the_command_is_one_of_the_readme(name):
    runs = [step["run"] for step in job_of(name)["steps"] if "run" in step and step["name"] != "Comment"]
    assert len(runs) == 1
    (command,) = commands(runs[0])
    assert command in documented()


def test_the_controller_is_made_as_in_the_readme():
    install = next(step["run"] for step in CONTROLLER["runs"]["steps"] if step.get("name", "").startswith("Install"))
    assert len(list(commands(install))) == 3
    assert set(commands(install)) <= documented()


def test_ci_runs_what_anybody_runs():
    job = job_of("ci")
    assert [step["run"] for step in job["steps"] if "run" in step] == ['make "$TARGET"']
    variants = job["strategy"]["matrix"]["include"]
    targets = [variant["target"] for variant in variants]
    assert targets == ["test", "test-e2e", "test-molecule", "test-matrix", "test-matrix"]
    # `make test` is with the newest one.
    assert [variant["core"] for variant in variants if "core" in variant] == ["3.12", "next"]
    assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in targets)


@pytest.mark.parametrize("path", [*GITHUB.rglob("*.yml")], ids=lambda path: path.parent.name + "/" + path.name)
def test_actions_are_pinned_and_scripts_take_nothing_but_variables(path):
    text = path.read_text()
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    for reference in uses:
        assert re.fullmatch(r"\$/\.github/actions/controller|[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", reference)
    for run in re.findall(r"run: \|\n((?: {8,}.*\n)+)|run: (.*)", text):
        assert "${{" not in "".join(run)


def test_an_action_has_one_hash_everywhere():
    found = {}
    for path in GITHUB.rglob("*.yml"):
        for action, rest in re.findall(r"uses: ([\w.-]+/[\w.-]+)(@.*)", path.read_text()):
            found.setdefault(action, set()).add(rest)
    assert {action: len(pins) for action, pins in found.items()} == {
        "actions/checkout": 1, "actions/setup-python": 1, "aws-actions/configure-aws-credentials": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", WORKFLOWS)
def test_rights(name):
    assert WORKFLOWS[name]["permissions"] == {}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["permissions"] == PERMISSIONS[name]
        assert job["timeout-minutes"] <= 90
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False]
        # By these a host's record knows the run.
        environments = [job.get("env", {}), *(step.get("env", {}) for step in job["steps"])]
        assert not [key for environment in environments for key in environment if key.startswith(("GITHUB_", "AWS_"))]


@pytest.mark.parametrize("name", CALLED)
def test_one_at_a_time(name):
    job = job_of(name)
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["concurrency"]["cancel-in-progress"] == (name == "plan")
    groups = {name: job_of(name)["concurrency"]["group"] for name in CALLED}
    assert groups["deploy"] == groups["rotate"]
    assert len(set(groups.values())) == len(groups) - 1


def test_a_plan_is_for_pull_requests_of_the_repository_itself():
    assert job_of("plan")["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def test_secrets_are_where_they_are_used_only():
    for name in CALLED:
        steps = [
            step["name"] for step in job_of(name)["steps"] if "secrets." in str(step) or "github.token" in str(step)
        ]
        assert steps == {"apply": ["Apply"], "plan": ["Plan", "Comment"]}.get(name, [])


def test_the_callers_of_the_guide_fit():
    seen = set()
    for name, text in callers().items():
        caller = yaml.safe_load(text)
        assert caller["permissions"] == {}, name
        for job in caller["jobs"].values():
            if "uses" not in job:
                continue
            callee, _at, commit = job["uses"].removeprefix(OURS).partition(".yml@")
            assert re.fullmatch("[0-9a-f]{40}", commit)
            seen.add(callee)
            wanted = on(WORKFLOWS[callee])["workflow_call"]
            assert set(job["with"]) == set(wanted["inputs"]), (name, callee)
            assert set(job.get("secrets", {})) == set(wanted.get("secrets", {})), (name, callee)
            assert job["permissions"] == PERMISSIONS[callee]
    assert sorted(seen) == CALLED


def test_a_pull_request_gets_no_secret():
    jobs = yaml.safe_load(callers()["infrastructure.yml"])["jobs"]
    assert "secrets." in str(jobs["apply"])
    assert "secrets." not in str(jobs["plan"])
    assert set(json.loads(jobs["plan"]["secrets"]["values"]).values()) == {"-"}


def test_the_linters_find_nothing_in_the_callers_of_the_guide(tmp_path):
    workflows = tmp_path / ".github/workflows"
    workflows.mkdir(parents=True)
    # By this actionlint knows a repository.
    (tmp_path / ".git").mkdir()
    for name, text in callers().items():
        (workflows / name).write_text(text)
    assert len(list(workflows.iterdir())) == 4
    for linter, *options in (["actionlint"], ["zizmor", "--offline", "--quiet", ".github"]):
        program = shutil.which(linter, path=str(BIN))
        done = subprocess.run([program, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


STUB = """#!/bin/sh
echo "what it prints"
for argument in "$@"; do printf '%s\\n' "$argument"; done > "$ARGUMENTS"
printf '%s' "$POPCON_DB_PASSWORD" > "$ARGUMENTS.password"
exit 3
"""
# A folder's name, and nothing that a shell takes for more.
INVENTORY = "inventories/a b; $(touch bad) `touch bad`"
ARGUMENTS = {
    "apply": ["popcon.deploy.provision", "-i", INVENTORY],
    "build": ["popcon.deploy.build", "-i", INVENTORY],
    "deploy": ["popcon.deploy.deploy", "-i", INVENTORY],
    "plan": ["popcon.deploy.provision", "-i", INVENTORY, "--check", "--diff"],
    "rotate": ["popcon.deploy.rotate_secrets", "-i", INVENTORY, "-e", "rotate=[DB_PASSWORD,DB_ROOT_PASSWORD]"],
}


@pytest.mark.parametrize("name", CALLED)
def test_what_the_shell_of_a_step_runs(name, tmp_path):
    """With a stand-in for the playbook that fails: its arguments, and that the step fails with it."""
    stub = tmp_path / "bin/ansible-playbook"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    (run,) = (step["run"] for step in job_of(name)["steps"] if "run" in step and step["name"] != "Comment")
    environment = {
        "PATH": f"{stub.parent}:{BIN}:{os.environ['PATH']}", "ARGUMENTS": str(tmp_path / "arguments"),
        "RUNNER_TEMP": str(tmp_path), "SCRIPTS": str(GITHUB / "scripts"), "INVENTORY": INVENTORY,
        "ROTATE": "DB_PASSWORD,DB_ROOT_PASSWORD", "VALUES": json.dumps({"POPCON_DB_PASSWORD": 'p"$w'}),
    }  # fmt: skip
    assert job_of(name)["defaults"]["run"]["shell"] == "bash"
    # As GitHub runs that shell.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout == "what it prints\n"
    assert (tmp_path / "arguments").read_text().splitlines() == ARGUMENTS[name]
    assert not (tmp_path / "bad").exists()
    assert (tmp_path / "arguments.password").read_text() == ('p"$w' if name in ("apply", "plan") else "")
    if name == "plan":
        assert (tmp_path / "plan.txt").read_text() == "what it prints\n"
