"""When a change began: the interval holds the truth, and without a change there is none."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.analysis.traffic.onset import onset_of, onset_of_route
from tests.builders import DEPLOYED, WEEK_LATER, a_case, every

HOUR = timedelta(hours=1)


def hours(slow_from: datetime, factor: float, seed: int) -> list[dict[str, Any]]:
    """Two weeks of hourly percentiles that vary by a tenth, and are `factor` times as high from a moment on."""
    rng = random.Random(seed)
    rows = []
    for start in every(60, DEPLOYED - 7 * 24 * HOUR, WEEK_LATER):
        p95 = 200 * rng.lognormvariate(0, 0.1) * (factor if start >= slow_from else 1)
        failed = sum(rng.random() < (0.01 * factor if start >= slow_from else 0.01) for _ in range(100))
        row = {"source": "requests", "start": start, "end": start + HOUR, "p95_ms": p95, "requests": 100.0}
        rows.append({**row, "failures": failed, "samples": 100, "sample_rate": 1.0})
    return rows


@pytest.mark.parametrize("reading", ["latency_p95_ms", "error_rate_pct"])
@pytest.mark.parametrize("after", [-60, 0, 50])
def test_the_interval_of_a_change_holds_the_hour_in_which_it_began(reading: str, after: int) -> None:
    began = DEPLOYED + after * HOUR
    onset = onset_of(a_case({"latencies": hours(began, 3, seed=after)}), reading)
    assert onset is not None and onset.holds(began)
    assert onset.holds(DEPLOYED) == (after == 0)
    assert onset.latest - onset.earliest <= 30 * HOUR


def test_hours_of_a_few_sampled_requests_date_nothing() -> None:
    """At night one request in twenty is looked at, of a hundred: the p95 of five is their slowest.

    The night after the deployment is slow by chance; the days say when it began.
    """
    rows = hours(DEPLOYED, 1.6, seed=3)
    for row in rows:
        if row["start"].hour < 12:
            row |= {"samples": 5, "p95_ms": row["p95_ms"] * (9 if row["start"] >= DEPLOYED else 1)}
    onset = onset_of(a_case({"latencies": rows}, phase="day1", as_of=DEPLOYED + 24 * HOUR), "latency_p95_ms")
    assert onset is not None and onset.holds(DEPLOYED)


@pytest.mark.parametrize("reading", ["latency_p95_ms", "error_rate_pct"])
def test_what_did_not_change_has_no_onset(reading: str) -> None:
    """Eight unchanged fortnights: a change point that were to find, and not to date, would find some."""
    found = [onset_of(a_case({"latencies": hours(WEEK_LATER, 1, seed)}), reading) for seed in range(8)]
    assert found == [None] * 8


def test_a_burst_that_was_over_is_not_when_the_present_began() -> None:
    """Half of all requests failed for two hours, five days before the deployment; since then as before."""
    rows = hours(WEEK_LATER, 1, seed=5)
    for row in rows[48:50]:
        row["failures"] = 50
    assert onset_of(a_case({"latencies": rows}), "error_rate_pct") is None


def test_a_burst_before_the_deployment_excuses_nothing_that_began_with_it() -> None:
    """All requests failed for six hours, two days before the deployment; one in ten does since it."""
    rows = hours(DEPLOYED, 10, seed=6)
    burst = DEPLOYED - 48 * HOUR
    for row in rows:
        if burst <= row["start"] < burst + 6 * HOUR:
            row["failures"] = 100
    onset = onset_of(a_case({"latencies": rows}), "error_rate_pct")
    assert onset is None or onset.holds(DEPLOYED)


def route_hours(bad_from: datetime, failed: int = 0, avg_ms: float = 100.0) -> list[dict[str, Any]]:
    """Two weeks of hours of a route with forty requests in each, failing or slow from a moment on."""
    rows = []
    for start in every(60, DEPLOYED - 7 * 24 * HOUR, WEEK_LATER):
        bad = start >= bad_from
        row = {
            "source": "requests",
            "route": "/pay",
            "at": start,
            "requests": 40.0,
            "timed": 40,
            "sample_rate": 1.0,
        }
        rows.append({**row, "failures": float(failed * bad), "avg_ms": avg_ms if bad else 100.0 + start.hour})
    return rows


@pytest.mark.parametrize("kind", ["failing", "slow"])
@pytest.mark.parametrize("after", [-5, 0, 5])
def test_a_route_changed_in_the_hour_that_its_own_requests_show(kind: str, after: int) -> None:
    began = DEPLOYED + after * HOUR
    rows = route_hours(began, failed=20) if kind == "failing" else route_hours(began, avg_ms=400.0)
    onset = onset_of_route(a_case({"route_hours": rows}), "/pay", 0.5 if kind == "failing" else None)
    assert onset is not None and onset.moment == began
    assert onset.holds(DEPLOYED) == (after == 0)
    assert onset_of_route(a_case({"route_hours": rows}), "/other", 0.5) is None


def test_a_route_that_failed_seldom_before_the_deployment_and_often_since_has_no_onset_before() -> None:
    """Two of forty from twelve hours before; half of them in the first minutes, of which no hour is whole."""
    rows = [row for row in route_hours(DEPLOYED - 12 * HOUR, failed=2) if row["at"] < DEPLOYED]
    case = a_case({"route_hours": rows}, phase="hour1", as_of=DEPLOYED + HOUR / 3)
    assert onset_of_route(case, "/pay", 0.5) is None
    as_before = onset_of_route(case, "/pay", 0.05)
    assert as_before is not None and as_before.latest < DEPLOYED
