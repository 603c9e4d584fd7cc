"""What a chart draws is what the readings count."""

from datetime import timedelta

from pdmlib.analysis.performance import error_rate_pct
from pdmlib.analysis.traffic.hourly import hourly
from tests.builders import DEPLOYED, a_case


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
