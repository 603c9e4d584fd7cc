"""Response times, error rate and traffic (truth rules 2, 3, 4, 7, 13)."""

from datetime import timedelta

import pytest

from pdmlib import stats
from pdmlib.analysis import performance
from pdmlib.analysis.traffic.days import daily
from pdmlib.analysis.traffic.hourly import hourly
from pdmlib.frames.readings import Measurement, Priority, State, Status
from pdmlib.verdict.ladder import reading_of
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap, a_site, at, every

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
METRICS = {m.id: m for m in performance.METRICS}


def a_span(start=DEPLOYED, end=WEEK_LATER, source="sentry", **more):
    row = {
        "source": source,
        "start": start,
        "end": end,
        "p50_ms": 100.0,
        "p95_ms": 800.0,
        "p99_ms": 1500.0,
        "avg_ms": 200.0,
        "requests": 10_000.0,
        "failures": 40.0,
        "samples": 500,
        "sample_rate": 0.05,
    }
    return {**row, **more}


def a_bucket(when, requests, status=200, seconds=3600, rate=1.0):
    return {
        "source": "vercel",
        "at": when,
        "interval_s": seconds,
        "status": status,
        "requests": requests,
        "sample_rate": rate,
    }


def error_rate(**frames):
    return performance.error_rate_pct(a_case(frames))


def measure(name, **frames):
    return METRICS[name].measure(a_case(frames))


# Percentiles


def test_a_percentile_of_a_part_of_the_data_is_of_low_confidence():
    found = measure("latency_p95_ms", latencies=[a_span(confidence="low")])
    assert found.reason == "low confidence: sentry says so of its own p95"
    whole = measure("latency_p95_ms", latencies=[a_span()])
    assert (whole.value, whole.reason) == (800, None)


def test_a_percentile_is_that_of_exactly_the_window():
    """Rule 4: the days' own p95s (500 and 3000) are not averaged."""
    days = [a_span(end=DEPLOYED + DAY, p95_ms=500.0), a_span(DEPLOYED + DAY, p95_ms=3000.0)]
    assert measure("latency_p95_ms", latencies=[*days, a_span()]).value == 800


def test_percentiles_of_intervals_are_told_and_are_not_the_windows():
    """Rule 4: the median of 3 intervals is named, the reading stays unknown."""
    hours = [
        a_span(DEPLOYED + i * HOUR, DEPLOYED + (i + 1) * HOUR, p95_ms=v)
        for i, v in enumerate((500.0, 600.0, 9000.0))
    ]
    found = measure("latency_p95_ms", latencies=hours)
    assert found.value is None
    assert "median of 3 intervals' p95 is 600 ms, not the window's p95" in found.reason


def test_raw_logs_come_before_traces_and_traces_before_the_platform():
    rows = [a_span(source="vercel", p95_ms=1.0), a_span(p95_ms=2.0), a_span(source="requests", p95_ms=3.0)]
    assert measure("latency_p95_ms", latencies=rows).value == 3
    assert measure("latency_p95_ms", latencies=rows[:2]).value == 2


def test_a_percentile_of_the_log_says_whether_it_is_exact_or_pooled_from_histograms():
    def told(confidence):
        rows = [a_span(source="requests", samples=1234, confidence=confidence)]
        return measure("latency_p95_ms", latencies=rows).evidence

    assert "p95 of 1,234 requests, exact" in told("exact")
    assert "p95 of 1,234 requests, from histograms" in told("histogram")
    assert "sampled" in told(None)


def test_a_p99_of_38_requests_says_so():
    found = measure("latency_p99_ms", latencies=[a_span(samples=38)])
    assert found.value == 1500
    assert "38 requests are too few for a p99, which takes 100" in found.reason
    assert measure("latency_p95_ms", latencies=[a_span(samples=38)]).reason is None


def test_rule_4_a_percentile_carries_the_interval_of_its_histogram():
    found = measure("latency_p95_ms", latencies=[a_span(p95_low_ms=790.0, p95_high_ms=811.5)])
    assert (found.low, found.value, found.high) == (790.0, 800, 811.5)
    bare = measure("latency_p95_ms", latencies=[a_span()])
    assert (bare.low, bare.high) == (None, None)


def probes(**times: list[float]) -> list[dict[str, object]]:
    """Probes of the uptime log by their status, one an hour."""
    told = [(status, ms) for status, all_ms in times.items() for ms in all_ms]
    return [
        {"target": "uptime_logs", "checked_at": DEPLOYED + i * HOUR, "status": status, "response_ms": ms}
        for i, (status, ms) in enumerate(told)
    ]


def test_probes_of_the_health_check_are_no_response_times_of_users():
    """19 probes of 100 ms and two of 900: their p95 is 900, and nothing is known of users' requests."""
    rows = probes(up=[100.0] * 19 + [900.0] * 2)
    for name in ("latency_avg_ms", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms"):
        assert measure(name, probes=rows).state is State.NO_DATA
    found = measure("probe_p95_ms", probes=rows)
    assert (found.value, found.source, found.samples) == (900, "probe", 21)
    assert "21 probes of uptime_logs, not of users' requests" in found.evidence
    other = METRICS["probe_p95_ms"].measure(
        a_case({"probes": rows}, site=a_site(uptime={"table": "reserva.monitor"}))
    )
    assert "21 probes of reserva.monitor" in other.evidence


@pytest.mark.parametrize(("down", "ms"), [(2, 30_000.0), (96, 2.0)])
def test_the_times_of_failed_probes_are_not_those_of_the_site(down: int, ms: float):
    """8 % down after 30 s made a p95 of 30 s, and 96 % that failed in 2 ms one of 2 ms."""
    found = measure("probe_p95_ms", probes=probes(up=[100.0] * 24, down=[ms] * down))
    assert (found.value, found.samples) == (100, 24)


def test_without_any_source_the_reason_is_the_sources_own():
    case = a_case({"gaps": [a_gap("sentry", "403: token lacks org:read")]}, coverage={"sentry": "failed"})
    found = METRICS["latency_p95_ms"].measure(case)
    assert (found.state, found.reason) == (State.ERROR, "403: token lacks org:read")


@pytest.mark.parametrize(
    ("name", "value", "status", "critical"),
    [
        ("latency_p50_ms", 299, None, False),
        ("latency_p50_ms", 300, Status.WARN, False),
        ("latency_p50_ms", 500, Status.WARN, False),
        ("latency_p50_ms", 501, Status.FAIL, True),
        ("latency_p95_ms", 999, None, False),
        ("latency_p95_ms", 1000, Status.WARN, False),
        ("latency_p95_ms", 2001, Status.FAIL, True),
        ("latency_p99_ms", 2000, Status.WARN, False),
        ("latency_p99_ms", 5001, Status.FAIL, True),
        ("error_rate_pct", 0.49, None, False),
        ("error_rate_pct", 0.5, Status.WARN, False),
        ("error_rate_pct", 1, Status.WARN, False),
        ("error_rate_pct", 1.1, Status.FAIL, True),
        ("error_rate_pct", 5.1, Status.FAIL, True),
    ],
)
def test_limits_are_the_guides_own_edges(name, value, status, critical):
    step = next((limit for limit in METRICS[name].limits if limit.holds(value)), None)
    assert (step.status if step else None, bool(step and step.critical)) == (status, critical)


def test_only_more_than_five_percent_of_errors_asks_for_rollback():
    worst, high, elevated = METRICS["error_rate_pct"].limits
    assert [(limit.priority, limit.rollback) for limit in (worst, high, elevated)] == [
        (Priority.P0, True),
        (Priority.P1, False),
        (Priority.P2, False),
    ]


# Error rate


def test_a_rate_carries_its_wilson_interval():
    """Rule 2: 60 of 1000 are 6 %, 4.7 to 7.7."""
    found = error_rate(request_counts=[a_bucket(DEPLOYED, 940), a_bucket(DEPLOYED, 60, 500)])
    assert (found.value, found.samples) == (6, 1000)
    assert (found.low, found.high) == (pytest.approx(4.7, abs=0.05), pytest.approx(7.65, abs=0.05))


def test_the_interval_of_a_sampled_rate_is_of_the_sample_not_of_what_it_stands_for():
    """Rule 3: 40 of 10,000 extrapolated from 500 traces: 2 of 500, not 40 of 10,000."""
    found = error_rate(latencies=[a_span()])
    assert (found.value, found.samples) == (pytest.approx(0.4), 500)
    assert (found.low, found.high) == (pytest.approx(0.11, abs=0.01), pytest.approx(1.45, abs=0.01))


def test_rule_3_50_errors_and_500_traces_at_5_percent_are_half_a_percent():
    total = {"start": DEPLOYED, "end": WEEK_LATER, "errors": 50}
    span = a_span(requests=None, failures=None, samples=500, sample_rate=0.05)
    assert error_rate(latencies=[span], error_counts=[total]).value == pytest.approx(0.5)


def test_rule_3_an_undeclared_sample_rate_is_unknown_with_that_reason():
    span = a_span(sample_rate=None)
    found = error_rate(latencies=[span])
    assert found.value is None
    assert "sample rate of sentry is not declared" in found.reason


SILENT = {"requests": 0.0, "samples": 0, "failures": None, "p95_ms": None}


@pytest.mark.parametrize("metric", ["error_rate_pct", "requests_total", "requests_per_min_avg"])
def test_an_error_tracker_that_never_had_a_trace_counts_no_requests(metric):
    """Sentry's server writes a count of 0 where an SDK sends no traces at all."""
    before = a_span(DEPLOYED - WEEK, DEPLOYED, **SILENT)
    case = a_case({"latencies": [a_span(**SILENT), before]}, site=a_site(unused=["vercel"]))
    found = getattr(performance, metric)(case)
    assert (found.value, found.state, found.source) == (None, State.NO_DATA, "sentry")


def test_no_trace_in_the_window_where_there_were_some_before_is_a_zero():
    before = a_span(DEPLOYED - WEEK, DEPLOYED)
    case = a_case({"latencies": [a_span(**SILENT), before]}, site=a_site(unused=["vercel"]))
    assert performance.requests_total(case).value == 0


def test_a_key_reading_of_a_site_without_the_one_source_has_the_reason_of_the_other():
    case = a_case({"gaps": [a_gap("vercel", "402: pay")]}, site=a_site(unused=["sentry"]))
    assert METRICS["latency_p95_ms"].measure(case).reason == "402: pay"


def test_without_any_request_there_is_no_rate():
    assert error_rate(request_counts=[]).state is State.NO_DATA


# Traffic


def four_weeks(per_hour, weeks=4):
    return [a_bucket(t, per_hour) for t in every(60, DEPLOYED - weeks * WEEK, DEPLOYED)]


def test_traffic_is_compared_with_the_same_stretch_of_the_weeks_before():
    """60 an hour before, 180 an hour now: three times the baseline of one a minute, which warns."""
    now = [a_bucket(t, 180) for t in every(60, DEPLOYED, WEEK_LATER)]
    found = measure("requests_per_min_avg", request_counts=four_weeks(60) + now)
    assert (found.value, found.baseline, found.trend) == (pytest.approx(3), pytest.approx(1), "up")
    steps = [limit for limit in METRICS["requests_per_min_avg"].limits if limit.reached(found)]
    assert [limit.status for limit in steps] == [Status.WARN]


def test_traffic_that_fell_below_half_of_what_is_usual_warns():
    """60 an hour before, 24 an hour now: 0.4 times the baseline."""
    now = [a_bucket(t, 24) for t in every(60, DEPLOYED, WEEK_LATER)]
    found = measure("requests_per_min_avg", request_counts=four_weeks(60) + now)
    assert (found.trend, found.judged) == ("down", True)
    steps = [limit for limit in METRICS["requests_per_min_avg"].limits if limit.reached(found)]
    assert [(limit.status, limit.edge) for limit in steps] == [(Status.WARN, 0.5)]


def test_no_request_where_one_is_usual_is_no_fall_of_traffic():
    """None in the hour, one in the same hour of each of 3 weeks: too few to compare, so not judged."""
    now = [a_bucket(DEPLOYED, 0)]
    past = [a_bucket(DEPLOYED - n * WEEK, 1) for n in (1, 2, 3)]
    case = a_case({"request_counts": past + now}, phase="hour1", as_of=DEPLOYED + timedelta(hours=1))
    found = METRICS["requests_per_min_avg"].measure(case)
    assert (found.trend, found.judged) == ("unknown", False)


def test_ten_times_the_baseline_is_critical_and_no_baseline_is_no_verdict():
    limits = METRICS["requests_per_min_avg"].limits
    tenfold = Measurement(State.MEASURED, 11.0, baseline=1.0)
    assert limits[0].reached(tenfold) and limits[0].critical
    assert not any(limit.reached(Measurement(State.MEASURED, 11.0)) for limit in limits)


def test_the_peak_is_that_of_the_busiest_interval_and_says_how_long_it_is():
    """600 in an hour are 10 a minute; 100 in five minutes of it are 20 a minute."""
    rows = [a_bucket(DEPLOYED, 600), a_bucket(DEPLOYED, 100, seconds=300)]
    found = measure("requests_per_min_peak", request_counts=rows)
    assert found.value == 20
    assert "average of the 5 min from Mon 3 Mar 09:00 CST" in found.evidence


def test_timeouts_are_the_504s_and_are_zero_only_where_statuses_were_counted():
    rows = [a_bucket(DEPLOYED, 90), a_bucket(DEPLOYED, 3, 504), a_bucket(DEPLOYED, 5, 500)]
    assert measure("timeouts", request_counts=rows).value == 3
    assert measure("timeouts", request_counts=rows[:1]).value == 0
    assert measure("timeouts").state is State.NO_DATA


# Days


def the_days(weekday, weekend):
    """Requests an hour by the local day, from four weeks before to the end of the week."""
    rows, zone = [], a_case().site.zone
    for moment in every(60, DEPLOYED - 4 * WEEK, WEEK_LATER):
        local = moment.astimezone(zone)
        rows.append(a_bucket(moment, (weekend if local.weekday() >= 5 else weekday) / 24))
    return rows


def test_rule_7_weekdays_of_200_and_weekends_of_20_have_no_arrow():
    """A plain seven-day mean says Monday +35 %, Saturday -87 %; nothing changed."""
    rows = daily(a_case({"request_counts": the_days(200, 20)}))
    assert [row["date"] for row in rows][:2] == ["2025-02-24", "2025-02-25"]
    assert {row["requests_trend"] for row in rows} == {"flat"}
    assert rows[-2]["requests_vs_7day_pct"] < -80


def test_a_day_without_a_source_has_its_row_and_no_number():
    rows = daily(a_case())
    assert len(rows) == 14
    assert rows[0]["requests"] is None
    assert (rows[0]["requests_trend"], rows[0]["coverage_pct"]) == ("unknown", 0)


def test_a_day_that_is_not_over_has_no_arrow():
    case = a_case({"request_counts": the_days(200, 20)}, as_of=at("2025-03-05T18:00"))
    last = daily(case)[-1]
    assert (last["date"], last["complete"], last["requests_trend"]) == ("2025-03-05", False, "unknown")
    assert last["requests_vs_7day_pct"] is None


def a_log_from(begins):
    """Sixty requests an hour from a moment on, and each day's row as a store tells it of all that it holds."""
    hours = [a_bucket(moment, 60) | {"source": "requests"} for moment in every(60, begins, WEEK_LATER)]
    days = []
    for day in a_case().scope.review_days:
        held = [hour for hour in hours if day.window.contains(hour["at"])]
        if held:
            span = a_span(day.window.start, day.window.end, source="requests", requests=60 * len(held), failures=0)
            days.append(span)
    return {"request_counts": hours, "latencies": days}


def test_a_day_of_which_a_log_holds_the_evening_is_a_part_of_a_day():
    """A log from 18:00 in Chicago on 26 February: six of 24 hours, 360 requests, and 1,440 a day after it."""
    rows = {row["date"]: row for row in daily(a_case(a_log_from(at("2025-02-27T00:00"))))}
    first, second, third = (rows[f"2025-02-{day}"] for day in (26, 27, 28))
    assert (first["requests"], first["coverage_pct"], first["complete"]) == (360, 25.0, False)
    assert (first["requests_trend"], first["requests_vs_7day_pct"]) == ("unknown", None)
    assert (second["requests"], second["coverage_pct"], second["complete"]) == (1440, 100.0, True)
    assert (second["requests_7day"], third["requests_7day"]) == (None, 1440)


# Routes


def two_weeks_of(route, before, now, samples=500, **more):
    base = {"route": route, "avg_ms": 150.0, "p50_ms": 100.0}
    return [
        a_span(DEPLOYED - WEEK, DEPLOYED, p95_ms=before, samples=samples, **base),
        a_span(**{**base, "p95_ms": now, "samples": samples, **more}),
    ]


def test_a_route_whose_p95_surely_rose_is_a_finding_with_its_numbers():
    """400 to 1200 ms over 500 sampled requests each."""
    rows = two_weeks_of("/api/offers", 400.0, 1200.0, avg_ms=400.0) + two_weeks_of("/", 300.0, 310.0)
    (found,) = performance.findings(a_case({"latencies": rows}))
    assert found.id == "route:/api/offers:slower"
    assert found.title == "/api/offers became 3 times slower"
    assert "400 ms before, 1,200 ms now" in found.evidence
    assert "100 % of all time added" in found.evidence
    assert (found.priority, found.becomes_green) == (Priority.P2, "its p95 is under 520 ms (now 1,200 ms)")


def routes_slowed(*times):
    """Routes of 300 ms, each so many times as slow since."""
    rows = (two_weeks_of(f"/{n}", 300.0, 300.0 * x) for n, x in enumerate(times))
    return a_case({"latencies": [row for both in rows for row in both]})


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ((4, 4, 4), "Customers wait 4 times longer on all 3 routes"),
        ((2, 4, 4, 4, 1), "Customers wait 4 times longer on 4 of 5 routes"),
        ((4, 4, 4, 1), None),
        ((4, 4), None),
    ],
)
def test_routes_that_slowed_together_are_told_as_one(times, said):
    """Four of five slowed together, three of four and two may have reasons of their own."""
    found = performance.findings(routes_slowed(*times))
    together = [f for f in found if f.id == "route:*:slower"]
    assert [f.said for f in together] == ([said] if said else [])
    assert len(found) - len(together) == sum(x > 1 for x in times)


def test_where_one_surely_slowed_and_four_of_few_requests_seem_to_have_all_did():
    """Thirty requests each are too few to be sure of four times as slow; three such routes are none too many."""
    sure = two_weeks_of("/busy", 300.0, 1200.0)
    few = [row for n in range(4) for row in two_weeks_of(f"/{n}", 300.0, 1200.0, samples=30)]
    together, alone = (performance.findings(a_case({"latencies": sure + few[:n]})) for n in (8, 6))
    assert [f.title for f in together] == ["All 5 routes became 4 times slower", "/busy became 4 times slower"]
    assert [f.title for f in alone] == ["/busy became 4 times slower"]


def routes_failing(*of_a_thousand, samples=1000):
    """Routes of which one request in a thousand failed before, and so many since."""
    rows = []
    for n, failed in enumerate(of_a_thousand):
        before, now = two_weeks_of(f"/{n}", 400.0, 410.0, samples=samples, requests=samples, sample_rate=1.0)
        rows += [{**before, "failures": samples / 1000}, {**now, "failures": failed * samples / 1000}]
    return a_case({"latencies": rows})


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        ((60, 70, 80), "7 % of the requests to all 3 routes fail"),
        ((60, 70, 80, 70, 1), "7 % of the requests to 4 of 5 routes fail"),
        ((60, 70, 80, 1), None),
        ((60, 70), None),
    ],
)
def test_routes_that_fail_together_are_told_as_one(failed, said):
    found = performance.findings(routes_failing(*failed))
    together = [f for f in found if f.id == "route:*:failing"]
    assert [f.said for f in together] == ([said] if said else [])
    assert len(found) - len(together) == sum(x > 1 for x in failed)


def test_a_route_of_too_few_requests_to_fail_visibly_does_not_keep_the_others_apart():
    """At 7 % forty requests fail thrice, which may be chance; it says nothing against the three."""
    rows = two_weeks_of("/rare", 400.0, 410.0, samples=40, requests=40, sample_rate=1.0)
    few = [{**row, "failures": 0.0} for row in rows]
    case = routes_failing(60, 70, 80)
    both = a_case({"latencies": [*case["latencies"].to_dict("records"), *few]})
    assert [f.title for f in performance.findings(both) if f.id == "route:*:failing"] == ["All 3 routes fail"]


def test_no_more_routes_fail_than_are_told_of():
    """A route of few requests that surely fails is one of those that can be told of, however few they are."""
    few = two_weeks_of("/few", 400.0, 410.0, samples=100, requests=100, sample_rate=1.0)
    few = [{**row, "failures": failed} for row, failed in zip(few, (0.0, 30.0), strict=True)]
    case = routes_failing(60, 70, 80)
    both = a_case({"latencies": [*case["latencies"].to_dict("records"), *few]})
    assert [f.title for f in performance.findings(both) if f.id == "route:*:failing"] == ["All 4 routes fail"]


def test_a_route_without_requests_before_does_not_keep_the_others_apart():
    new = [a_span(route="/new", avg_ms=150.0, p50_ms=100.0, p95_ms=900.0, samples=500)]
    rows = [row for n in range(3) for row in two_weeks_of(f"/{n}", 300.0, 1200.0)]
    (together, *_) = performance.findings(a_case({"latencies": rows + new}))
    assert together.title == "All 3 routes became 4 times slower"


def test_beyond_two_seconds_a_slower_route_is_urgent():
    (found,) = performance.findings(a_case({"latencies": two_weeks_of("/a", 400.0, 2100.0)}))
    assert found.priority is Priority.P1


@pytest.mark.parametrize(("now", "samples"), [(1200.0, 20), (430.0, 500), (600.0, 60)])
def test_too_few_requests_or_too_small_a_rise_is_no_finding(now, samples):
    assert performance.findings(a_case({"latencies": two_weeks_of("/a", 400.0, now, samples)})) == []


def failing(before, now, **more):
    """A route over the two weeks: failures of 10,000 requests each."""
    rows = two_weeks_of("/api/invoices", 400.0, 410.0, samples=10_000, sample_rate=1.0)
    return [{**row, "failures": failed, **more} for row, failed in zip(rows, (before, now), strict=True)]


def test_a_route_of_which_every_request_fails_is_told_in_percent_as_people_write_them():
    (found,) = performance.findings(a_case({"latencies": failing(10.0, 10_000.0)}))
    assert found.said == "100 % of the requests to /api/invoices fail"


def test_a_route_that_began_to_fail_is_a_finding_with_its_numbers():
    """2.2 to 7.3 % of 10,000 requests each."""
    (found,) = performance.findings(a_case({"latencies": failing(220.0, 730.0)}))
    assert (found.id, found.title) == ("route:/api/invoices:failing", "/api/invoices fails 3.3 times as often")
    assert "2.20 % of the requests of /api/invoices failed before, 7.30 % of 10,000 do now" in found.evidence
    assert found.priority is Priority.P1
    assert found.becomes_green == "under 4.40 % of its requests fail (now 7.30 %)"


def hours_of(later, **level):
    """Each hour of the two weeks; from a moment on as `level` says."""
    usual = {"p50_ms": 100.0, "avg_ms": 150.0, "p95_ms": 400.0, "samples": 500, "requests": 500, "failures": 0.0}
    return [
        a_span(hour, hour + HOUR, sample_rate=1.0, **usual | (level if hour >= later else {}))
        for hour in every(60, DEPLOYED - WEEK, WEEK_LATER)
    ]


def counts_of(later):
    """The same as a platform counts it: a bucket of each status every hour, 500s in a third from a moment on."""
    hours = every(60, DEPLOYED - WEEK, WEEK_LATER)
    good = [a_bucket(hour, 400, status=200) for hour in hours]
    return good + [a_bucket(hour, 200, status=500) for hour in hours if hour >= later]


@pytest.mark.parametrize("counted", ["by spans", "by a platform"])
@pytest.mark.parametrize("later", [DEPLOYED, WEEK_LATER - 3 * HOUR, DEPLOYED + 4 * 24 * HOUR])
def test_a_route_fails_since_the_failures_began_and_not_since_the_deployment(later, counted):
    """A third of the requests, of the whole window fewer the later it began."""
    share = (WEEK_LATER - later) / WEEK / 3
    whole = failing(0.0, round(10_000 * share))
    case = a_case()
    newest = {**whole[1], "start": case.scope.latest.start, "end": case.scope.latest.end}
    inside = min(1, (case.scope.latest.end - later) / (case.scope.latest.end - case.scope.latest.start))
    newest["failures"] = newest["requests"] * inside / 3
    hours = hours_of(later, failures=500 / 3) if counted == "by spans" else []
    counts = counts_of(later) if counted == "by a platform" else []
    case = a_case({"latencies": [*hours, *whole, newest], "request_counts": counts})
    (found,) = [f for f in performance.findings(case) if f.id.endswith(":failing")]
    assert abs(found.since - later) <= HOUR


@pytest.mark.parametrize("later", [DEPLOYED - 5 * HOUR, DEPLOYED, DEPLOYED + 5 * HOUR])
def test_a_route_fails_since_its_own_hours_say_where_a_request_log_tells_them(later):
    """A week of which nearly all is as its newest part: only the hours tell when a fifth began to fail."""
    whole, case = failing(0.0, 2000.0), a_case()
    newest = {**whole[1], "start": case.scope.latest.start, "end": case.scope.latest.end}
    hour = {"source": "requests", "route": "/api/invoices", "requests": 60.0, "timed": 60, "sample_rate": 1.0}
    hours = [
        {**hour, "at": start, "failures": 12.0 if start >= later else 0.0, "avg_ms": 150.0}
        for start in every(60, DEPLOYED - WEEK, WEEK_LATER)
    ]
    told = performance.findings(a_case({"latencies": [*whole, newest], "route_hours": hours}))
    (found,) = (f for f in told if f.id.endswith(":failing"))
    assert found.since == later


def test_what_fails_in_declared_maintenance_is_no_fault_of_a_route_or_of_the_whole():
    """An hour of a night in which all 600 requests fail; the other 167 of the week are well."""
    planned = DEPLOYED + 35 * HOUR
    site = a_site(maintenance=[{"start": planned, "end": planned + HOUR}])
    counts = [
        a_bucket(hour, 600, status=503 if hour == planned else 200)
        for hour in every(60, DEPLOYED - WEEK, WEEK_LATER)
    ]
    hour = {"source": "requests", "route": "/api/invoices", "requests": 60.0, "timed": 60, "sample_rate": 1.0}
    hours = [
        {**hour, "at": start, "failures": 60.0 if start == planned else 0.0, "avg_ms": 150.0}
        for start in every(60, DEPLOYED - WEEK, WEEK_LATER)
    ]
    rows = {"latencies": failing(0.0, 60.0, source="requests"), "request_counts": counts, "route_hours": hours}
    case = a_case(rows, site=site)
    assert performance.findings(case) == []
    rate = performance.error_rate_pct(case)
    assert rate.value == 0 and "600 more failed in declared maintenance" in str(rate.evidence)
    undeclared = a_case(rows)
    during = a_site(maintenance=[{"start": WEEK_LATER - HOUR / 2, "end": WEEK_LATER + HOUR}])
    assert performance.findings(a_case(rows, site=during)) == []
    assert [f.id for f in performance.findings(undeclared)] == ["route:/api/invoices:failing"]
    assert performance.error_rate_pct(undeclared).value == pytest.approx(100 / 168)


def test_a_route_that_failed_for_two_hours_did_so_since_they_began():
    """On the fourth day; the newest requests are well again."""
    began = DEPLOYED + 3 * 24 * HOUR
    counts = [a_bucket(hour, 400, status=200) for hour in every(60, DEPLOYED - WEEK, WEEK_LATER)]
    counts += [a_bucket(hour, 200, status=500) for hour in (began, began + HOUR)]
    whole, case = failing(0.0, 60.0), a_case()
    newest = {**whole[1], "start": case.scope.latest.start, "end": case.scope.latest.end, "failures": 0.0}
    told = performance.findings(a_case({"latencies": [*whole, newest], "request_counts": counts}))
    (found,) = (f for f in told if f.id.endswith(":failing"))
    assert (found.active, found.since) == (False, began)


@pytest.mark.parametrize("later", [DEPLOYED, DEPLOYED + 4 * 24 * HOUR])
def test_a_route_is_slower_since_the_requests_slowed_and_not_since_the_deployment(later):
    rows = two_weeks_of("/api/offers", 400.0, 1200.0 if later == DEPLOYED else 700.0)
    case = a_case()
    newest = {**rows[1], "start": case.scope.latest.start, "end": case.scope.latest.end, "p95_ms": 1200.0}
    (found,) = performance.findings(a_case({"latencies": [*hours_of(later, p95_ms=1200.0), *rows, newest]}))
    assert abs(found.since - later) <= HOUR


def test_a_route_that_never_failed_before_says_so():
    (found,) = performance.findings(a_case({"latencies": failing(0.0, 90.0)}))
    assert (found.title, found.priority) == ("/api/invoices fails and did not before", Priority.P2)


@pytest.mark.parametrize(
    ("before", "now", "rate"),
    [(220.0, 400.0, 1.0), (1.0, 45.0, 1.0), (10.0, 60.0, 0.05)],
    ids=["not twice as often", "under half a percent", "three failures of five hundred looked at"],
)
def test_failures_that_are_few_or_not_many_more_are_no_finding(before, now, rate):
    rows = failing(before, now, sample_rate=rate, samples=10_000 * rate)
    assert performance.findings(a_case({"latencies": rows})) == []


def test_percentiles_rest_on_the_requests_that_have_a_time():
    """10,000 requests, 15 of them with a duration: that bounds no p95."""
    rows = [a_span(source="requests", samples=10_000, timed=15, sample_rate=1.0, confidence="exact")]
    found = measure("latency_p95_ms", latencies=rows)
    assert found.samples == 15
    assert "15 requests are too few for a p95, which takes 20" in found.reason


def test_rule_13_a_finding_lists_what_else_may_explain_it():
    other = {"source": "vercel", "deployment": "dpl_2", "live_at": DEPLOYED + DAY, "target": "production"}
    other |= {"state": "READY", "created_at": DEPLOYED + DAY}
    rows = two_weeks_of("/a", 400.0, 1200.0)
    (found,) = performance.findings(a_case({"latencies": rows, "deployments": [other]}))
    assert len(found.rivals) == 1
    assert "dpl_2" in found.rivals[0]


def test_a_route_without_a_past_has_no_change():
    (row,) = performance.routes(a_case({"latencies": [a_span(route="/new")]}))
    assert (row["p95"], row["change_pct"], row["regressed"]) == (800, None, False)


# Hours


def test_hours_carry_counts_percentiles_and_whether_they_are_complete():
    hours = [a_span(DEPLOYED + i * HOUR, DEPLOYED + (i + 1) * HOUR, complete=i == 0) for i in range(2)]
    series = hourly(a_case({"latencies": hours}))
    assert list(series.columns) == [
        "at",
        "end",
        "requests",
        "errors",
        "error_rate_pct",
        "p50",
        "p95",
        "p99",
        "timed",
        "complete",
    ]
    assert list(series["complete"]) == [True, False]
    assert series["error_rate_pct"].iloc[0] == pytest.approx(0.4)


def test_hours_of_buckets_of_minutes_are_added_up():
    """Twelve buckets of 5 minutes: an hour of 120 requests, 12 of them failed."""
    rows = [
        a_bucket(t, n, s, seconds=300)
        for t in every(5, DEPLOYED, DEPLOYED + HOUR)
        for s, n in ((200, 9), (500, 1))
    ]
    series = hourly(a_case({"request_counts": rows}))
    assert list(series["requests"]) == [120]
    assert series["error_rate_pct"].iloc[0] == 10


def test_rule_2_the_first_hour_is_judged_for_all_its_looks_and_says_so() -> None:
    """95 of 1,500 are surely above 5 % in one look (5.2 %), and not in one of twelve (4.7 %)."""
    counts = [
        {"source": "vercel", "at": DEPLOYED, "interval_s": 3600, "status": status, "requests": n, "sample_rate": 1}
        for status, n in ((200, 1405), (500, 95))
    ]
    hour = a_case({"request_counts": counts}, "hour1", as_of=DEPLOYED + timedelta(hours=1))
    found = performance.error_rate_pct(hour)
    assert (found.low, found.high) == tuple(100 * x for x in stats.wilson(95, 1500, 0.05 / 12))
    assert "adjusted for 12 looks in the hour" in str(found.evidence)
    metric = next(m for m in performance.METRICS if m.id == "error_rate_pct")
    assert not reading_of(metric, found, hour.site, "hour1").rollback
    day = a_case({"request_counts": counts}, "day1", as_of=DEPLOYED + timedelta(hours=1))
    once = performance.error_rate_pct(day)
    assert "looks" not in str(once.evidence)
    assert reading_of(metric, once, day.site, "day1").rollback


def test_requests_refused_with_4xx_stand_beside_the_failures():
    """5 of 1,000 failed and 120 were refused: 0.5 % and not 12.5 %."""
    found = measure("error_rate_pct", latencies=[a_span(requests=1000, failures=5, refused=120, samples=1000)])
    assert found.value == pytest.approx(0.5)
    assert ", 120 more were refused with 4xx" in found.evidence


@pytest.mark.parametrize(("known", "value"), [(96, 0.0), (90, None)])
def test_rule_14_requests_of_a_status_not_understood_are_no_successes_when_they_are_many(known, value):
    row = {"source": "vercel", "at": DEPLOYED, "interval_s": 7 * 86400, "sample_rate": 1}
    counts = [{**row, "status": 200, "requests": known}, {**row, "status": None, "requests": 100 - known}]
    assert measure("error_rate_pct", request_counts=counts).value == value


def test_rule_14_errors_counted_whole_are_no_share_of_the_few_requests_that_were_understood():
    """2 errors and 2 requests are not 100 %: of the other requests nobody knows the number."""
    odd = {"source": "vercel", "item": "requests.value", "what": "not a number", "count": 4477, "example": "many"}
    row = {"source": "vercel", "at": DEPLOYED, "interval_s": 7 * 86400, "sample_rate": 1, "status": None}
    errors = {"start": DEPLOYED, "end": DEPLOYED + timedelta(days=7), "errors": 2}
    counts = [{**row, "requests": 2}]
    found = measure("error_rate_pct", request_counts=counts, error_counts=[errors], not_understood=[odd])
    assert (found.state, found.value) == (State.NOT_UNDERSTOOD, None)
    assert "4,477 times" in str(found.reason)


def test_rule_14_response_times_that_were_not_understood_say_so():
    unclear = [
        {
            "source": "sentry",
            "item": "spans.p95(span.duration)",
            "what": "out of range",
            "count": 1,
            "example": "-3",
        }
    ]
    found = measure("latency_p95_ms", not_understood=unclear)
    assert (found.state, found.value) == (State.NOT_UNDERSTOOD, None)
    assert "-3" in found.reason


# Windows that begin in the middle of an hour


@pytest.mark.parametrize(("start", "length", "phase"), [("12:37", 24, "day1"), ("19:10", 1, "hour1")])
def test_rule_18_a_window_within_hours_is_compared_with_as_much_time(start, length, phase):
    """600 requests in each hour of even number, 1200 in each other, now as before: no change, to the minute."""
    deployed = at(f"2025-03-05T{start}")
    until = deployed + length * HOUR
    hour = deployed.replace(minute=0)
    per_hour = {t: 600 if t.hour % 2 == 0 else 1200 for t in every(60, hour - 29 * DAY, until)}
    counted = [a_bucket(t, n) for t, n in per_hour.items() if t + HOUR <= until]
    edges = {m for edge in (hour, until.replace(minute=0)) for m in every(1, edge, edge + HOUR)}
    counted += [
        a_bucket(m, per_hour[m.replace(minute=0)] / 60, seconds=60) for m in sorted(edges) if deployed <= m < until
    ]
    case = a_case({"request_counts": counted}, phase, deployed, until)
    found = performance.requests_total(case)
    assert round(found.baseline) == found.value
    assert found.trend == "flat"
