"""What README and guides tell a reader to type, copy or look for is there. Their links are looked at in tests/unit."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import functools
import re
import shlex
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "lab/README.md"]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Set by users and read by Ansible or the playbooks.
OTHER_VARIABLES = re.compile(r"ansible_\w+")


def blocks(*languages: str) -> list[t.Any]:
    """The fenced blocks in these languages, with the page as id."""
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (language, text) in enumerate(FENCE.findall(page.read_text()))
        if language in languages
    ]


def commands(text: str) -> list[list[str]]:
    lines = (shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


def options_of_roles() -> set[str]:
    specs = (yaml.safe_load(path.read_text()) for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
    return {name for spec in specs for point in spec["argument_specs"].values() for name in point["options"]}


def playbooks() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "playbooks").glob("*.yml"))


def assert_is_a_variable(name: str) -> None:
    asked = re.search(rf"\b{name}\b", playbooks())
    assert name in options_of_roles() or OTHER_VARIABLES.fullmatch(name) or asked, name


@functools.cache
def syntax_check(playbook: str) -> None:
    command = ["ansible-playbook", "--syntax-check", "-i", "localhost,", playbook]
    subprocess.run(command, cwd=ROOT, check=True)


def check_playbook(words: list[str]) -> None:
    playbook, given = words[1], iter(words[2:])
    for word in given:
        if word == "-i":
            assert (ROOT / next(given)).is_dir()
        elif word == "-e":
            value = next(given)
            # A file that the lab writes has any.
            if not value.startswith("@lab/.state/"):
                for name in yaml.safe_load(value) if value.startswith("{") else [value.split("=")[0]]:
                    assert_is_a_variable(name)
        elif word in ("--limit", "--tags"):
            next(given)
        else:
            assert word in ("--check", "--diff"), word
    syntax_check(playbook)


def check_make(words: list[str]) -> None:
    for word in words[1:]:
        assert "=" in word or re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE), word


def check_test(words: list[str]) -> None:
    usage = re.search(r"^# Usage: (.*)$", (ROOT / "scripts/test").read_text(), re.MULTILINE)[1]
    for word in words[1:]:
        assert f"[{word}]" in usage or word == "all", word


def check_lab(words: list[str]) -> None:
    python, _module, _lab, *arguments = words
    assert python in ("python", ".venv/bin/python")
    usage = subprocess.run(
        ["python", "-m", "lab", arguments[0], "--help"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    for option in (word.split("=")[0] for word in arguments if word.startswith("--")):
        assert option in usage, option


def check_pytest(words: list[str]) -> None:
    for path in (word.split("::")[0] for word in words[3:] if word.startswith("tests/")):
        assert (ROOT / path).exists(), path


def check_scripts(words: list[str]) -> None:
    assert (ROOT / words[0]).exists(), words[0]


def check_molecule(words: list[str]) -> None:
    assert (ROOT / "molecule" / words[-1] / "molecule.yml").is_file()


CHECKS: dict[str, t.Callable[[list[str]], None]] = {
    "ansible-playbook": check_playbook,
    "make": check_make,
    "scripts/test": check_test,
    "python -m lab": check_lab,
    ".venv/bin/python -m lab": check_lab,
    "python -m pytest": check_pytest,
    "molecule test -s": check_molecule,
    "scripts/": check_scripts,
}
#: Programs of others, with what is local in their commands checked elsewhere: the tests of a release run them.
OTHERS = {
    "ansible-builder",
    "ansible-doc",
    "ansible-galaxy",
    "antsibull-changelog",
    "cd",
    "git",
    "pip",
    "pre-commit",
    ".",
}


@pytest.mark.parametrize("text", blocks("sh"))
def test_commands_name_what_is_there(text: str) -> None:
    for words in commands(text):
        # Assignments before a command.
        words = words[next(i for i, word in enumerate(words) if not re.match(r"[A-Z]+=", word)) :]
        line = " ".join(words)
        check = next((check for start, check in CHECKS.items() if line.startswith(start)), None)
        assert check or words[0].removeprefix(".venv/bin/") in OTHERS, line
        if check:
            check(words)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_is_a_play_or_sets_variables_that_exist(text: str, tmp_path: Path) -> None:
    content = yaml.safe_load(text)
    if isinstance(content, list):
        (tmp_path / "play.yml").write_text(text)
        syntax_check(str(tmp_path / "play.yml"))
    # A workflow of GitHub's is none of both.
    elif "jobs" not in content:
        for name in content:
            assert_is_a_variable(name)


def said() -> list[str]:
    """Every text in plugins, playbooks and roles, `…` for what is filled in."""
    texts = []
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                texts.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
    for folder in ("playbooks", "roles"):
        for path in (ROOT / folder).rglob("*.yml"):
            texts.append(" ".join(re.sub(r"\{\{.*?\}\}", "…", path.read_text(), flags=re.DOTALL).split()))
    return texts


def test_the_messages_in_troubleshooting_are_said() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    messages = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    assert messages
    texts = said()
    for message in messages:
        pattern = re.compile(".*".join(map(re.escape, message.split("…"))), re.DOTALL)
        assert any(pattern.search(text) for text in texts), message
