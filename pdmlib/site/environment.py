"""The environment of this process: the only place, beside the loading of a site, that reads or sets it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

DSN = "PDM_SENTRY_DSN"
"""Names where the workbook reports its own errors."""


def set_environment(values: Mapping[str, str]) -> None:
    """Sets environment variables of this process, for the demo's addresses and keys."""
    os.environ.update(values)


def without_plugins() -> None:
    """Keeps pydantic from the plugins of other packages: a site file is valid or not whatever else is installed.

    To find them it reads what every installed package says of itself, a tenth of the time of `pdm status`.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def environment_value(name: str) -> str | None:
    """An environment variable, None when it is not set or empty."""
    return os.environ.get(name) or None


def environment_without(names: Iterable[str]) -> dict[str, str]:
    """This process's environment less the named variables and our own DSN, for a child."""
    hidden = {DSN, *names}
    return {name: value for name, value in os.environ.items() if name not in hidden}
