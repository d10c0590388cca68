"""What a role says of its options is what it does with them: meta/argument_specs.yml against defaults/main.yml."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

COLLECTION = Path(__file__).parents[3]
ROLES = sorted(path for path in (COLLECTION / "roles").iterdir() if path.is_dir())
#: Defaults that a role works out, so that there is no value to state.
WORKED_OUT = {
    "compose_deploy_options_digest",
    "gitops_checkout_written_files",
    "preflight_options_digest",
    "preflight_written_files",
}
#: Those that the inventory has under a name for all roles. Stated, they would have to be there even for who gives the option.
FROM_INVENTORY = re.compile(r"\{\{ provision_\w+ \}\}")


def read(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text()) or {}


def specs(role: Path) -> dict[str, t.Any]:
    return read(role / "meta/argument_specs.yml")["argument_specs"]


def options(role: Path) -> dict[str, t.Any]:
    """Those of all entry points; of those that have the same, the last one."""
    return {name: option for spec in specs(role).values() for name, option in spec["options"].items()}


def own_defaults(role: Path) -> dict[str, t.Any]:
    folder = role / "defaults/main"
    return read(folder / f"{role.name}.yml" if folder.is_dir() else role / "defaults/main.yml")


def linked_defaults(role: Path) -> dict[str, t.Any]:
    """Those of other roles that a role has links to."""
    found: dict[str, t.Any] = {}
    for path in (role / "defaults/main").glob("*.yml"):
        if path.stem != role.name:
            assert path.readlink() == Path(f"../../../{path.stem}/defaults/main.yml")
            found |= read(path)
    return found


def resolved(role: Path, others: dict[str, t.Any]) -> dict[str, t.Any]:
    """A role's defaults with what other roles' variables stand for; an expression with none of these stays.

    :param others: variables of other roles; for one that is missing there is what the default falls back on.
    """
    own = own_defaults(role)
    variables = {**others, **{name: f"{{{{ {name} }}}}" for name in [*own, "gitops_checkout_dest"]}}

    def value_of(value: t.Any) -> t.Any:
        if isinstance(value, str) and ("default(" in value or others.keys() & set(re.findall(r"\w+", value))):
            return Templar(DataLoader(), variables=variables).template(trust_as_template(value))
        return value

    return {name: value_of(value) for name, value in own.items()}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_an_option_with_that_value_and_the_other_way_round(role: Path) -> None:
    defaults = resolved(role, linked_defaults(role))
    stated = {name: option["default"] for name, option in options(role).items() if "default" in option}
    worked_out = WORKED_OUT & defaults.keys()
    worked_out |= {name for name, value in defaults.items() if FROM_INVENTORY.fullmatch(str(value))}
    assert worked_out <= options(role).keys()
    assert stated == {name: value for name, value in defaults.items() if name not in worked_out}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_default_that_falls_back_does_so_on_the_default_of_the_other_role(role: Path) -> None:
    """It is the same where the other roles are in the play."""
    linked = linked_defaults(role)
    others = {name: value for other in ROLES for name, value in own_defaults(other).items() if "{{" not in str(value)}
    alone, beside = resolved(role, linked), resolved(role, {**others, **linked})
    assert {name: value for name, value in alone.items() if beside[name] != value}.keys() <= WORKED_OUT


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_an_option_is_the_same_in_all_entry_points(role: Path) -> None:
    for name, last in options(role).items():
        for entry_point, spec in specs(role).items():
            if name in spec["options"]:
                option = spec["options"][name]
                shape = {key: option.get(key) for key in ("type", "elements", "default", "choices")}
                assert shape == {key: last.get(key) for key in shape}, f"{name} of {entry_point}"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_has_the_prefix_of_its_role_a_type_and_a_description(role: Path) -> None:
    def incomplete(found: dict[str, t.Any]) -> t.Iterator[str]:
        for name, option in found.items():
            if not option.get("type") or not option.get("description"):
                yield name
            if option.get("type") == "list" and not option.get("elements"):
                yield name
            yield from (f"{name}.{below}" for below in incomplete(option.get("options", {})))

    assert [name for name in options(role) if not name.startswith(f"{role.name}_")] == []
    assert list(incomplete(options(role))) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_entry_point_is_specified(role: Path) -> None:
    """Those are the task files that no other one of the role takes in, and may be others."""
    files = {path.name: path.read_text() for path in (role / "tasks").glob("*.yml")}
    taken = re.compile(r"(?:file|import_tasks|include_tasks): (\w+\.yml)$", re.MULTILINE)
    inner = {name for text in files.values() for name in taken.findall(text)}
    stems = {Path(name).stem for name in files}
    assert {Path(name).stem for name in files.keys() - inner} | {"main"} <= specs(role).keys() <= stems


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_what_a_default_takes_from_another_role_is_an_option_of_it(role: Path) -> None:
    known = {name for other in ROLES for name in options(other)}
    prefixes = "|".join(other.name for other in ROLES)
    named = set(re.findall(rf"\b(?:{prefixes})_\w+", str(own_defaults(role)))) - {other.name for other in ROLES}
    assert named <= known


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_molecule_runs_it_with_few_and_with_most_options(role: Path) -> None:
    def given(scenario: Path) -> set[str]:
        assert list(scenario.glob("test_*.py")), f"{scenario.name} tests nothing"
        found = read(scenario / "molecule.yml")
        for key in ("provisioner", "inventory", "group_vars", "role"):
            found = found.get(key, {})
        return own & found.keys()

    own = specs(role)["main"]["options"].keys()
    few, most = (given(COLLECTION / "molecule" / name) for name in (role.name, f"{role.name}_alternative"))
    assert len(few) < len(most)
    assert len(most) > 0.75 * len(own), own - most
