"""What a chart draws is what the readings count."""

from datetime import timedelta

from pdmlib.analysis.performance import error_rate_pct
from pdmlib.analysis.traffic.hourly import counted, hourly
from tests.builders import DEPLOYED, a_case, every


def test_rule_22_the_chart_of_errors_and_the_reading_come_from_one_source() -> None:
    """463 of 1,193 requests were counted to fail; a sample of one in twenty, scaled up, says 600 of 1,400."""
    hour = DEPLOYED + timedelta(hours=1)
    row = {"source": "vercel", "at": DEPLOYED, "interval_s": 3600, "sample_rate": 1.0}
    counts = [row | {"status": 200, "requests": 730}, row | {"status": 500, "requests": 463}]
    sample = {
        "source": "sentry",
        "start": DEPLOYED,
        "end": hour,
        "requests": 1400,
        "failures": 600,
        "samples": 70,
        "sample_rate": 0.05,
        "p50_ms": 90,
        "p95_ms": 300,
        "p99_ms": 500,
        "avg_ms": 120,
    }
    case = a_case({"request_counts": counts, "latencies": [sample]}, phase="hour1", as_of=hour)
    (drawn,) = hourly(case).to_dict("records")
    assert (drawn["requests"], drawn["errors"], drawn["p95"]) == (1193, 463, 300)
    assert drawn["error_rate_pct"] == error_rate_pct(case).value


def test_minutes_that_were_counted_are_added_up_to_the_hour_that_was_timed_and_drawn_one_by_one() -> None:
    """Of 60 minutes of ten requests twenty failed whole: 200 of 600, and no failure in the first minute."""
    minutes = every(1, DEPLOYED, DEPLOYED + timedelta(hours=1))
    rows = [
        {"source": "vercel", "at": at, "interval_s": 60.0, "sample_rate": 1.0, "requests": 10.0, "status": status}
        for at, status in zip(minutes, [200] * 40 + [500] * 20, strict=True)
    ]
    timed = {
        "source": "sentry",
        "start": DEPLOYED,
        "end": DEPLOYED + timedelta(hours=1),
        "p95_ms": 900.0,
        "samples": 70,
    }
    case = a_case({"request_counts": rows, "latencies": [timed]}, "hour1", DEPLOYED, DEPLOYED + timedelta(hours=1))
    (hour,) = hourly(case).to_dict("records")
    assert (hour["requests"], hour["errors"], hour["p95"]) == (600, 200, 900)
    assert list(counted(case)["error_rate_pct"]) == [0.0] * 40 + [100.0] * 20


def test_a_quarter_of_an_hour_alone_is_no_course_of_the_hours_that_were_timed() -> None:
    end = DEPLOYED + timedelta(hours=1)
    spans = [(DEPLOYED, 3000.0), (end - timedelta(minutes=15), 4000.0)]
    timed = [
        {"source": "sentry", "start": start, "end": end, "p95_ms": p95, "samples": 70} for start, p95 in spans
    ]
    (hour,) = hourly(a_case({"latencies": timed}, "hour1", DEPLOYED, end)).to_dict("records")
    assert (hour["at"], hour["end"], hour["p95"]) == (DEPLOYED, end, 3000.0)
