"""A limit has one home: what a site's own ladder moves, and that it moves every place that tells of it."""

from pathlib import Path
from typing import Any

import pytest

from pdmlib.analysis import limits, performance
from pdmlib.analysis.availability import incident
from pdmlib.analysis.database import health
from pdmlib.analysis.integrations.operational import causes_of
from pdmlib.analysis.product import costs
from pdmlib.frames.case import Case
from pdmlib.phases.phase import phase_named
from pdmlib.report.charts.catalogue import picture
from pdmlib.site.load import load_site
from pdmlib.verdict.checklist import checklist
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_scope, a_site, every

DEMO = Path(__file__).parents[2] / "params" / "demo.yaml"
WEEK = WEEK_LATER - DEPLOYED


def a_step(op: str, edge: float, status: str = "warn", **more: Any) -> dict[str, Any]:
    return {"op": op, "edge": edge, "status": status, **more}


# Every edge is a number that no built-in ladder has, so that it can come from here only.
MOVED = {
    "latency_p95_ms": [a_step(">", 1717, "fail", priority="P1"), a_step(">=", 717)],
    "error_rate_pct": [
        a_step(">", 6.7, "fail", priority="P0", rollback=True),
        a_step(">", 1.7, "fail"),
        a_step(">=", 0.7),
    ],
    "db_cpu_pct": [a_step(">", 77, "fail"), a_step(">=", 67)],
    "db_connections_pct": [a_step(">=", 57, "fail"), a_step(">=", 47)],
    "db_storage_pct": [a_step(">=", 37)],
    "db_cache_hit_pct": [a_step("<", 87, "fail"), a_step("<", 97)],
    "query_lookup_ms": [a_step(">=", 17, "fail")],
    "uptime_pct": [a_step("<", 97.7, "fail"), a_step("<", 98.7)],
    "sms_failed_pct": [a_step(">", 27)],
    "bundle_size_kb": [a_step(">=", 377)],
    "db_memory_pct": [a_step(">=", 87)],
}


def a_series() -> dict[str, Any]:
    hours = every(60, DEPLOYED - WEEK, WEEK_LATER)
    counts = [
        {"source": "vercel", "at": at, "interval_s": 3600, "status": status, "requests": n, "sample_rate": 1.0}
        for at in hours
        for status, n in ((200, 9_200), (500, 800))
    ]
    spans = [
        {
            "source": "vercel",
            "start": at,
            "end": at + (hours[1] - hours[0]),
            "p50_ms": 90.0,
            "p95_ms": 400.0,
            "p99_ms": 900.0,
        }
        for at in hours
    ]
    host = [
        {"metric": name, "at": at, "value": float(value)}
        for i, at in enumerate(hours)
        for name, value in (
            ("cpu_idle_s", 100 * i),
            ("cpu_all_s", 200 * i),
            ("max_connections", 60),
            ("connections", 30),
            ("disk_used_bytes", 4e9),
            ("disk_size_bytes", 8e9),
        )
    ]
    return {"request_counts": counts, "latencies": spans, "host_metrics": host}


def moved(**frames: Any) -> Case:
    query = {"name": "lookup", "title": "Lookup", "sql": "SELECT 1", "limit_ms": 50}
    return a_case({**a_series(), **frames}, site=a_site(limits=MOVED, queries=[query]))


def stock(**frames: Any) -> Case:
    return a_case({**a_series(), **frames})


def chart(case: Case, name: str) -> str:
    return str(picture(case, name).alt)


@pytest.mark.slow
def test_the_stock_demos_first_month_shows_its_own_target_and_its_first_week_the_guides() -> None:
    """`targets` of the demo's site file: 1000 ms in the first week, 800 ms in the first month."""
    site = load_site(DEMO, offline=True)
    for phase, words in (("week1", "target for p95 1.0 s"), ("month1", "target for p95 800 ms")):
        case = a_case(a_series(), phase=phase, site=site, as_of=DEPLOYED + a_scope(phase=phase).phase.length)
        assert words in chart(case, "response_time")


@pytest.mark.slow
def test_charts_draw_the_guides_limits_where_a_site_has_none() -> None:
    """The guide: p95 under 1 s; errors 0.5 %, 1 % and 5 % for a rollback; CPU under 70 %, alert at 80 %."""
    assert "target for p95 1.0 s" in chart(stock(), "response_time")
    assert "target 0.5 %; P1 1 %; rollback 5 %" in chart(stock(), "error_rate")
    assert "target < 70 %; P2 > 80 %" in chart(stock(), "database_cpu")


def test_charts_draw_a_sites_own_limits() -> None:
    assert "target for p95 717 ms" in chart(moved(), "response_time")
    assert "target 0.7 %; fail 1.7 %; rollback 6.7 %" in chart(moved(), "error_rate")
    assert "target < 67 %; fail > 77 %" in chart(moved(), "database_cpu")


def test_a_chart_without_a_limit_in_force_draws_none() -> None:
    case = a_case(a_series(), site=a_site(limits={"latency_p95_ms": [], "error_rate_pct": [], "db_cpu_pct": []}))
    for name in ("response_time", "error_rate", "database_cpu"):
        assert "target" not in chart(case, name)


def test_capacity_warns_where_the_reading_of_the_same_share_does() -> None:
    assert [row["warn_pct"] for row in costs.capacity(stock())] == [80, 70, None]
    assert [row["warn_pct"] for row in costs.capacity(moved())] == [37, 47, None]


@pytest.mark.parametrize(("make", "failing"), [(stock, True), (moved, False)])
def test_a_route_fails_from_the_error_rate_on_that_is_the_sites_target(make, failing) -> None:
    """0.6 % of 100,000 requests failed, 0.1 % before: above the guide's 0.5 %, below the site's 0.7 %."""

    def span(start, end, failures):
        return {
            "source": "vercel",
            "start": start,
            "end": end,
            "route": "/r",
            "p50_ms": 100.0,
            "p95_ms": 400.0,
            "p99_ms": 900.0,
            "requests": 100_000.0,
            "failures": failures,
            "samples": 100_000,
            "sample_rate": 1.0,
        }

    case = make(latencies=[span(DEPLOYED - WEEK, DEPLOYED, 100.0), span(DEPLOYED, WEEK_LATER, 600.0)])
    (row,) = performance.routes(case)
    assert row["failing"] is failing


def test_a_slow_route_is_urgent_beyond_the_worst_step_in_force() -> None:
    """1800 ms: within the guide's 2000 ms, beyond the site's 1717 ms."""
    assert not limits.fails(stock(), performance.P95, 1800.0)
    assert limits.fails(moved(), performance.P95, 1800.0)


def test_losses_that_a_site_allows_are_no_cause() -> None:
    """20 of 100 messages lost: beyond the usual 2 %, within the site's 27 %."""
    texts = [
        {
            "message": f"SM{i}",
            "created_at": DEPLOYED,
            "direction": "outbound-api",
            "status": "failed" if i < 20 else "delivered",
            "error_code": 30007 if i < 20 else None,  # filtered by the carrier: the sender's own fault
            "fault": "ours" if i < 20 else None,
        }
        for i in range(100)
    ]
    assert len(list(causes_of(stock(messages=texts), "twilio"))) == 1
    assert list(causes_of(moved(messages=texts), "twilio")) == []


@pytest.mark.parametrize(
    ("check", "item", "unit", "value", "stock_says", "moved_says"),
    [
        ("connections", None, "%", 60.0, ("pass", "< 70 %"), ("fail", "< 47 %")),
        ("critical_query", "lookup", "ms", 20.0, ("pass", "< 50 ms"), ("fail", "< 17 ms")),
        ("cache_hit", None, "%", 98.0, ("warn", ">= 99 %"), ("pass", ">= 97 %")),
    ],
)
def test_a_check_and_the_reading_of_the_same_thing_have_one_ladder(
    check, item, unit, value, stock_says, moved_says
) -> None:
    row = {"check": check, "object": item, "severity": "info", "value": value, "unit": unit, "action": "x"}
    query = {"name": "lookup", "title": "Lookup", "sql": "SELECT 1", "limit_ms": 50}
    plain = a_case({"database_findings": [row]}, site=a_site(queries=[query]))
    for case, says in ((plain, stock_says), (moved(database_findings=[row]), moved_says)):
        found = next(r for r in health.checks(case).to_dict("records") if r["check"] == check)
        assert (found["severity"], found["threshold"]) == says


@pytest.mark.slow
def test_an_incident_tells_of_the_rollback_and_the_budget_in_force() -> None:
    """A week at 99.9 % leaves 10.08 minutes, one at 98.7 % leaves 131.04 (0.013 * 10,080)."""
    probes = [
        {"target": "uptime_logs", "checked_at": at, "status": "down" if i in (5, 6) else "up"}
        for i, at in enumerate(every(5, DEPLOYED, WEEK_LATER))
    ]
    for case, edge, burned in ((stock(probes=probes), 5, "99 %"), (moved(probes=probes), 6.7, "8 %")):
        tables = judge(case)
        rows = incident.criteria(case, performance.METRICS, tables.readings)
        assert [r["criterion"] for r in rows if "error rate" in r["criterion"]] == [
            f"The error rate is above {edge:g} %"
        ]
        impact = incident.impact(case, lambda name, window: tables.reading(name).measurement)  # noqa: B023
        assert next(r["value"] for r in impact if "budget" in r["what"]) == burned


def test_a_box_of_the_checklist_names_the_limit_in_force() -> None:
    plain = {row["box"] for row in checklist(phase_named("hour1"), (), a_site())}
    own = {row["box"] for row in checklist(phase_named("hour1"), (), a_site(limits=MOVED))}
    assert own - plain == {
        "Response times < 0.717s (p95)",
        "Error rate < 0.7%",
        "CPU usage < 67%",
        "Memory usage < 87%",
    }
    assert plain - own == {
        "Response times < 1s (p95)",
        "Error rate < 0.5%",
        "CPU usage < 70%",
        "Memory usage < 80%",
    }
    assert "Bundle size unchanged (<377KB)" in {
        r["box"] for r in checklist(phase_named("day1"), (), a_site(limits=MOVED))
    }
