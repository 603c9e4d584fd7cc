"""What if a limit were another: which verdicts would flip, on a week whose p95 is 1,200 ms."""

import pytest

from pdmlib.errors import CallError
from pdmlib.site.notes import Notes
from pdmlib.verdict.verdict import flipped, judge
from pdmlib.workbook.report import Report
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_site


@pytest.fixture(scope="module")
def week() -> Report:
    row = {
        "source": "sentry",
        "start": DEPLOYED,
        "end": WEEK_LATER,
        "p50_ms": 200,
        "p95_ms": 1200,
        "p99_ms": 1500,
        "avg_ms": 300,
        "requests": 20_000,
        "failures": 0,
        "samples": 1000,
        "sample_rate": 0.05,
        "complete": True,
    }
    case = a_case({"latencies": [row]})
    return Report(case, judge(case), Notes(), WEEK_LATER)


def test_a_looser_limit_lets_a_reading_pass(week: Report) -> None:
    reading = week.verdict.reading("latency_p95_ms")
    assert reading is not None
    assert (reading.value, reading.status) == (1200.0, "warn")
    assert {"what": "latency_p95_ms", "before": "warn", "after": "pass"} in flipped(
        week.verdict, "latency_p95_ms", 1300
    )


def test_the_same_limit_flips_nothing_and_says_so(week: Report) -> None:
    assert flipped(week.verdict, "latency_p95_ms", 1100) == []
    assert "Nothing would flip." in week.what_if("latency_p95_ms", 1100).html


def test_the_table_shows_what_is_and_what_would_be(week: Report) -> None:
    html = week.what_if("latency_p95_ms", 1300).html
    assert "latency_p95_ms" in html and "warn" in html and "pass" in html


def test_only_a_reading_with_limits_can_be_moved(week: Report) -> None:
    with pytest.raises(CallError, match="'nonsense' is not a reading with limits"):
        week.what_if("nonsense", 1)


@pytest.mark.slow
def test_a_reading_that_the_site_does_without_flips_nothing() -> None:
    case = a_case({}, site=a_site(unused=["sentry", "vercel"]))
    assert flipped(judge(case), "latency_p95_ms", 1500) == []
