"""ecr_login as users run it, through the ansible command: against two emulators, two at once, and watched for leaks."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.tests.integration.emulators import environment_without_aws
from ansible_collections.popcon.deploy.tests.integration.plays import ansible_settings
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    OTHER,
    OWN,
    PUBLIC,
    REGION,
    aws_token,
    basic,
    make_certificate,
    make_helper,
    serve_aws,
    serve_registries,
)

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(certificate):
    with serve_registries(certificate) as (stub, proxy):
        stub.proxy = proxy
        yield stub


@pytest.fixture
def env(registry, certificate, tmp_path):
    return {
        **environment_without_aws(),
        **ansible_settings(tmp_path),
        "ANSIBLE_LOG_PATH": str(tmp_path / "log"),
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_REGION": REGION,
        "HTTPS_PROXY": registry.proxy,
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": str(certificate),
    }


@pytest.fixture
def config(tmp_path):
    return tmp_path / ".docker" / "config.json"


def command(config, *flags, **options):
    arguments = json.dumps({"config_path": str(config), **options})
    return ["ansible", "localhost", "-c", "local", "-m", "popcon.deploy.ecr_login", "-a", arguments, *flags]


def ansible(env, config, *flags, **options):
    done = subprocess.run(
        command(config, *flags, **options), env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def result(env, config, **options):
    code, text = ansible(env, config, **options)
    assert code == 0, text
    return json.loads(text[text.index("{") : text.rindex("}") + 1])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(params=["moto", "ministack"])
def emulator(request, env, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    start = {"moto": ["moto_server", "-p", str(port)], "ministack": ["ministack"]}[request.param]
    environment = {**env, "GATEWAY_PORT": str(port), "HOME": str(tmp_path)}
    with open(tmp_path / "emulator.log", "wb") as log:
        process = subprocess.Popen(start, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        for _dummy in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "emulator.log").read_text()
                time.sleep(0.1)
        env["AWS_ENDPOINT_URL"] = url
        yield request.param
    finally:
        process.terminate()
        process.wait(30)


def test_two_emulators_that_disagree_about_the_end(emulator, env, registry, config):
    """moto says that its token ended in 2015, ministack that it ends in 12 hours; neither token can be read."""
    registry.secrets = {"ministack-auth-token", "123456789012-auth-token", "000000000000-auth-token"}
    names = [OWN] if emulator == "ministack" else None
    first = result(env, config, registries=names)
    second = result(env, config, registries=names)
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["registries"][0]["name"] == OWN
    left = time.mktime(time.strptime(first["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
    assert 11.9 * 3600 < left <= 12 * 3600
    assert second["expires_at"] == first["expires_at"]
    registry.secrets = set()
    code, text = ansible(env, config, registries=names)
    assert code
    assert "refuses a token just made" in text


@pytest.fixture
def aws(env, registry):
    with serve_aws() as stub:
        env["AWS_ENDPOINT_URL"] = stub.url
        plain = stub.token

        def token():
            registry.secrets.add(secret := plain())
            return secret

        stub.token = token
        yield stub


def test_two_runs_at_once(env, aws, config):
    """Each logs in to its own registries, in one file."""
    config.parent.mkdir(mode=0o700)
    config.write_text('{"psFormat": "kept"}')
    jobs = [[OWN], [OTHER], [PUBLIC]]
    running = [
        subprocess.Popen(command(config, registries=job), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for job in jobs
    ]
    for process in running:
        text = process.communicate(timeout=120)[0]
        assert process.returncode == 0, text
    stored = json.loads(config.read_text())
    assert stored["psFormat"] == "kept"
    assert stored["auths"].keys() == {OWN, OTHER, PUBLIC}
    assert os.listdir(config.parent) == ["config.json"]


class Watch(threading.Thread):
    """Reads every command line on this machine, over and over."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen = set()
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(0.002):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_exc):
        self.stopped.set()
        self.join()


def shapes(secret):
    """A secret as programs write it."""
    yield secret
    yield basic(secret)
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield urllib.parse.quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield secret.encode().hex()


def leaks(secrets, *texts):
    return [secret for secret in secrets for shape in shapes(secret) for text in texts if shape in text]


LEAKY_HELPER = """#!/bin/sh
input=$(cat)
sh -c 'sleep 0.3; :' leak "$input"
printf %s "$input" | docker-credential-stub "$1"
"""


@pytest.mark.parametrize("store", ["file", pytest.param("stub", marks=pytest.mark.thorough), "leaky"])
def test_no_token_is_seen_anywhere(env, aws, registry, config, tmp_path, store):
    """Success, renewal, refusal and failure, each at -vvvv with --diff, with the remote files kept.

    The leaky credential helper shows that a leak would be found.
    """
    minted = []
    plain = aws.token

    def token():
        minted.append(plain())
        return minted[-1]

    aws.token = token
    make_helper(tmp_path / "bin")
    leaky = tmp_path / "bin" / "docker-credential-leaky"
    leaky.write_text(LEAKY_HELPER)
    leaky.chmod(0o755)
    env |= {
        "PATH": f"{tmp_path / 'bin'}:{env['PATH']}",
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_KEEP_REMOTE_FILES": "1",
        "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts"),
    }
    old = aws_token("old")
    if store != "file":
        config.parent.mkdir(mode=0o700)
        config.write_text(json.dumps({"credsStore": store}))
    outputs = []

    def run(*flags, **options):
        code, text = ansible(env, config, "-vvvv", "--diff", *flags, registries=[OWN], **options)
        outputs.append(text)
        return code

    with Watch() as watch:
        assert run("--check") == 0
        assert run() == 0
        assert run() == 0
        registry.secrets = set()
        assert run() == 0
        registry.status = 403
        assert run() != 0
        registry.status = 503
        assert run() != 0
        registry.status = None
        aws.error = (400, "AccessDeniedException")
        config.write_text(json.dumps({"auths": {OWN: {"auth": basic(old)}}}))
        assert run() != 0
        config.write_text(config.read_text()[:-1])
        assert run() != 0
    assert len(minted) == 3
    seen = [*outputs, (tmp_path / "log").read_text()]
    seen += [line.decode(errors="replace") for line in watch.seen]
    seen += [
        path.read_text(errors="replace")
        for folder in ("remote", "facts", "ansible")
        for path in (tmp_path / folder).rglob("*")
        if path.is_file()
    ]
    assert any("AnsiballZ_ecr_login" in text for text in seen[1:])
    assert any("popcon.deploy.ecr_login" in line.decode(errors="replace") for line in watch.seen)
    assert bool(leaks([*minted, old], *seen)) is (store == "leaky")
    assert "CANARY" not in "".join(outputs)


def test_docker_itself_reads_what_was_written(env, aws, config):
    """Docker's own client finds the login, so it offers to log out of it."""
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("docker is not installed")
    result(env, config, registries=[OWN, OTHER])
    done = subprocess.run(
        [docker, "--config", str(config.parent), "logout", OWN], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert f"Removing login credentials for {OWN}" in done.stdout
    assert json.loads(config.read_text())["auths"].keys() == {OTHER}
    assert [row["changed"] for row in result(env, config, registries=[OWN, OTHER])["registries"]] == [True, False]


def test_the_documentation_is_in_ansibles_form(env):
    done = subprocess.run(
        ["ansible-doc", "--json", "popcon.deploy.ecr_login"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    doc = json.loads(done.stdout)["popcon.deploy.ecr_login"]["doc"]
    assert {"region", "access_key", "registries", "min_remaining"} <= doc["options"].keys()
    assert re.search(r"full", str(doc["attributes"]))
