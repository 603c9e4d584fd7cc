"""Productions that tests share: each is started once a session, and only when a test asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from pdmlib.demo import Production, start
from tests.servers import Bench, Database, a_bench


def pytest_configure(config: pytest.Config) -> None:
    """The quick tests draw the same examples each time; the slow ones draw anew."""
    sys.modules.setdefault("rfc3987_syntax")  # as the command does: jsonschema spends a second and more on it
    settings.register_profile("same", derandomize=True)
    if "not slow" in config.option.markexpr:
        settings.load_profile("same")


@pytest.fixture(scope="session")
def production() -> Iterator[Production]:
    """The demo production `rough`, seven days after the deployment; do not move its clock and leave it so."""
    with start("rough") as running:
        yield running


@pytest.fixture(scope="session")
def healthy_production() -> Iterator[Production]:
    """The demo production `healthy`, seven days after the deployment."""
    with start("healthy") as running:
        yield running


@pytest.fixture
def demo_environ(production: Production, monkeypatch: pytest.MonkeyPatch) -> Production:
    """The rough production, with its environment set for one test, as `params/demo.yaml` needs it."""
    for name, value in production.environ.items():
        monkeypatch.setenv(name, value)
    return production


@pytest.fixture
def healthy_environ(healthy_production: Production, monkeypatch: pytest.MonkeyPatch) -> Production:
    """The healthy production, with its environment set for one test, as `params/demo.yaml` needs it."""
    for name, value in healthy_production.environ.items():
        monkeypatch.setenv(name, value)
    return healthy_production


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """A PostgreSQL without anything of an application."""
    with a_bench() as running:
        yield running


@pytest.fixture
def database(bench: Bench) -> Iterator[Database]:
    """An empty database of that server."""
    with bench.database() as made:
        yield made
