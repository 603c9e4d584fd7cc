"""Every source against the demo production, as a report asks them."""

import pytest

from pdmlib.demo import Production
from pdmlib.demo.history import CRITICAL
from pdmlib.frames.collection import Collection
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.site.load import load_site
from pdmlib.site.tables import Query
from pdmlib.sources import catalogue


@pytest.fixture(scope="module")
def collection(production: Production) -> Collection:
    site = load_site("params/demo.yaml", environ=production.environ)
    assert site.deployed_at is not None
    return catalogue.collect(site, scope_of(site.zone, phase_named("week1"), site.deployed_at, production.clock))


def test_every_source_answers_whole(collection: Collection) -> None:
    assert {(c.source, c.status, c.detail) for c in collection.coverage} == {
        (row.name, "ok", None) for row in catalogue.SOURCES
    }


def test_all_that_the_demo_says_is_understood(collection: Collection) -> None:
    assert collection["not_understood"].to_dict("records") == []


def test_nothing_is_later_than_the_clock(collection: Collection, production: Production) -> None:
    for name, column in (
        ("latencies", "start"),
        ("request_counts", "at"),
        ("payments", "created_at"),
        ("messages", "created_at"),
        ("email_counts", "at"),
        ("deployments", "created_at"),
        ("host_metrics", "at"),
        ("probes", "checked_at"),
    ):
        assert collection[name][column].max() < production.clock, name


def test_no_secret_is_in_what_was_collected(collection: Collection, production: Production) -> None:
    kept = " ".join(table.to_csv() for table in collection.frames.values())
    for name, secret in production.environ.items():
        if any(word in name for word in ("TOKEN", "KEY", "SECRET")):
            assert secret not in kept, name


def test_the_looks_before_the_deployment_time_the_critical_queries_of_the_site_file(
    production: Production,
) -> None:
    site = load_site("params/demo.yaml", environ=production.environ)
    kept = tuple(Query.model_validate(query) for query in CRITICAL)
    assert kept == site.queries
