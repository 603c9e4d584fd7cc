"""Requests of a window from several sources."""

from datetime import timedelta
from typing import Any

import pytest

from pdmlib.analysis.performance import error_rate_pct, latency
from pdmlib.analysis.traffic.hourly import hourly
from pdmlib.analysis.traffic.populations import buckets, populations, requests_of, tiled
from pdmlib.analysis.traffic.routes import before_and_since
from pdmlib.phases.window import Window
from tests.builders import DEPLOYED, a_case, a_gap

HOUR = timedelta(hours=1)


def a_bucket(at, seconds, requests, status=200, source="vercel", rate=1.0, route=None):
    return {
        "source": source,
        "at": at,
        "interval_s": seconds,
        "route": route,
        "status": status,
        "requests": requests,
        "sample_rate": rate,
    }


def test_overlapping_buckets_are_counted_once():
    """Hours count most of the window; five minutes inside them are left out, those after them fill the edge."""
    hours = [a_bucket(DEPLOYED + i * HOUR, 3600, 100) for i in range(2)]
    fine = [a_bucket(DEPLOYED + HOUR + timedelta(minutes=5 * i), 300, 9) for i in range(15)]
    case = a_case({"request_counts": hours + fine}).at(Window(DEPLOYED, DEPLOYED + timedelta(hours=2, minutes=20)))
    assert tiled(case, "vercel")["requests"].sum() == 2 * 100 + 3 * 9


def test_an_hour_that_is_listed_before_the_minutes_at_its_edges_is_counted_whole():
    """100 in the hour, 1 in the ten minutes before it, 2 in those after it; 50 lie in the hour and are in it."""
    parts = [(0, 3600, 100), (-10, 600, 1), (30, 600, 50), (60, 600, 2)]
    rows = [a_bucket(DEPLOYED + timedelta(minutes=at), length, count) for at, length, count in parts]
    edges = (DEPLOYED + timedelta(minutes=minutes) for minutes in (-10, 70))
    case = a_case({"request_counts": rows}).at(Window(*edges))
    assert list(tiled(case, "vercel")["requests"]) == [1, 100, 2]


@pytest.mark.parametrize(
    ("unknown", "rate", "errors"),
    [(0, 10.0, [10.0, 10.0]), (4, 10.0, [10 * 104 / 100] * 2), (6, None, [None, None])],  # 6 of 106 are 5.7 %
)
def test_requests_of_unknown_status_fail_as_often_as_the_others_where_they_are_few(unknown, rate, errors):
    """Two hours of 90 requests answered, 10 failed and a few of which nobody knows."""
    told = "the status of some requests is not known"
    rows = [
        a_bucket(DEPLOYED + i * HOUR, 3600, count, status, source="requests", route=route)
        for i in range(2)
        for route in (None, "/")
        for count, status in ((90, 200), (10, 500), (unknown, None))
        if count
    ]
    whole = [
        {**row, "at": DEPLOYED, "interval_s": 7200, "requests": 2 * row["requests"]}
        for row in rows[-3:]
        if row["route"]
    ]
    timed = {"source": "requests", "start": DEPLOYED, "end": DEPLOYED + 2 * HOUR, "route": "/", "p95_ms": 5}
    frames = {
        "request_counts": rows + whole,
        "latencies": [timed],
        "gaps": [a_gap("requests", told, "request_counts")],
    }
    case = a_case(frames, phase="day1", as_of=DEPLOYED + 2 * HOUR)
    found = error_rate_pct(case)
    assert (found.value, found.reason) == (rate and pytest.approx(rate), told)
    none = [None if drawn != drawn else drawn for drawn in hourly(case)["errors"]]
    assert none == [pytest.approx(count) if count else None for count in errors]
    looked = buckets(case)
    assert looked["failures"].sum() / max(looked["requests"].sum(), 1) == pytest.approx(0.1 if rate else 0)
    (route,) = before_and_since(case)["failures"]
    assert route == pytest.approx(2 * errors[0]) if rate else route != route


def test_beside_a_percentile_stands_of_how_many_requests_the_time_is_not_known():
    row = {"source": "requests", "start": DEPLOYED, "end": DEPLOYED + HOUR, "p95_ms": 5, "confidence": "exact"}
    row |= {"requests": 2777, "samples": 2777, "timed": 2720, "sample_rate": 1.0}
    case = a_case({"latencies": [row]}, phase="hour1", as_of=DEPLOYED + HOUR)
    assert "p95 of 2,720 requests, exact; the time of 57 more is not known" in latency(case, "p95_ms").evidence


def test_a_bucket_that_starts_before_the_window_is_left_out():
    case = a_case({"request_counts": [a_bucket(DEPLOYED - timedelta(minutes=30), 3600, 100)]})
    assert tiled(case, "vercel").empty


def test_a_stretch_without_a_beginning_an_end_or_a_length_counts_nothing():
    """Many of them are no puzzle that takes for ever: what fits a window is tried once a length."""
    known = [{"source": "sentry", "start": DEPLOYED, "end": DEPLOYED + HOUR, "requests": 10, "failures": 1}]
    hours = [DEPLOYED + i * HOUR for i in range(40)]
    odd = [{"source": "sentry", "start": at, "end": end, "requests": 99} for at in hours for end in (None, at)]
    odd += [{"source": "sentry", "start": None, "end": at, "requests": 99} for at in hours]
    case = a_case({"latencies": known + odd}).at(Window(DEPLOYED, DEPLOYED + 40 * HOUR))
    (found,) = populations(case)
    assert (found.requests, found.failures, found.covered_s) == (10, 1, 3600)


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
    span = {
        "source": "sentry",
        "start": case.window.start,
        "end": case.window.end,
        "requests": 10_000.0,
        "failures": 40.0,
        "samples": 500,
        "sample_rate": 0.05,
    }
    rows = [a_bucket(DEPLOYED, 3600, 5), a_bucket(DEPLOYED, 3600, 7, source="requests")]
    found = list(populations(a_case({"request_counts": rows, "latencies": [span]})))
    assert [p.source for p in found] == ["requests", "vercel", "sentry"]
    assert found[2].sampled == 500


def test_a_few_minutes_at_both_ends_do_not_stand_for_the_hours_between():
    """Ten hours of 100, and the minutes of the first and the last of them: 1000, not 120."""
    window = Window(DEPLOYED, DEPLOYED + 10 * HOUR)
    hours = [a_bucket(DEPLOYED + i * HOUR, 3600, 100) for i in range(10)]
    minutes = [a_bucket(DEPLOYED + h * HOUR + timedelta(minutes=i), 60, 1) for h in (0, 9) for i in range(60)]
    (found,) = populations(a_case({"request_counts": minutes + hours}).at(window))
    assert (found.requests, found.coverage_pct(window)) == (1000, 100)


def test_a_quiet_hour_is_counted_and_a_silence_of_more_than_six_hours_is_not():
    """Hours 0 and 2 of four: three are covered. Hours 0 and 9 of ten: two of ten."""
    rows = [a_bucket(DEPLOYED, 3600, 1), a_bucket(DEPLOYED + 2 * HOUR, 3600, 1)]
    four, ten = Window(DEPLOYED, DEPLOYED + 4 * HOUR), Window(DEPLOYED, DEPLOYED + 10 * HOUR)
    (found,) = populations(a_case({"request_counts": rows}).at(four))
    assert found.coverage_pct(four) == 75
    rows = [a_bucket(DEPLOYED, 3600, 1), a_bucket(DEPLOYED + 9 * HOUR, 3600, 1)]
    (found,) = populations(a_case({"request_counts": rows}).at(ten))
    assert found.coverage_pct(ten) == 20


def test_counts_come_before_a_sample_scaled_up():
    """The platform's row of response times has a sample and no count; its buckets have both."""
    case = a_case()
    span = {
        "source": "vercel",
        "start": case.window.start,
        "end": case.window.end,
        "samples": 900,
        "sample_rate": 1.0,
    }
    (found,) = populations(a_case({"request_counts": [a_bucket(DEPLOYED, 3600, 7)], "latencies": [span]}))
    assert (found.requests, found.failures) == (7, 0)


@pytest.mark.parametrize(("complete", "requests"), [(True, 100), (False, None)])
def test_a_stretch_of_which_days_were_not_counted_says_nothing_of_each(complete: bool, requests: float | None):
    """700 requests in seven days are 100 a day, unless the log began on the sixth of them."""
    start = DEPLOYED - timedelta(days=7)
    span = {"source": "requests", "start": start, "end": DEPLOYED, "requests": 700, "complete": complete}
    case = a_case({"latencies": [span | {"samples": 700, "sample_rate": 1.0}]})
    assert requests_of(case.at(Window(start, start + timedelta(days=1))), "requests") == requests


MINUTE = timedelta(minutes=1)


def an_hour(rate: int, silent: range, **more: Any) -> list[dict[str, Any]]:
    """Minutes of an hour with so many requests each, without those that are silent."""
    return [a_bucket(DEPLOYED + n * MINUTE, 60, rate) | more for n in range(60) if n not in silent]


@pytest.mark.parametrize(
    ("silent", "covered"),
    [(range(0), 60), (range(20, 40), 40), (range(5, 6), 59), (range(20), 40), (range(50, 60), 50)],
)
def test_minutes_in_which_many_requests_were_due_and_none_was_counted_are_not_counted(
    silent: range, covered: int
) -> None:
    """A hundred come each minute: without the silent ones the rate is still a hundred."""
    hour = Window(DEPLOYED, DEPLOYED + HOUR)
    (found,) = populations(a_case({"request_counts": an_hour(100, silent)}).at(hour))
    assert found.coverage_pct(hour) == pytest.approx(100 * covered / 60, abs=0.01)
    assert found.rate == pytest.approx(100)


def test_minutes_in_which_few_requests_were_due_may_have_had_none() -> None:
    """One every two minutes: in ten silent minutes five were due."""
    hour = Window(DEPLOYED, DEPLOYED + HOUR)
    rows = [row for row in an_hour(1, range(20, 30)) if row["at"].minute % 2 == 0]
    (found,) = populations(a_case({"request_counts": rows}).at(hour))
    assert found.coverage_pct(hour) == pytest.approx(100 * 59 / 60, abs=0.01), "the last minute has no bucket"


def test_a_night_that_is_quiet_on_one_side_only_is_counted() -> None:
    """A hundred an hour by day, one an hour by night, of which three have none."""
    rows = [a_bucket(DEPLOYED + n * HOUR, 3600, 100 if n < 8 else 1) for n in range(16) if n not in (8, 9, 10)]
    sixteen = Window(DEPLOYED, DEPLOYED + 16 * HOUR)
    (found,) = populations(a_case({"request_counts": rows}).at(sixteen))
    assert found.coverage_pct(sixteen) == 100


def test_a_figure_of_the_whole_window_rests_on_the_minutes_that_were_counted() -> None:
    """A request log gives the window as one row and its minutes beside it: twenty of them are silent."""
    hour = Window(DEPLOYED, DEPLOYED + HOUR)
    whole = {"source": "requests", "start": hour.start, "end": hour.end, "requests": 4000.0, "failures": 0.0}
    whole |= {"samples": 4000, "sample_rate": 1.0, "p95_ms": 200.0}
    case = a_case({"request_counts": an_hour(100, range(20, 40), source="requests"), "latencies": [whole]})
    (found,) = populations(case.at(hour))
    assert found.coverage_pct(hour) == pytest.approx(66.67, abs=0.01)
    assert latency(case.at(hour), "p95_ms").coverage_pct == pytest.approx(66.67, abs=0.01)


def test_the_last_sixty_minutes_are_not_counted_beside_the_hours_of_the_clock() -> None:
    """Three hours of 100 requests; the hour before an end that is not on the hour is counted by then."""
    end = DEPLOYED + timedelta(hours=3, minutes=10)
    spans = [(DEPLOYED + i * HOUR, DEPLOYED + (i + 1) * HOUR) for i in range(3)] + [(end - HOUR, end)]
    rows = [{"source": "sentry", "start": a, "end": b, "requests": 100.0, "samples": 5} for a, b in spans]
    case = a_case({"latencies": rows}).at(Window(DEPLOYED, end))
    (found,) = populations(case)
    assert found.requests == 300
    assert [row["at"] for row in hourly(case).to_dict("records")] == [start for start, _ in spans[:3]]
