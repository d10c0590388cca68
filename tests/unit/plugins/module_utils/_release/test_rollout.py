"""A rollout from lock to record on a host that is played; what real ones do is seen in the lab."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import ComposeError
from ansible_collections.popcon.deploy.plugins.module_utils._release import host as _host
from ansible_collections.popcon.deploy.plugins.module_utils._release import http_check
from ansible_collections.popcon.deploy.plugins.module_utils._release import rollout as _rollout
from ansible_collections.popcon.deploy.plugins.module_utils._release.difference import texts
from ansible_collections.popcon.deploy.plugins.module_utils._release.http_check import HttpCheck
from ansible_collections.popcon.deploy.plugins.module_utils._release.record import Image, Record, Result
from ansible_collections.popcon.deploy.plugins.module_utils._release.records import Records
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import Job, Project, Target
from ansible_collections.popcon.deploy.plugins.module_utils._settings.render import Rendered
from ansible_collections.popcon.deploy.plugins.module_utils._settings.settings import Settings
from ansible_collections.popcon.deploy.plugins.module_utils._status.up_to_date import Sources, changes
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.fake_host import FakeEngine, FakeHost

SERVICES = {"web": {"image": "reg.x/web:1", "env": "KEY"}, "db": {"image": "reg.x/db:1"}}


def digest(letter):
    return "sha256:" + letter * 64


def pinned(service, letter):
    return f"reg.x/{service}@{digest(letter)}"


def short(service, letter):
    return pinned(service, letter)[: len(f"reg.x/{service}@sha256:") + 12]


DIGESTS = {"reg.x/web:1": pinned("web", "1"), "reg.x/db:1": pinned("db", "2")}


class Story:
    """A host, and a controller that deploys to it."""

    def __init__(self, host):
        self.host, self.said, self._runs = host, [], 0
        self.records = Records(str(host.state), "app")
        host.tags = {"reg.x/web:1": digest("1"), "reg.x/db:1": digest("2")}
        host.checkout(host.commit("a", SERVICES))
        self.settings("KEY=hunter2\n")

    def settings(self, text):
        (self.host.folder / ".env").write_text(text)
        (self.host.folder / ".env").chmod(0o600)

    def env(self):
        return (self.host.folder / ".env").read_text()

    def project(self, run=None, **changed):
        self._runs += run is None
        fields = {
            "name": "app",
            "folder": str(self.host.folder),
            "env_file": f"{self.host.folder}/.env",
            "state_dir": str(self.host.state),
            "wait_seconds": 5,
            "service_wait_seconds": {},
            "pull_seconds": 9,
            "lock_wait_seconds": 0,
            "keep_releases": 5,
            "log_lines": 20,
            "run": run or f"run{self._runs}",
            "by": "alice",
            "started_from": "laptop",
        }
        return Project(**{**fields, **changed})

    def rollout(self, **changed):
        return _rollout.Rollout(self.project(**changed), self.said.append)

    def target(self, commit=None, **changed):
        """A target at a commit that is staged, or at what is in the folder."""
        tree = self.host.folder
        if commit:
            tree = self.host.folder.parent / "staged"
            self.host.checkout(commit, tree)
        fields = {"action": "deploy", "tree": str(tree), "files": ["compose.json"]}
        return Target(**{**fields, "commit": commit or self.host.head, **changed})

    def deploy(self, commit=None, project=None, **changed):
        return self.rollout(**(project or {})).run(self.target(commit, **changed))

    def push(self, service, letter, broken=False):
        self.host.tags[f"reg.x/{service}:1"] = digest(letter)
        if broken:
            self.host.broken.add(pinned(service, letter))

    def results(self):
        return [(record.number, record.action, record.result.value) for record in self.records.all()]

    def audit(self):
        return [(line["action"], line["release"], line["result"]) for line in reversed(self.records.history(50))]


@pytest.fixture
def story(tmp_path, monkeypatch):
    host = FakeHost(tmp_path)
    host.patch(monkeypatch, _rollout)
    return Story(host)


def rendering(text, unknown=()):
    """What makes settings of a text, and the folders it was given."""
    folders = []

    def render(tree):
        folders.append(tree)
        sources = [{"key": "KEY", "source": "parameter", "name": "/app/KEY", "version": 2}]
        return Rendered(Settings.parse(text.encode(), "rendered", sources), [], list(unknown), 1)

    return render, folders


def test_a_first_release_is_recorded(story):
    result = story.deploy(render=rendering("KEY=hunter2\n")[0], ref="main")
    assert result["changed"] and result["release"] == 1 and result["plan"] == ["create web", "create db"]
    assert sorted(result["pulled"]) == ["db", "web"]
    record = story.records.get(1)
    assert record.images["web"] == ("reg.x/web:1", pinned("web", "1"))
    assert (record.commit, record.by, record.started_from, record.ref) == ("a" * 40, "alice", "laptop", "main")
    assert record.versions == {"/app/KEY": 2} and record.succeeded and record.ended
    assert record.definitions.keys() == {"web", "db"}
    assert story.records.settings_of(1).content == b"KEY=hunter2\n"
    assert story.audit() == [("deploy", 1, "succeeded")]
    assert "hunter2" not in json.dumps([record.to_json(), story.records.history(9), story.said, result])


def test_nothing_to_do_is_no_release(story):
    story.deploy()
    before, story.host.done = story.host.images(), []
    result = story.deploy()
    assert not result["changed"] and result["release"] == 1 and story.results() == [(1, "deploy", "succeeded")]
    assert story.host.images() == before and set(story.host.done) <= {"engine"}


def test_check_mode_tells_and_touches_nothing(story):
    story.deploy()
    story.push("web", "3")
    story.host.done = []
    seen = story.rollout().dry_run(story.target(story.host.commit("b", SERVICES)))
    assert seen["changed"] and seen["plan"] == [f"recreate web: image {short('web', '1')} -> {short('web', '3')}"]
    assert seen["differences"] == ["commit aaaaaaaaaaaa -> bbbbbbbbbbbb", "image of web"]
    assert story.host.done == [] and story.results() == [(1, "deploy", "succeeded")]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"render": rendering("KEY=hunter2\n")[0]}, "parameter /app/KEY is new"),
        ({"options_digest": "other"}, "the options of the deploy"),
        ({"http_checks": [HttpCheck("http://127.0.0.1:1/", 200)]}, "the options of the deploy"),
    ],
)
def test_what_no_container_shows_is_a_release_too(story, monkeypatch, changed, said):
    monkeypatch.setattr(http_check, "ask", lambda _url: "status 200")
    story.deploy()
    result = story.deploy(**changed)
    assert result["changed"] and result["plan"] == [] and result["differences"] == [said] and result["release"] == 2
    assert not story.deploy(**changed)["changed"]


def test_a_changed_setting_is_named_and_recreates_what_uses_it(story):
    story.deploy()
    story.settings("KEY=other\n")
    result = story.deploy()
    assert result["differences"] == ["setting KEY"] and [line.split(":")[0] for line in result["plan"]] == [
        "recreate web"
    ]
    assert story.records.settings_of(2).content == b"KEY=other\n"


def test_staged_files_are_switched_after_the_pull_and_the_jobs(story):
    story.deploy()
    story.push("web", "3")
    story.host.done = []
    commit = story.host.commit("b", SERVICES)
    story.deploy(commit, jobs_before=[Job("web", ["migrate"], 9)])
    steps = [step for step in story.host.done if step != "engine"]
    assert steps == ["pull", "job migrate", "switch b", "arm override.json", "up web", "disarm"]
    assert story.host.jobs == [("app-web-job", ["migrate"], pinned("web", "3"))]
    # The job saw the wanted settings beside the wanted files, of which nothing is left.
    assert story.host.job_settings == story.env()
    assert not (story.host.state / "app" / "staged").exists()
    # What a restart of the host would have needed may hold values.
    assert not (story.host.state / "app" / "override.json").exists()


BEFORE = {
    "pull": ("pull", ComposeError("pull", "toomanyrequests hunter2"), "docker compose pull failed: toomanyrequests"),
    "job": ("job migrate", ComposeError("run", "no such column hunter2"), "The job migrate of service web failed"),
}


@pytest.mark.parametrize("case", BEFORE)
def test_a_failure_before_anything_is_touched_touches_nothing(story, case):
    step, error, words = BEFORE[case]
    story.deploy()
    before = dict(story.host.running)
    story.push("web", "3")
    story.host.fail[step] = error
    jobs = [Job("web", ["migrate"], 9)]
    with pytest.raises(DeployError, match=f"(?s)Release 2 was not begun. {words}.* nothing was changed.") as caught:
        story.deploy(story.host.commit("b", SERVICES), jobs_before=jobs, render=rendering("KEY=s3cret\n")[0])
    assert "hunter2" not in str(caught.value)
    assert story.host.running == before and story.host.head == "a" * 40 and story.env() == "KEY=hunter2\n"
    assert not (story.host.state / "app" / "staged").exists()
    assert story.results() == [(1, "deploy", "succeeded"), (2, "deploy", "failed")]
    story.host.fail.clear()
    assert story.deploy(story.host.commit("b", SERVICES))["release"] == 3


def test_an_image_that_does_not_exist_is_no_release_at_all(story):
    story.deploy()
    del story.host.tags["reg.x/web:1"]
    with pytest.raises(DeployError, match="does not exist"):
        story.deploy(render=rendering("KEY=s3cret\n")[0])
    assert story.results() == [(1, "deploy", "succeeded")] and story.env() == "KEY=hunter2\n"


AFTER = {
    "readiness": None,
    "switch": ("switch b", DeployError("the disk is full")),
    "up": ("up web", ComposeError("up", "port is already allocated")),
    "a bug": ("up web", RuntimeError("hunter2")),
}


@pytest.mark.parametrize("case", AFTER)
def test_a_failure_afterwards_puts_the_last_good_release_back(story, case):
    story.deploy()
    old = story.host.images()
    story.push("web", "3", broken=case == "readiness")
    story.settings("KEY=new secret\n")
    if AFTER[case]:
        step, error = AFTER[case]
        story.host.fail[step] = error
        # Putting back must not stumble over the same stone.
        original = story.host.step

        def once(name):
            try:
                original(name)
            finally:
                if name == step:
                    story.host.fail.clear()

        story.host.step = once
    result = story.deploy(story.host.commit("b", SERVICES))
    assert result["failure"].startswith("Release 2 failed. ")
    assert "Rolled back: release 1 runs and is ready." in result["failure"]
    assert result["rolled_back_to"] == 1 and "hunter2" not in json.dumps(result)
    assert story.host.images() == old and story.host.head == "a" * 40 and story.env() == "KEY=hunter2\n"
    assert story.audit() == [
        ("deploy", 1, "succeeded"),
        ("deploy", 2, "failed"),
        ("automatic rollback", 1, "succeeded"),
    ]
    if case == "readiness":
        assert (
            "Service web (container app-web-1) exited with code 1.\nIts last lines:\nsaid ******** at"
            in result["failure"]
        )


def test_a_failed_http_check_is_a_failure(story, monkeypatch):
    story.deploy()
    story.push("web", "3")
    clock = iter(range(10_000))
    monkeypatch.setattr(http_check.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(http_check, "ask", lambda _url: "status 502")
    result = story.deploy(http_checks=[HttpCheck("http://127.0.0.1:3000/health", 200)])
    assert "The HTTP check http://127.0.0.1:3000/health gave status 502 instead of status 200" in result["failure"]
    assert result["rolled_back_to"] == 1


def test_a_rollback_that_fails_too_is_said_first(story):
    story.deploy()
    story.push("web", "3", broken=True)
    story.host.broken.add(pinned("web", "1"))
    result = story.deploy()
    assert result["failure"].startswith(
        "THE ROLLBACK FAILED: this host needs manual intervention now. What runs: db running, web exited"
    )
    assert result["rolled_back_to"] is None
    assert story.audit()[-1] == ("automatic rollback", 1, "failed")


def test_a_first_release_that_fails_is_left_for_a_look(story):
    story.push("web", "1", broken=True)
    result = story.deploy()
    assert "there is no successful release to go back to" in result["failure"] and story.host.running


def test_a_job_after_that_fails_leaves_the_release(story):
    story.host.fail["job warm"] = ComposeError("run", "oops")
    result = story.deploy(jobs_after=[Job("web", ["warm"], 9)])
    assert result["failure"].startswith("Release 1 runs and is ready. But: The job warm of service web failed")
    assert story.results() == [(1, "deploy", "succeeded")]


def test_names_of_services_that_are_not_there_are_refused_first(story):
    with pytest.raises(DeployError, match="A job names worker, which"):
        story.deploy(jobs_before=[Job("worker", ["x"], 9)])
    with pytest.raises(DeployError, match="service_wait_seconds names worker"):
        story.deploy(project={"service_wait_seconds": {"worker": 9}})
    assert story.results() == []


def test_a_release_that_was_cut_short_is_named_and_converges(story):
    story.deploy()
    story.records.begin(story.records.get(1).replace(run="gone"), b"KEY=hunter2\n")
    result = story.deploy()
    assert "Release 2 by alice (laptop)" in result["warnings"][0] and "was cut short" in result["warnings"][0]
    assert result["differences"] == ["the last deploy (2) was interrupted"]
    assert story.results() == [(1, "deploy", "succeeded"), (2, "deploy", "interrupted"), (3, "deploy", "succeeded")]


def test_recovery_of_a_killed_run(story):
    story.deploy()
    story.push("web", "3")
    story.host.fail["up web"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        story.deploy(project={"run": "killed"})
    story.host.fail.clear()
    result = story.rollout(run="killed").recover("was killed (SIGKILL)")
    assert "ended too early (was killed (SIGKILL))" in result["failure"] and result["rolled_back_to"] == 1
    assert story.host.images()["web"] == pinned("web", "1")


def test_recovery_of_a_run_that_had_not_begun_or_was_done(story):
    story.deploy(project={"run": "done"})
    assert "failure" not in story.rollout(run="done").recover("x") and story.results() == [(1, "deploy", "succeeded")]
    (story.host.state / "app" / "staged").mkdir()
    (story.host.state / "app" / "staged" / "settings").write_text("KEY=s3cret\n")
    assert "nothing was changed" in story.rollout(run="early").recover("x")["failure"]
    assert not (story.host.state / "app" / "staged").exists()


def test_recovery_after_another_run_took_over(story):
    story.deploy()
    story.push("web", "3")
    story.host.fail["up web"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        story.deploy(project={"run": "killed"})
    story.host.fail.clear()
    story.deploy(project={"run": "next"})
    assert story.rollout(run="killed").recover("x")["failure"].endswith("Another run took over.")
    assert story.host.images()["web"] == pinned("web", "3")


def test_rollback_to_the_one_before_and_to_a_number(story):
    story.deploy()
    story.push("web", "3")
    story.settings("KEY=second\n")
    story.deploy(story.host.commit("b", SERVICES))
    story.push("web", "4")
    story.deploy()
    seen = story.rollout().dry_run_rollback(None, [])
    assert seen["restored"] == 2 and seen["plan"] == [f"recreate web: image {short('web', '4')} -> {short('web', '3')}"]

    result = story.rollout().roll_back(1, [])
    assert result["restored"] == 1 and result["release"] == 4
    assert story.host.images()["web"] == pinned("web", "1")
    assert story.host.head == "a" * 40 and story.env() == "KEY=hunter2\n"
    assert story.records.get(4).restores == 1 and story.audit()[-1] == ("rollback", 4, "succeeded")
    assert not story.rollout().roll_back(1, [])["changed"]
    # The registry was not asked: the tag has long been another image.
    assert story.rollout().roll_back(None, [])["restored"] == 3


def test_rollback_keeps_settings_that_must_not_go_back(story):
    story.settings('DB_PASSWORD="old"\nKEY="one"\n')
    story.deploy()
    story.settings('DB_PASSWORD="rotated \\$x"\nKEY="two"\n')
    story.deploy()
    seen = story.rollout().dry_run_rollback(1, ["DB_PASSWORD"])
    assert seen["differences"] == ["setting KEY"]
    story.rollout().roll_back(1, ["DB_PASSWORD", "NOT_THERE"])
    assert story.env().endswith('DB_PASSWORD="rotated \\$x"\nKEY="one"\n')
    assert story.records.settings_of(3).content == story.env().encode()

    assert not (story.host.state / "app" / "staged").exists()


def test_settings_are_rendered_by_the_wanted_files_and_written_when_these_are_switched(story):
    story.deploy()
    render, folders = rendering("KEY=s3cret\n", unknown=["EXTRA"])
    commit = story.host.commit("b", SERVICES)
    result = story.deploy(commit, render=render)
    assert folders == [f"{story.host.state}/app/staged/files"] and story.env() == "KEY=s3cret\n"
    assert "commit aaaaaaaaaaaa -> bbbbbbbbbbbb" in result["differences"] and result["warnings"] == [
        "Not in the contract: EXTRA."
    ]
    assert f"{story.host.folder}/.env: KEY (modified)\n" in result["diff"]["prepared"]
    assert story.records.get(2).versions == {"/app/KEY": 2} and story.records.settings_of(2).content == b"KEY=s3cret\n"
    assert not (story.host.state / "app" / "staged").exists()


def test_check_mode_renders_and_writes_nothing(story):
    story.deploy()
    seen = story.rollout().dry_run(story.target(render=rendering("KEY=s3cret\n")[0]))
    assert seen["plan"] == ["recreate web: its definition"] and seen["changed"]
    assert story.env() == "KEY=hunter2\n" and not (story.host.state / "app" / "staged").exists()


def test_an_env_file_that_was_edited_is_put_right_without_a_release(story):
    render = rendering("KEY=hunter2\n")[0]
    story.deploy(render=render)
    story.settings("KEY=edited\n")
    (story.host.folder / ".env").chmod(0o644)
    result = story.deploy(render=render)
    assert result["changed"] and result["plan"] == [] and story.results() == [(1, "deploy", "succeeded")]
    assert result["diff"]["prepared"].splitlines() == [
        f"{story.host.folder}/.env: KEY (modified)",
        f"{story.host.folder}/.env: (mode or owner changed)",
    ]
    assert story.env() == "KEY=hunter2\n" and (story.host.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert not story.deploy(render=render)["changed"]


def test_a_plan_is_made_once_where_the_files_stay(story):
    story.deploy()
    story.push("web", "3")
    planned = []
    real = _rollout.Stack.plan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_rollout.Stack, "plan", lambda self: planned.append(1) or real(self))
        story.deploy(render=rendering("KEY=s3cret\n")[0])
    assert len(planned) == 1 and story.host.images()["web"] == pinned("web", "3")


def test_images_are_kept_where_only_settings_are_to_change(story):
    story.deploy()
    story.push("web", "3")
    story.settings("KEY=other\n")
    assert story.deploy(keep_images=True)["plan"] == ["recreate web: its definition"]
    assert story.host.images()["web"] == pinned("web", "1")
    services = {**SERVICES, "web": {**SERVICES["web"], "image": "reg.x/web:2"}}
    with pytest.raises(DeployError, match="other images for web than release 2 has: deploy them first"):
        story.deploy(story.host.commit("b", services), keep_images=True)


def test_what_can_not_be_put_back_is_refused(story):
    with pytest.raises(DeployError, match="no successful release but the last"):
        story.rollout().roll_back(None, [])
    story.deploy()
    with pytest.raises(DeployError, match="no release 7"):
        story.rollout().roll_back(7, [])
    story.push("web", "3", broken=True)
    story.deploy()
    with pytest.raises(DeployError, match=r"Release 2 did not succeed \(failed\)\. Successful ones are: 1"):
        story.rollout().roll_back(2, [])
    story.push("web", "4")
    story.deploy(story.host.commit("b", SERVICES))
    story.host.commits.pop("a" * 40)
    before = dict(story.host.running)
    with pytest.raises(DeployError, match=r"files of release 1 .* are not in the clone"):
        story.rollout().roll_back(1, [])
    assert story.host.running == before


def test_a_rollback_that_does_not_become_ready_is_taken_back(story):
    story.deploy()
    story.push("web", "3")
    story.deploy()
    story.host.broken.add(pinned("web", "1"))
    result = story.rollout().roll_back(1, [])
    assert "Release 3 failed." in result["failure"] and result["rolled_back_to"] == 2
    assert story.host.images()["web"] == pinned("web", "3")


def test_images_of_forgotten_releases_go_and_no_others(story):
    story.host.stored.add("other.app/image@sha256:1")
    (story.host.state / "lost+found").mkdir(parents=True)
    for letter in "3456":
        story.push("web", letter)
        result = story.deploy(project={"keep_releases": 2})
    assert result["pruned"] == [pinned("web", "4")]
    assert story.host.stored == {"other.app/image@sha256:1", pinned("db", "2"), pinned("web", "5"), pinned("web", "6")}
    assert [number for number, _action, _result in story.results()] == [3, 4]
    assert story.host.kept == {"a" * 40}


def test_an_image_that_another_project_remembers_stays(story):
    other = Records(str(story.host.state), "other")
    images = {"x": Image("reg.x/web:1", pinned("web", "3"))}
    record = Record(action="deploy", commit=None, files=[], images=images, run="r", by="bob", started_from="ci")
    other.finish(other.begin(record, b"").number, Result.SUCCEEDED)
    for letter in "3456":
        story.push("web", letter)
        story.deploy(project={"keep_releases": 1})
    assert pinned("web", "3") in story.host.stored and pinned("web", "4") not in story.host.stored


def test_somebody_else_at_it_is_waited_for_and_named(story):
    with story.records.locked({"by": "bob", "started_from": "ci", "run": "r"}, 0, story.said.append):
        with pytest.raises(DeployError, match="bob"):
            story.deploy()
        assert story.rollout().dry_run(story.target())["warnings"] == [
            "bob holds the deploy lock of app at this moment."
        ]
    assert story.deploy()["release"] == 1


def edit_a_file(story):
    story.host.edits = ["compose.json"]


def write_the_env_file_by_hand(story):
    story.settings("# by hand\nKEY=hunter2\n")


def open_the_env_file(story):
    (story.host.folder / ".env").chmod(0o644)


def remove_the_env_file(story):
    (story.host.folder / ".env").unlink()


def remove_a_container(story):
    del story.host.running["db"]


def run_another_image(story):
    story.host.running["web"]["image"] = "reg.x/web:1"


def start_with_another_definition(story):
    story.host.running["web"]["definition"] = "by hand"


def check_another_commit_out(story):
    story.host.checkout(story.host.commit("z", SERVICES))


def leave_a_release_half_done(story):
    story.records.begin(story.records.get(1).replace(run="gone"), b"KEY=hunter2\n")


def run_a_service_that_is_no_longer_named(story):
    story.host.running["old"] = {**story.host.running["db"], "id": "c99"}


@pytest.mark.parametrize(
    "change",
    [
        edit_a_file,
        write_the_env_file_by_hand,
        open_the_env_file,
        remove_the_env_file,
        remove_a_container,
        run_another_image,
        start_with_another_definition,
        check_another_commit_out,
        leave_a_release_half_done,
        run_a_service_that_is_no_longer_named,
    ],
)
def test_status_dry_run_and_deploy_agree(story, change):
    """What status calls drift, the preflight calls not up to date, a dry run wants to change, and a deploy puts right."""
    render = rendering("KEY=hunter2\n")[0]

    def target():
        return story.target("a" * 40, render=render)

    def drifted():
        record = story.records.last_succeeded()
        host = _host.look(story.records, FakeEngine(story.host), str(story.host.folder), f"{story.host.folder}/.env")
        found = _host.differences(record, host)
        sources = Sources(record.options_digest, record.repository, record.commit, record.versions, DIGESTS)
        assert texts(changes(sources, host)) == texts(found)
        return texts(found)

    story.rollout().run(target())
    assert drifted() == [] and not story.rollout().dry_run(target())["changed"]
    change(story)
    assert drifted() != []
    assert story.rollout().dry_run(target())["changed"]
    result = story.rollout().run(target())
    assert result["changed"] and "failure" not in result
    assert drifted() == [] and not story.rollout().dry_run(target())["changed"]
    assert not story.rollout().run(target())["changed"]


def test_containers_that_compose_finds_the_same_are_taken_over_without_a_release(story):
    """Their hash differs from the recorded one, as after an update of Compose."""
    story.deploy()
    story.records.update(1, definitions={"web": "older", "db": "older"})
    before = dict(story.host.running)
    assert story.deploy()["changed"]
    assert story.host.running == before and story.results() == [(1, "deploy", "succeeded")]
    assert not story.deploy()["changed"]


def test_what_fails_while_drift_is_put_right_does_not_claim_that_nothing_was_changed(story):
    story.deploy()
    story.host.edits = ["compose.json"]
    story.host.fail["switch a"] = DeployError("the disk is full")
    result = story.deploy("a" * 40)
    assert result["failure"] == "the disk is full"


def test_a_release_that_cannot_be_recorded_at_its_end_does_not_claim_that_nothing_was_changed(story, monkeypatch):
    def full(_records, _number, **_changes):
        raise DeployError("Cannot write the record: No space left on device.")

    story.deploy()
    story.push("web", "3")
    monkeypatch.setattr(Records, "update", full)
    with pytest.raises(DeployError) as caught:
        story.deploy()
    assert str(caught.value) == "Cannot write the record: No space left on device."
    assert story.host.images()["web"] == pinned("web", "3")
