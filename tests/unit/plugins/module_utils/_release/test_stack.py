"""The steps of a release, against an engine and a compose that play back what real ones say."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._docker.compose import ComposeError, NoSuchService
from ansible_collections.popcon.deploy.plugins.module_utils._docker.engine import EngineError
from ansible_collections.popcon.deploy.plugins.module_utils._release import stack
from ansible_collections.popcon.deploy.plugins.module_utils._release.plan import Why
from ansible_collections.popcon.deploy.plugins.module_utils._release.target import Job

DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


class FakeEngine:
    """Answers of an engine, and what was asked of it."""

    def __init__(self, containers, digests, stored=()):
        self._containers, self._digests, self._stored = containers, digests, stored
        self.auths, self.size = [], 1

    def containers(self, _project):
        return self._containers

    def registry_digest(self, reference, auth):
        self.auths.append(auth)
        answer = self._digests[reference]
        if isinstance(answer, dict):
            answer = answer.get(auth, EngineError(401, "no basic auth credentials"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def image_id(self, reference):
        return "sha256:id" if reference in self._stored else None

    def image_size(self, _image):
        return self.size

    def data_folder(self):
        return "/"

    def wait_until_back(self, _seconds):
        pass

    def logs(self, _id, lines):
        return f"{lines} lines with hunter2"


SERVICES = {"web": {"image": "reg.x/web:1", "depends_on": {"db": {"condition": "x"}}}, "db": {"image": "reg.x/db:1"}}
RAW_SERVICES = {"web": {"environment": {"A": "${KEY}"}}, "db": {}}


class FakeCompose:
    """A compose file of two services; what compose would say of them, and what was asked of it.

    `others` are services of profiles that nobody asks for.
    """

    overlays = ()

    def __init__(self, recreates=(), hashes=None, services=None, raw_services=None, others=None):
        self._others = others or {}
        self._recreates, self._hashes, self._services = recreates, hashes or {}, services or SERVICES
        self._raw_services = raw_services or RAW_SERVICES
        self.asked, self.pulled, self.ups = None, [], []

    def model(self, services=()):
        if not services:
            return {"services": self._services}
        for name in services:
            if name not in self._others:
                raise NoSuchService(name)
        return {"services": {**self._services, **self._others}}

    def raw_model(self):
        return {"services": self._raw_services}

    def recreated(self, override):
        self.asked = {name: service["image"] for name, service in override["services"].items()}
        self.environments = {name: service.get("environment") for name, service in override["services"].items()}
        return set(self._recreates)

    def remove(self, containers, _wait_seconds):
        self.removed = containers

    def hashes(self, _override):
        return self._hashes

    def pull(self, _override, services, _seconds):
        self.pulled = list(services)

    def up(self, override, _wait_seconds, service=None, *, force=False):
        self.upped = override
        self.ups.append((service, force))


def container(service, digest=DIGEST, **state):
    return {
        "Id": f"id-{service}",
        "Name": f"/app-{service}-1",
        "Config": {
            "Labels": {"com.docker.compose.service": service, "com.docker.compose.config-hash": f"hash-{service}"},
            "Image": f"reg.x/{service}@{digest}",
        },
        "State": {"Status": "running", "Running": True, "StartedAt": "t0", **state},
        "RestartCount": 0,
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "3000"}, {"HostPort": "3000"}], "81/tcp": None}},
    }


DIGESTS = {"reg.x/web:1": DIGEST, "reg.x/db:1": DIGEST}


def release(containers=(), digests=None, compose=None, auths=(lambda _r: None,), stored=(), **wanted):
    asked_for = stack.Wanted("app", "/srv/app", "/srv/app", "/srv/app/.env", **wanted)
    engine = FakeEngine(list(containers), digests or DIGESTS, stored)
    return stack.Stack(
        asked_for, compose or FakeCompose(), engine, auths, lambda text: text.replace("hunter2", "***"), 20
    )


BOTH = (container("web"), container("db"))
NEW_DB = {**DIGESTS, "reg.x/db:1": OTHER}


def test_plan_of_a_first_release():
    compose = FakeCompose()
    assert release(compose=compose).plan().lines() == ["create web", "create db"]
    assert compose.asked is None


def test_plan_of_nothing():
    plan = release(BOTH).plan()
    assert plan.is_empty() and plan.lines() == []


def test_plan_of_a_new_image_names_both_and_asks_compose_with_the_old_one():
    compose = FakeCompose()
    plan = release(BOTH, {**DIGESTS, "reg.x/web:1": OTHER}, compose).plan()
    assert plan.lines() == [f"recreate web: image reg.x/web@{DIGEST[:19]} -> reg.x/web@{OTHER[:19]}"]
    assert compose.asked == {"web": f"reg.x/web@{DIGEST}", "db": f"reg.x/db@{DIGEST}"}


def test_a_digest_that_is_known_is_not_asked_for():
    engine = FakeEngine(BOTH, {"reg.x/db:1": DIGEST})
    wanted = stack.Wanted("app", "/srv/app", "/srv/app", "/srv/app/.env")
    known = {"reg.x/web:1": f"reg.x/web@{OTHER}", "reg.x/other:1": "unused"}
    made = stack.Stack(wanted, FakeCompose(), engine, [lambda _r: None], str, 20, digests=known)
    assert made.images == {"web": f"reg.x/web@{OTHER}", "db": f"reg.x/db@{DIGEST}"} and len(engine.auths) == 1


def test_plan_of_settings_goes_by_composes_word():
    assert release(BOTH, changed_keys=["KEY"]).plan().is_empty()
    compose = FakeCompose(["app-web-1"])
    assert release(BOTH, compose=compose, changed_keys=["KEY"]).plan().lines() == ["recreate web: settings KEY"]


def test_plan_takes_composes_word_on_definitions():
    compose = FakeCompose(["app-web-1"])
    assert release(BOTH, compose=compose).plan().lines() == ["recreate web: its definition"]


@pytest.mark.parametrize(
    ("web_hash", "lines"),
    [
        ("hash-web", ["recreate db: its definition"]),
        ("other", ["recreate db: its definition", "recreate web: its definition"]),
    ],
)
def test_plan_leaves_out_what_compose_would_recreate_only_along_with_a_dependency(web_hash, lines):
    compose = FakeCompose(["app-web-1", "app-db-1"], {"web": web_hash, "db": "new"})
    assert release(BOTH, compose=compose).plan().lines() == lines


def test_plan_of_a_service_that_asks_to_restart_with_another():
    services = {**SERVICES, "web": {**SERVICES["web"], "depends_on": {"db": {"restart": True}}}}
    compose = FakeCompose(services=services)
    made = release(BOTH, NEW_DB, compose)
    plan = made.plan()
    assert list(plan.recreate) == ["db", "web"] and plan.recreate["web"] == [(Why.RESTART, "restarts with db")]
    made.apply(plan, 5)
    assert compose.ups == [("db", False), ("web", True)]


def test_compose_is_let_do_all_that_is_not_recreated():
    compose = FakeCompose()
    made = release([container("db")], NEW_DB, compose)
    made.apply(made.plan(), 5)
    assert compose.ups == [("db", False), (None, False)]


FIRST_START = {"popcon.deploy.initial-environment": "PASSWORD, NAME"}


def database(recreates=()):
    """A compose whose db says which variables matter at its first start only, and a container that was started with others."""
    services = {**SERVICES, "db": {**SERVICES["db"], "labels": FIRST_START}}
    raw = {"web": {}, "db": {"environment": {"PASSWORD": "${SECRET}", "MODE": "${MODE}"}}}
    running = container("db")
    running["Config"]["Env"] = ["PASSWORD=old$1=x", "MODE=a", "PATH=/bin"]
    return FakeCompose(recreates, services=services, raw_services=raw), [container("web"), running]


def test_what_a_service_reads_at_its_first_start_only_stays_as_it_was_started():
    compose, containers = database()
    made = release(containers, compose=compose, changed_keys=["SECRET"])
    assert made.plan().is_empty()
    assert compose.environments == {"web": None, "db": {"PASSWORD": "old$$1=x"}}
    compose, containers = database(["app-db-1"])
    assert release(containers, compose=compose, changed_keys=["MODE"]).plan().lines() == ["recreate db: settings MODE"]


def test_a_service_that_is_made_anew_anyway_gets_what_is_set_now():
    compose, containers = database(["app-db-1"])
    made = release(containers, compose=compose)
    plan = made.plan()
    assert plan.lines() == ["recreate db: its definition"]
    made.apply(plan, 5)
    assert "environment" not in compose.upped["services"]["db"]


@pytest.mark.parametrize(
    ("web", "cause"),
    [
        ({"network_mode": "service:db"}, "lives in the container of db"),
        ({"ipc": "service:db"}, "lives in the container of db"),
        ({"pid": "service:db"}, "lives in the container of db"),
        ({"volumes_from": ["db:ro"]}, "lives in the container of db"),
        ({"network_mode": "container:db", "volumes_from": ["container:db"]}, None),
    ],
)
def test_plan_of_a_service_that_shares_anothers_container(web, cause):
    services = {**SERVICES, "web": {**SERVICES["web"], **web}, "last": {"image": "reg.x/db:1", "pid": "service:web"}}
    services["last"]["depends_on"] = {"web": {}}
    containers = [*BOTH, container("last")]
    containers[2]["Config"]["Image"] = f"reg.x/db@{OTHER}"
    plan = release(containers, NEW_DB, FakeCompose(services=services)).plan()
    expected = [("web", cause), ("last", "lives in the container of web")] if cause else []
    assert [(name, causes[0].text) for name, causes in plan.recreate.items()][1:] == expected
    # One whose container is gone takes a new one, too.
    plan = release([containers[0], containers[2]], NEW_DB, FakeCompose(services=services)).plan()
    assert plan.create == ["db"] and list(plan.recreate) == (["web", "last"] if cause else [])


def test_plan_of_a_service_without_replicas():
    services = {**SERVICES, "db": {"image": "reg.x/db:1", "deploy": {"replicas": 0}}}
    made = release([container("web")], compose=FakeCompose(services=services))
    assert made.plan().is_empty() and made.idle() == ["db"]


def test_plan_removes_what_is_no_longer_named():
    compose = FakeCompose()
    made = release([*BOTH, container("old")], compose=compose)
    plan = made.plan()
    assert plan.lines() == ["remove container app-old-1"]
    # Compose leaves those of profiles that nobody asks for.
    made.apply(plan, 5)
    assert compose.ups == [(None, False)] and compose.removed == ["app-old-1"]


def test_what_is_new_is_made_in_one_go():
    compose = FakeCompose()
    made = release(compose=compose)
    made.apply(made.plan(), 5)
    assert compose.ups == [(None, False)]


def test_pull_of_what_is_missing_only():
    compose = FakeCompose()
    made = release(compose=compose, stored=[f"reg.x/db@{DIGEST}"])
    assert made.missing_images() == ["web"]
    made.pull(made.missing_images(), 9)
    assert compose.pulled == ["web"]


@pytest.mark.parametrize(("size", "enough"), [(10**6, True), (10**18, False), (None, True)])
def test_pull_is_refused_where_there_is_no_room_for_images_as_large_as_the_last(size, enough):
    compose = FakeCompose()
    made = release([{**container("web"), "Image": "sha256:old"}], compose=compose)
    made._engine.size = size
    if enough:
        made.pull(["web"], 9)
        assert compose.pulled == ["web"]
    else:
        with pytest.raises(DeployError, match=r"/ has .* GiB free, and the images of web may take 931322574\.6 GiB"):
            made.pull(["web"], 9)
        assert compose.pulled == []


def test_an_image_that_does_not_exist_stops_the_release():
    with pytest.raises(DeployError, match=r"reg\.x/web:1 does not exist"):
        release(digests={**DIGESTS, "reg.x/web:1": EngineError(404, "manifest unknown")})


def test_a_refused_login_is_followed_by_the_next_way():
    digests = {"reg.x/web:1": {"new": DIGEST}, "reg.x/db:1": {"new": DIGEST}}
    made = release(digests=digests, auths=[lambda _r: "old", lambda _r: "new"])
    assert set(made.images.values()) == {f"reg.x/web@{DIGEST}", f"reg.x/db@{DIGEST}"}
    with pytest.raises(DeployError, match="refused access"):
        release(digests=digests, auths=[lambda _r: "old"])


def test_a_service_that_fails_is_named_with_its_scrubbed_log():
    failing = container("web", Health={"Status": "unhealthy"})
    with pytest.raises(
        DeployError, match=r"(?s)Service web \(container app-web-1\) is unhealthy\.\n.*20 lines with \*\*\*"
    ):
        release([failing, container("db")]).wait_until_ready(lambda _service: 5, since=[])


@pytest.mark.parametrize("before", ["unhealthy", "healthy"])
def test_what_is_not_new_and_unhealthy_may_become_well_again(monkeypatch, before):
    """As a front end whose back end is being recreated."""
    monkeypatch.setattr(stack, "SAMPLE_SECONDS", 0)
    db, unwell = container("db"), container("web", Health={"Status": "unhealthy"})
    since = [container("web", Health={"Status": before}), db]
    made = release()
    looks = iter([[unwell, db], [container("web", Health={"Status": "healthy"}), db]])
    made._engine.containers = lambda _project: next(looks)
    made.wait_until_ready(lambda _service: 5, since=since)
    assert not list(looks)
    with pytest.raises(DeployError, match="was not ready within 0 s: is unhealthy"):
        release([unwell, db]).wait_until_ready(lambda _service: 0, since=since)


@pytest.mark.parametrize(("since", "words"), [([], "keeps restarting"), ([container("web")], None)])
def test_a_new_container_that_was_restarted_before_the_first_look_crashes(monkeypatch, since, words):
    monkeypatch.setattr(stack, "SAMPLE_SECONDS", 0)
    crashed = {**container("web"), "RestartCount": 1}
    made = release([crashed])
    if words:
        with pytest.raises(DeployError, match=words):
            made.wait_until_ready(lambda _service: 5, since=since)
    else:
        made.wait_until_ready(lambda _service: 5, since=[crashed])


@pytest.mark.parametrize(
    ("policy", "code", "lines"),
    [("always", 0, ["start db"]), ("no", 1, ["start db"]), ("no", 0, []), ("on-failure", 0, [])],
)
def test_what_is_only_stopped_is_started_unless_it_did_its_work(policy, code, lines):
    db = container("db", Status="exited", Running=False, ExitCode=code)
    db["HostConfig"] = {"RestartPolicy": {"Name": policy}}
    assert release([container("web"), db]).plan().lines() == lines


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, ["remove container app-web-2"]),
        ({"deploy": {"replicas": None}}, ["remove container app-web-2"]),
        ({"scale": 2}, []),
        ({"deploy": {"replicas": 2}}, []),
        ({"scale": 3}, ["create web"]),
        ({"scale": 0}, ["remove container app-web-1", "remove container app-web-2"]),
        ({"deploy": {"replicas": 0}}, ["remove container app-web-1", "remove container app-web-2"]),
    ],
)
def test_a_service_gets_as_many_containers_as_it_should_have(fields, lines):
    second = container("web")
    second.update(Id="id-web-2", Name="/app-web-2")
    second["Config"]["Labels"]["com.docker.compose.container-number"] = "2"
    services = {**SERVICES, "web": {**SERVICES["web"], **fields}}
    plan = release([container("db"), container("web"), second], compose=FakeCompose(services=services)).plan()
    assert plan.lines() == lines


def test_a_dependency_that_fails_is_named_rather_than_composes_complaint():
    class Failing(FakeCompose):
        def up(self, *_args, **_options):
            raise ComposeError("up", "dependency failed to start: hunter2")

    failing = container("db", Health={"Status": "unhealthy"})
    made = release([container("web"), failing], NEW_DB, Failing())
    with pytest.raises(DeployError, match=r"Service db \(container app-db-1\) is unhealthy"):
        made.apply(made.plan(), 5)
    made = release(BOTH, NEW_DB, Failing())
    with pytest.raises(DeployError, match=r"docker compose up failed: dependency failed to start: \*\*\*"):
        made.apply(made.plan(), 5)


class Losing(FakeCompose):
    """A compose that loses the engine once while it recreates a service."""

    lost = False

    def up(self, override, wait_seconds, service=None, *, force=False):
        super().up(override, wait_seconds, service, force=force)
        if not self.lost:
            self.lost = True
            raise ComposeError("up", "error during connect: unexpected EOF")


def test_an_engine_that_restarts_meanwhile_is_waited_for_and_everything_brought_up():
    compose = Losing({"app-db-1": "recreate"})
    made = release(BOTH, compose=compose)
    made.apply(made.plan(), 5)
    assert compose.ups == [("db", False), (None, False)]


class Jobs(FakeCompose):
    """A compose that notes what it starts for a job and runs."""

    def __init__(self, error=None):
        super().__init__()
        self.ran, self._error = [], error

    def start_missing(self, _override, services, _wait_seconds):
        self.ran.append(services)

    def run_job(self, _override, job, service, command, wait_seconds):
        self.ran.append((job, service, command, wait_seconds))
        if self._error:
            raise self._error


@pytest.mark.parametrize(
    ("running", "started"), [((), [["db"]]), ((container("db", Running=False),), [["db"]]), (BOTH, [])]
)
def test_a_job_runs_with_what_its_service_depends_on(running, started):
    compose = Jobs()
    release(running, compose=compose).run_job(Job("web", ["migrate", "all"], 9), "app-web-job")
    assert compose.ran == [*started, ("app-web-job", "web", ["migrate", "all"], 9)]


MIGRATE = {"migrate": {"image": "reg.x/web:1", "profiles": ["tools"], "depends_on": {"db": {}}}}


def test_a_service_that_only_jobs_use_is_pulled_and_never_started():
    made = release(BOTH, compose=FakeCompose(others=MIGRATE), for_jobs=["migrate", "web"])
    assert made.plan().is_empty() and made.idle() == ["migrate"]
    assert made.missing_images() == ["web", "db", "migrate"] and made.images["migrate"] == f"reg.x/web@{DIGEST}"


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({}, "A job names migrate, which the compose files don't have"),
        (
            {"migrate": {**MIGRATE["migrate"], "depends_on": {"seed": {}}}, "seed": {}},
            "service migrate depends on seed, which no profile that is asked for starts",
        ),
    ],
)
def test_a_job_that_cannot_run_is_refused(others, words):
    with pytest.raises(DeployError, match=words):
        release(BOTH, compose=FakeCompose(others=others), for_jobs=["migrate"])


def test_a_job_that_fails_is_named_with_its_scrubbed_last_lines():
    lines = "\n".join(f"line {n}" for n in range(30))
    compose = Jobs(ComposeError("run", f"{lines}\nno hunter2\n"))
    with pytest.raises(
        DeployError, match=r"(?s)The job migrate of service web failed\.\nIts last lines:\nline 11.*no \*\*\*$"
    ):
        release(BOTH, compose=compose).run_job(Job("web", ["migrate"], 9), "app-web-job")


def test_rows_for_people():
    rows = release([container("db"), container("web", Health={"Status": "healthy"})]).services()
    assert [row["service"] for row in rows] == ["web", "db"]
    assert rows[0]["state"] == "healthy" and rows[1]["state"] == "running"
    assert rows[0]["ports"] == ["3000"]
    assert (rows[0]["image"], rows[0]["digest"]) == ("reg.x/web", DIGEST)
