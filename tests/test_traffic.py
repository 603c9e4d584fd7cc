"""Requests of a window from several sources."""

from datetime import timedelta

from pdmlib.traffic import populations, tiled
from pdmlib.window import Window
from tests.builders import DEPLOYED, a_case

HOUR = timedelta(hours=1)


def a_bucket(at, seconds, requests, status=200, source="vercel", rate=1.0, route=None):
    return {
        "source": source, "at": at, "interval_s": seconds, "route": route, "status": status,
        "requests": requests, "sample_rate": rate,
    }  # fmt: skip


def test_overlapping_buckets_are_counted_once():
    """Hours reach furthest; the five minutes inside them are left out, those after them fill the edge."""
    hours = [a_bucket(DEPLOYED + i * HOUR, 3600, 100) for i in range(2)]
    fine = [a_bucket(DEPLOYED + HOUR + timedelta(minutes=5 * i), 300, 9) for i in range(15)]
    case = a_case({"request_counts": hours + fine}).at(Window(DEPLOYED, DEPLOYED + timedelta(hours=2, minutes=20)))
    assert tiled(case, "vercel")["requests"].sum() == 2 * 100 + 3 * 9


def test_a_bucket_that_starts_before_the_window_is_left_out():
    case = a_case({"request_counts": [a_bucket(DEPLOYED - timedelta(minutes=30), 3600, 100)]})
    assert tiled(case, "vercel").empty


def test_crashes_and_5xx_are_failures():
    """Of 100 requests one crashed (-1), two were 502; a 404 is no failure."""
    rows = [a_bucket(DEPLOYED, 3600, n, status) for status, n in ((200, 90), (404, 7), (502, 2), (-1, 1))]
    (found,) = populations(a_case({"request_counts": rows}))
    assert (found.requests, found.failures, found.sampled) == (100, 3, 100)


def test_an_undeclared_sample_rate_leaves_the_sample_unknown():
    (found,) = populations(a_case({"request_counts": [a_bucket(DEPLOYED, 3600, 100, rate=None)]}))
    assert found.sampled is None


def test_rows_of_all_routes_are_not_added_to_those_of_each():
    rows = [
        a_bucket(DEPLOYED, 3600, 10),
        a_bucket(DEPLOYED, 3600, 6, route="/a"),
        a_bucket(DEPLOYED, 3600, 4, route="/b"),
    ]
    (found,) = populations(a_case({"request_counts": rows}))
    assert found.requests == 10


def test_raw_logs_come_before_the_platform_and_the_platform_before_traces():
    case = a_case()
    span = {"source": "sentry", "start": case.window.start, "end": case.window.end, "requests": 10_000.0,
            "failures": 40.0, "samples": 500, "sample_rate": 0.05}  # fmt: skip
    rows = [a_bucket(DEPLOYED, 3600, 5), a_bucket(DEPLOYED, 3600, 7, source="requests")]
    found = list(populations(a_case({"request_counts": rows, "latencies": [span]})))
    assert [p.source for p in found] == ["requests", "vercel", "sentry"]
    assert found[2].sampled == 500


def test_coverage_is_the_stretch_between_the_first_and_the_last_bucket():
    """Buckets of the first and the last of four hours reach over all four."""
    window = Window(DEPLOYED, DEPLOYED + 4 * HOUR)
    rows = [a_bucket(DEPLOYED, 3600, 1), a_bucket(DEPLOYED + 3 * HOUR, 3600, 1)]
    (found,) = populations(a_case({"request_counts": rows}).at(window))
    assert found.coverage_pct(window) == 100
