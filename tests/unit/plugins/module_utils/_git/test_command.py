# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git import command
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import GitFailure
from ansible_collections.popcon.deploy.tests.unit.plugins.git_remote import client

A, B, C = "a" * 40, "b" * 40, "c" * 40
URL = "https://git.example/app.git"
REFS = {"refs/heads/main": A, "refs/heads/release/1": B, "refs/tags/v1.0": C, "refs/heads/both": A, "refs/tags/both": B}


@pytest.mark.parametrize("url", [URL, "https://git.example:8443/a/b", "file:///srv/app.git"])
def test_repository_taken(url: str) -> None:
    command.check_repository(url)


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:example/app.git", "ssh://git.example/app.git", "http://git.example/app.git", "https://",
        "/srv/app.git", "https://git.example", "file://host/app.git", "https://git.example/app.git?x=1",
        "https://git.example/a b",
        "ext::sh -c id", "--upload-pack=id", "https://git.example/a\nb", "",
    ],
)  # fmt: skip
def test_repository_refused(url: str) -> None:
    with pytest.raises(DeployError, match="is no repository URL"):
        command.check_repository(url)


@pytest.mark.parametrize("url", ["https://user:s3cret@git.example/a.git", "https://s3cret@git.example/a.git"])
def test_repository_with_credentials_is_not_repeated(url: str) -> None:
    with pytest.raises(DeployError, match="holds credentials") as caught:
        command.check_repository(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("ref", ["main", "release/1", "v1.0", "abcdef1", "refs/tags/v1", "한글", "a@b"])
def test_ref_taken(ref: str) -> None:
    command.check_ref(ref)


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "-x",
        "--upload-pack=id",
        "a b",
        "a..b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "@",
        "x@{1}",
        "/a",
        "a/",
        "a.lock",
        "a\n",
        "a//b",
    ],
)
def test_ref_refused(ref: str) -> None:
    with pytest.raises(DeployError, match="is no ref"):
        command.check_ref(ref)


def test_parse_refs_peels_tags() -> None:
    listing = f"{A}\trefs/heads/main\n{B}\trefs/tags/v1\n{C}\trefs/tags/v1^{{}}\n".encode()
    assert command.parse_refs(listing) == {"refs/heads/main": A, "refs/tags/v1": C}


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("main", "refs/heads/main"),
        ("release/1", "refs/heads/release/1"),
        ("v1.0", "refs/tags/v1.0"),
        ("refs/tags/both", "refs/tags/both"),
        ("abcdef1", None),
        (A, None),
    ],
)
def test_find_ref(ref: str, name: str | None) -> None:
    assert command.find_ref(ref, REFS, URL) == name


@pytest.mark.parametrize(
    ("ref", "refs", "words"),
    [
        ("mian", REFS, "no branch or tag mian. Did you mean main"),
        ("ABCDEF12", REFS, "no branch or tag ABCDEF12. A commit is given with 7 to 40 digits"),
        ("abc", {"refs/heads/zzz": A}, "no branch or tag abc"),
        ("both", REFS, "write refs/heads/both or refs/tags/both"),
        ("main", {}, "is empty"),
    ],
)
def test_find_ref_in_vain(ref: str, refs: dict[str, str], words: str) -> None:
    with pytest.raises(DeployError, match=words):
        command.find_ref(ref, refs, URL)


@pytest.mark.parametrize(
    ("said", "passing", "words"),
    [
        ("fatal: unable to access 'x': Could not resolve host: git.example", True, "can't be resolved"),
        (
            "fatal: unable to access 'x': server certificate verification failed. CAfile: none CRLfile: none",
            False,
            "TLS",
        ),
        ("fatal: unable to access 'x': SSL certificate problem: self-signed certificate", False, "TLS"),
        (
            "fatal: unable to access 'x': Failed to connect to h port 443 after 0 ms: Couldn't connect",
            True,
            "no connection",
        ),
        ("fatal: Authentication failed for 'https://git.example/app.git/'", False, "refused"),
        ("fatal: unable to access 'x': The requested URL returned error: 403", False, "refused"),
        ("remote: Repository not found.\nfatal: repository 'x' not found", False, "no such repository"),
        ("fatal: unable to access 'x': The requested URL returned error: 503", True, "server failed, 3 times"),
        ("fatal: unable to access 'x': Operation too slow. Less than 1000 bytes/sec", True, "in time"),
        ("error: RPC failed; curl 56 GnuTLS recv error (-110)\nfatal: early EOF", True, "connection broke"),
        ("error: object x: badTimezone\nfatal: fsck error in packed object", False, "git's check refuses"),
        ("fatal: write error: No space left on device", False, "disk is full"),
    ],
)
def test_explain_remote(said: str, passing: bool, words: str) -> None:
    again, reason = command.explain_remote(said, "/app/TOKEN")
    assert again is passing
    assert reason is not None
    assert words in reason


def test_explain_remote_names_the_parameter_or_asks_for_one() -> None:
    assert "/app/TOKEN" in (command.explain_remote("error: 403", "/app/TOKEN")[1] or "")
    assert "token_parameter" in (command.explain_remote("could not read Username", None)[1] or "")
    assert command.explain_remote("fatal: something new", None) == (False, None)


def test_local_failure_has_gits_words_without_credentials(tmp_path: Path) -> None:
    with pytest.raises(GitFailure) as caught:
        client(tmp_path / "home", URL).run("clone", "https://user:s3cret@git.invalid/x", "x")
    assert "not allowed" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_environment_of_the_caller_stays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[user]\n\tname = intruder\n[core]\n\tsshCommand = id\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "intruder")
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = intruder\n")
    listed = client(tmp_path / "home", URL).run("config", "--list").decode()
    assert "intruder" not in listed
    assert "core.hookspath=/dev/null" in listed


def test_time_limit_ends_git_and_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PAUSE_SECONDS", 0.0)
    fake = tmp_path / "git"
    fake.write_text(f"#!/bin/sh\nsleep 60 & echo $! >> {tmp_path}/children\nwait\n")
    fake.chmod(0o755)
    (tmp_path / "home").mkdir()
    with pytest.raises(DeployError, match="did not answer in time"):
        command.Git(str(fake), str(tmp_path / "home"), URL, 1).remote("ls-remote", URL)
    children = (tmp_path / "children").read_text().split()
    assert len(children) == command.ATTEMPTS
    # What was killed may take a moment to go.
    end = time.monotonic() + 30
    while any(is_alive(child) for child in children):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("version", "fine"), [("2.20.1", True), ("2.39.5", True), ("3.0.0", True), ("2.17.1", False), ("?", False)]
)
def test_version(tmp_path: Path, version: str, fine: bool) -> None:
    fake = tmp_path / "git"
    fake.write_text(f"#!/bin/sh\necho git version {version!r}\n")
    os.chmod(fake, 0o755)
    git = command.Git(str(fake), str(tmp_path), URL, 5)
    if fine:
        command.check_version(git)
    else:
        with pytest.raises(DeployError, match=r"2\.20 is needed"):
            command.check_version(git)


def test_private_git_has_a_home_of_its_own_for_as_long_as_it_is_used(tmp_path: Path) -> None:
    with pytest.raises(GitFailure), command.private_git(URL, 5, str(tmp_path), username="me") as git:
        assert git.url == URL
        assert os.listdir(tmp_path) == [os.path.basename(git.home)]
        assert os.stat(git.home).st_mode & 0o777 == 0o700
        git.run("no-such-command")
    assert os.listdir(tmp_path) == []
