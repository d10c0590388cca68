"""What the owner of the application's parameters sees and does."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from lab import config, seed

PENDING = f"{config.PARAMETER_PATH}-rotation"


def version(key: str) -> int:
    """The newest version of a setting's parameter."""
    return seed.client("ssm").get_parameter(Name=f"{config.PARAMETER_PATH}/{key}")["Parameter"]["Version"]


def value(key: str) -> str | None:
    """What a setting's parameter has, or None if there is none."""
    ssm = seed.client("ssm")
    try:
        return ssm.get_parameter(Name=f"{config.PARAMETER_PATH}/{key}", WithDecryption=True)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None


def delete(key: str) -> None:
    """Take a parameter from the application."""
    seed.client("ssm").delete_parameter(Name=f"{config.PARAMETER_PATH}/{key}")


def put(key: str, value: str) -> None:
    """Give the application a secret."""
    name = f"{config.PARAMETER_PATH}/{key}"
    seed.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def pending_values() -> dict[str, str]:
    """The pending values of the rotations that are under way, by key."""
    found = seed.client("ssm").get_parameters_by_path(Path=PENDING, WithDecryption=True)["Parameters"]
    values = {one["Name"].removeprefix(f"{PENDING}/"): one["Value"] for one in found}
    return {key: value for key, value in values.items() if key != "lock"}
