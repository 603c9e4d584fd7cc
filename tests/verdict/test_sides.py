"""What of two windows of other lengths is held against each other by the hour."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pdmlib import compare
from pdmlib.analysis.catalogue import all_metrics
from pdmlib.analysis.integrations.operational import TITLES
from pdmlib.frames.case import Case
from pdmlib.site.load import load_site
from pdmlib.site.notes import Notes
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.report import Report
from tests.builders import DEPLOYED, WEEK_LATER, a_case, every

# What is a sum over time: twice the time, twice as many. Of each metric one can say so without its code.
SUMS = {
    *("downtime_minutes", "downtime_events", "requests_total", "timeouts", "memory_limit_hits"),
    *("issues_new", "errors_total", "payment_failures", "page_views", "portal_logins"),
    *("cron_runs_expected", "cron_runs_ok", "cron_runs_failed", "cron_runs_missed", "cron_runs_late"),
    *("tickets_total", "db_connections_refused", "db_queries_total"),
}
SUMS_OF_A_SITE = ("feature_", "cost_", "tickets_")
# Levels, peaks, rates, shares, states, times, and counts of distinct things, which the same thing can be twice in.
NONE = {
    *("sources_read", "app_up", "health_ok", "uptime_pct"),
    *("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "latency_avg_ms", "probe_p95_ms", "error_rate_pct"),
    *("requests_per_min_peak", "requests_per_min_avg", "deploy_errors", "bundle_size_kb"),
    *("issues_critical", "issues_recurring", "issues_security", "issues_resolved", "issues_open"),
    *("payments_declined_pct", "webhooks_pending", "disputes_open", "sms_failed_pct", "sms_refused_pct"),
    *("email_bounce_pct", "email_complaint_pct", "email_failed_pct", "email_suppressed_pct"),
    *("cron_jobs_expected", "cron_avg_seconds", "unique_users", "session_duration_s", "bounce_rate_pct"),
    *("support_rating", "db_cpu_pct", "db_cpu_peak_pct", "db_memory_pct", "db_connections", "db_connections_pct"),
    # Looks that found the database down, and besides what is seen of it now, which no length of time makes more.
    "db_connection_errors",
    *("db_storage_pct", "db_storage_gb", "db_cache_hit_pct", "db_slow_queries", "db_findings"),
    *(f"integration_{name}" for name in TITLES),
}
NONE_OF_A_SITE = ("query_",)


def test_every_metric_says_whether_it_adds_up_over_time() -> None:
    for metric in all_metrics(load_site(Path("params/demo.yaml"), offline=True)):
        sums = metric.id in SUMS or metric.id.startswith(SUMS_OF_A_SITE)
        assert sums != (metric.id in NONE or metric.id.startswith(NONE_OF_A_SITE)), f"{metric.id}: which is it?"
        assert metric.adds_up == sums, metric.id


def a_report(phase: str, length: timedelta) -> Report:
    """Ten requests a minute over the last so much time, and 22 connections now."""
    start = WEEK_LATER - length
    counts = [
        {"source": "vercel", "at": at, "interval_s": 3600, "status": 200, "requests": 600, "sample_rate": 1.0}
        for at in every(60, start, WEEK_LATER)
    ]
    gauge = {"metric": "connections", "at": WEEK_LATER - timedelta(minutes=1), "value": 22}
    case: Case = a_case({"request_counts": counts, "host_metrics": [gauge]}, phase)
    return Report(case, judge(case), Notes(), WEEK_LATER)


@pytest.fixture(scope="module")
def both() -> tuple[Report, Report]:
    return a_report("week1", WEEK_LATER - DEPLOYED), a_report("daily", timedelta(days=1))


def told(row: Any) -> tuple[float, float, float, bool]:
    return row["a"], row["b"], row["change_pct"], row["per_hour"]


def test_only_what_adds_up_is_compared_by_the_hour(both: tuple[Report, Report]) -> None:
    """A week against a day of the same load: a seventh of the requests, as many connections, as many a minute."""
    rows = {row["id"]: row for row in compare(*both).rows}
    assert told(rows["requests_total"]) == (7 * 14_400, 14_400, pytest.approx(0), True)
    assert told(rows["db_connections"]) == (22, 22, 0, False)
    for name in ("requests_per_min_avg", "requests_per_min_peak"):
        assert told(rows[name]) == (10, 10, pytest.approx(0), False)


def test_a_metric_of_ones_own_says_it_itself(both: tuple[Report, Report]) -> None:
    week, day = (
        report.add("carts", carts, "count", adds_up=True).add("waiting", waiting, "count")
        for report, carts, waiting in zip(both, (70, 10), (4, 8), strict=True)
    )
    rows = {row["id"]: row for row in compare(week, day).rows}
    assert told(rows["carts"]) == (70, 10, pytest.approx(0), True)
    assert told(rows["waiting"]) == (4, 8, 100, False)
