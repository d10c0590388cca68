"""What is measured in which order, on a stage that only notes what it is asked; and what is kept of it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import shutil

import pytest

pytest.importorskip("boto3", reason="no boto3")

from ansible_collections.popcon.deploy.benchmarks import __main__ as bench
from ansible_collections.popcon.deploy.benchmarks import deploys, growth, report, stage
from ansible_collections.popcon.deploy.benchmarks.ways import OURS, SCRIPT, USUAL, WAYS
from ansible_collections.popcon.deploy.tests.e2e.controller import ROOT, Run

COUNTERS = {
    "sessions": 1, "lines": 22, "api": {"ssm:StartSession": 1}, "s3": {"put": 1, "uploaded_bytes": 10}, "registry": {},
}  # fmt: skip


class Stage:
    """A stage without a lab. It is its own controller."""

    def __init__(self, repository, fails=None):
        self.controller, self.repository, self.fails, self.done = self, repository, fails, []

    def deploy(self, way, *arguments, hosts=()):
        self.done.append(f"{way} {''.join(map(str, hosts))}".strip())
        return Run(2 if way == self.fails else 0, "h : ok=9 changed=0 failed=0\n")

    def playbook(self, name, *arguments, hosts=()):
        self.done.append(name)
        return Run(0, "")

    def measure(self, run, host=0, served=None):
        done = run()
        return stage.Cost(done.status, 1.0, None if served is None else 2.0, 9, COUNTERS)

    def push(self, service, fault="none"):
        self.done.append(f"push {service}")
        return "7"

    def set_parameter(self, name, value):
        self.done.append(f"set {name}")

    def settings(self, session_first_output_delay_seconds):
        self.done.append(f"delay {session_first_output_delay_seconds}")

    def on_host(self, *command, host):
        self.done.append(f"copy to {command[-1]}")

    @contextlib.contextmanager
    def commit(self, message):
        before = self.content()
        yield self.repository
        assert self.content() != before, "git refuses a commit of nothing"
        self.done.append("commit")

    def content(self):
        return {path: path.read_bytes() for path in self.repository.rglob("*") if path.is_file()}


@pytest.fixture
def repository(tmp_path):
    return shutil.copytree(ROOT / "lab/app/gitops", tmp_path / "gitops")


def test_every_change_is_made_once_and_deployed_in_each_way_which_take_turns(repository):
    lab = Stage(repository)
    rows = list(deploys.rounds(lab, 2, 1))
    turns = [[OURS, USUAL, SCRIPT], [USUAL, SCRIPT, OURS]]
    changes = [[], ["set JAVA_OPTS"], ["push backend"], ["commit"]]
    assert lab.done == ["delay 1", *(done for turn in turns for change in changes for done in change + turn), "delay 0"]
    assert [(row["case"], row["way"], row["delay"], row["served"]) for row in rows[:4]] == [
        ("no change", OURS, 1, None), ("no change", USUAL, 1, None), ("no change", SCRIPT, 1, None),
        ("a setting", OURS, 1, 2.0),
    ]  # fmt: skip
    assert "SPRING_PROFILES_ACTIVE: bench-" in (repository / "docker-compose.yml").read_text()


def test_a_failed_run_ends_the_part_and_the_delay(repository):
    lab = Stage(repository, fails=USUAL)
    with pytest.raises(RuntimeError, match="no change with usual playbook failed with status 2"):
        list(deploys.refuse_failures(deploys.rounds(lab, 1, 1)))
    assert lab.done == ["delay 1", OURS, USUAL, "delay 0"]


def test_what_tells_that_a_change_is_served(repository):
    changes = deploys.Changes(Stage(repository))
    assert changes.make("no change") is None
    seen = {"backend": {"version": "7", "settings": {"JAVA_OPTS": "-Xmx1m"}}}
    assert changes.make("an image")(seen) and not changes.make("a setting")(seen)


def test_hosts_grow_with_ours_only(repository):
    lab = Stage(repository)
    rows = list(growth.by_hosts(lab))
    assert {row["way"] for row in rows} == {OURS}
    measured = [
        done
        for number in ("0", "01", "0123")
        for done in [f"{OURS} {number}"] * 4 + ["set JAVA_OPTS", f"{OURS} {number}"]
    ]
    assert lab.done == measured


def test_services_grow_in_every_way_and_are_taken_back(repository):
    own = (repository / "docker-compose.yml").read_text()
    lab = Stage(repository)
    rows = list(growth.by_services(lab))
    assert {(row["number"], row["case"], row["way"]) for row in rows} == {
        (number, case, way) for number in growth.SERVICES for case in ("no change", "a setting") for way in WAYS
    }
    assert (repository / "docker-compose.yml").read_text() == own


@pytest.fixture
def results(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="no matplotlib (requirements/bench.txt)")
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "numbers.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "numbers.md")


def test_a_part_is_kept_with_those_of_before_and_its_page(results, repository):
    report.save({"modules": report.load().get("modules") or {"about": bench._about(60), "rows": []}})
    numbers = report.load()
    assert bench._measure(numbers, "time", lambda: deploys.rounds(Stage(repository), 1, 0))
    assert {*report.load()} == {"modules", "time"}
    page = report.PAGE.read_text()
    assert page == report.page(report.load()) and "no change: ours to deploy.sh" in page
    assert (report.FOLDER / "time.svg").exists()


def test_a_part_that_fails_leaves_what_was_known_of_it(results, repository, capsys):
    report.save({"time": {"about": bench._about(60), "rows": []}})
    numbers = report.load()
    failing = deploys.refuse_failures(deploys.rounds(Stage(repository, fails=SCRIPT), 1, 0))
    assert not bench._measure(numbers, "time", lambda: failing)
    assert report.load()["time"]["rows"] == []
    assert "deploy.sh failed with status 2" in capsys.readouterr().err
