"""The database's readings (truth rules 1 and 11)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pdmlib.analysis.database import health
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer, Priority, State, Status
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.gather import with_past
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap, a_site, at
from tests.sources.loopback import the_scope, the_site

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SITE = a_site(queries=[{"name": "lookup", "title": "Lookup", "sql": "SELECT 1", "limit_ms": 50}])


def samples(metric, *values, start=DEPLOYED, every=HOUR):
    return [{"metric": metric, "at": start + i * every, "value": v} for i, v in enumerate(values)]


def measure(name, case):
    return next(m for m in health.metrics(case.site) if m.id == name).measure(case)


def host(*rows, **more):
    return a_case({"host_metrics": [r for group in rows for r in group]}, **more)


def the_cpu(*busy_pct, every=HOUR):
    """Counters of a host that was busy by these percentages from one sample to the next."""
    seconds = every.total_seconds()
    idle, total = [0.0], [0.0]
    for pct in busy_pct:
        idle.append(idle[-1] + seconds * (100 - pct) / 100)
        total.append(total[-1] + seconds)
    return samples("cpu_idle_s", *idle, every=every) + samples("cpu_all_s", *total, every=every)


def step(case, name):
    metric = next(m for m in health.metrics(case.site) if m.id == name)
    found = metric.measure(case)
    return next((limit for limit in metric.limits if limit.reached(found)), None)


def test_cpu_is_averaged_by_time_and_its_peak_says_when():
    """30, 90 and 60 % for an hour each: 60 % on average; the peak ended 11:00 in Chicago."""
    case = host(the_cpu(30, 90, 60))
    average, peak = measure("db_cpu_pct", case), measure("db_cpu_peak_pct", case)
    assert average.value == pytest.approx(60)
    assert average.coverage_pct == pytest.approx(100 * 3 / 168, abs=0.01)
    assert peak.value == pytest.approx(90)
    assert peak.evidence == "Mon 3 Mar 11:00 CST, average of 60 min"


def test_one_scrape_is_no_cpu_and_says_why():
    found = measure("db_cpu_pct", host(samples("cpu_idle_s", 5.0), samples("cpu_all_s", 9.0)))
    assert found.state is State.NO_DATA
    assert found.reason == f"one sample only, and a load needs two; {health.COLLECT}"


def test_rule_11_a_restart_is_said():
    rows = samples("cpu_idle_s", 0.0, 900.0, 10.0, 1810.0), samples("cpu_all_s", 0.0, 3600.0, 20.0, 3620.0)
    found = measure("db_cpu_pct", host(*rows))
    assert found.value == pytest.approx(62.5)
    assert found.reason == "1 stretch left out: a counter fell, so the host was restarted"


@pytest.mark.parametrize(("pct", "status"), [(69, None), (70, Status.WARN), (80, Status.WARN), (81, Status.FAIL)])
def test_the_limits_of_cpu_are_the_guides(pct, status):
    found = step(host(the_cpu(pct)), "db_cpu_pct")
    assert (found.status if found else None) is status


def test_connections_are_those_of_the_newest_sample_and_their_share_that_of_the_most():
    case = host(samples("connections", 20, 45, 27), samples("max_connections", 60, 60, 60))
    assert measure("db_connections", case).value == 27
    assert measure("db_connections_pct", case).value == pytest.approx(75)
    assert step(case, "db_connections_pct").status is Status.WARN


def test_a_connection_more_than_may_be_open_is_all_of_them():
    case = host(samples("connections", 61), samples("max_connections", 60))
    assert measure("db_connections_pct", case).value == 100


def test_without_the_platform_the_databases_own_gauges_serve():
    gauges = [
        {"metric": m, "at": WEEK_LATER, "value": v} for m, v in (("connections", 12), ("max_connections", 60))
    ]
    found = measure("db_connections", a_case({"database_gauges": gauges}))
    assert (found.value, found.source) == (12, "postgres")


def test_storage_is_told_in_both_units():
    case = host(samples("disk_used_bytes", 2e9), samples("disk_size_bytes", 8e9))
    assert measure("db_storage_gb", case).value == 2
    assert measure("db_storage_pct", case).value == 25
    assert measure("db_storage_gb", case).evidence == "2.00 of 8.00 GB"


def test_queries_are_the_difference_of_a_counter():
    assert measure("db_queries_total", host(samples("queries_total", 1000, 1400, 2500))).value == 1500


def test_cache_hits_are_those_of_the_window():
    """1,900,000 hits and 116,384 reads, 16,384 of which fill 128 MB once: 95 %; the lifetime figure was 99.9 %."""
    looks = [
        ("blks_hit", 1e9, DEPLOYED),
        ("blks_hit", 1e9 + 1_900_000, WEEK_LATER),
        ("blks_read", 1e6, DEPLOYED),
        ("blks_read", 1e6 + 116_384, WEEK_LATER),
    ]
    gauges = [{"metric": m, "at": at, "value": v} for m, v, at in looks]
    found = measure("db_cache_hit_pct", a_case({"database_gauges": gauges}))
    assert found.value == pytest.approx(95, abs=0.01)
    one = measure("db_cache_hit_pct", a_case({"database_gauges": gauges[:1]}))
    assert one.state is State.NO_DATA


# Connection errors


def unreachable(reason, **frames):
    case = a_case({**frames, "gaps": [a_gap("postgres", reason)]})
    answers = [
        replace(c, status=Answer.FAILED, detail=reason) if c.source == "postgres" else c
        for c in case.collection.coverage
    ]
    return replace(case, collection=replace(case.collection, coverage=tuple(answers)))


def test_a_refused_connection_is_a_measurement_and_asks_for_rollback():
    case = unreachable("cannot connect: db.example:5432: Connection refused")
    found = measure("db_connection_errors", case)
    assert (found.state, found.value) == (State.MEASURED, 1)
    limit = step(case, "db_connection_errors")
    assert (limit.priority, limit.critical, limit.rollback) == (Priority.P0, True, True)
    assert limit.action == "Check Supabase status, restart if needed"


def test_rule_16_a_connection_that_fails_today_says_nothing_of_an_incident_of_last_week():
    case = unreachable("cannot connect: db.example:5432: Connection refused")
    window = Window(at("2025-03-04T19:00"), at("2025-03-04T20:00"))
    past = incident_scope(case.site.zone, DEPLOYED, window, WEEK_LATER)
    found = measure("db_connection_errors", replace(case, scope=past, window=window))
    assert (found.state, found.value) == (State.NO_DATA, None)
    assert not health.down_confirmed(replace(case, scope=past, window=window))


def test_rule_16_a_connection_that_fails_today_says_nothing_of_a_report_of_last_year(tmp_path: Path) -> None:
    """The site runs elsewhere, and nobody asked it in March 2025: no rollback, and no word of that Monday."""
    reason = "cannot connect: db.example:5432: Connection refused"
    answers = Coverage("postgres", Answer.FAILED, 0, 0.1, detail=reason), Coverage("app", Answer.OK, 1, 0.1)
    site = the_site("postgres").model_copy(update={"demo": None})
    scope = the_scope()
    case = Case(site, scope, with_past(Collection({}, answers), site, scope, tmp_path), scope.window)
    found = judge(case)
    assert not health.down_confirmed(case)
    assert [f.id for f in found.findings if f.id.startswith("database:")] == []
    (said,) = {cause.said for cause in found.causes if "PostgreSQL" in cause.said}
    assert said == "PostgreSQL could not be read when this report was made, long after its time"


@pytest.mark.parametrize(
    ("reason", "down"),
    [
        ("cannot connect: h:5432: timeout expired", True),
        ("cannot connect: h:5432: FATAL: sorry, too many clients already", True),
        ("cannot connect: h:5432: FATAL: remaining connection slots are reserved for SUPERUSER", True),
        ("cannot connect: h:5432: FATAL: password authentication failed for user", False),
        ("cannot connect: h:5432: root certificate file does not exist", False),
        ("role postgres is a superuser; give the monitor a role of its own", False),
        ("not read: the time for this source was used up", False),
    ],
)
def test_a_fault_of_the_monitor_is_no_fault_of_the_database(reason, down):
    assert health.is_connection_failure(reason) is down


@pytest.mark.parametrize(
    "refusal",
    [
        "FATAL:  sorry, too many clients already",
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        'FATAL:  too many connections for role "shop"',
        'FATAL:  too many connections for database "shop"',
        "FATAL:  no more connections allowed (max_client_conn)",
        "FATAL: Max client connections reached",
    ],
)
def test_a_server_whose_connections_are_all_taken_is_not_said_to_be_down(refusal: str) -> None:
    """It answers: the texts are those of PostgreSQL's errcode 53300, of PgBouncer and of Supavisor."""
    well = {"target": "/health", "checked_at": WEEK_LATER - MINUTE, "component": "database", "status": "up"}
    case = unreachable(f"cannot connect: h:5432: {refusal}", health_checks=[well])
    (found,) = [f for f in judge(case).findings if f.id == "database:unconfirmed"]
    assert found.title == "The database has no free connection" and found.since == case.scope.as_of
    assert "pg_stat_activity" in found.action


def test_a_wrong_password_leaves_the_reading_unknown():
    found = measure("db_connection_errors", unreachable("cannot connect: h:1: password authentication failed"))
    assert (found.state, found.value) == (State.NO_DATA, None)


def test_samples_of_a_database_that_is_down_are_counted():
    found = measure("db_connection_errors", host(samples("db_up", 1, 0, 0, 1)))
    assert (found.value, found.evidence) == (2, "2 of 4 samples found it down")


def test_the_failure_of_now_is_no_error_of_an_earlier_day():
    case = unreachable("cannot connect: h:1: refused", host_metrics=samples("db_up", 1, 1))
    day = case.at(case.scope.days[0].window)
    assert measure("db_connection_errors", day).value == 0
    assert measure("db_connection_errors", case).value == 1


def test_the_platforms_word_counts():
    state = {"vendor": "supabase", "kind": "service", "item": "db", "status": "UNHEALTHY", "ok": False}
    found = measure("db_connection_errors", a_case({"vendor_states": [state]}))
    assert (found.value, found.evidence) == (1, "the platform says db is UNHEALTHY")


def test_a_connection_of_our_own_without_any_sign_is_a_zero():
    found = measure("db_connection_errors", a_case())
    assert (found.value, found.evidence) == (0, "a connection of our own succeeded")


def test_todays_connection_says_nothing_of_a_window_long_past():
    past = [a_gap("postgres", "a report of the past", "database_gauges", "no_data")]
    found = measure("db_connection_errors", a_case({"gaps": past}))
    assert (found.state, found.value) == (State.NO_DATA, None)


def test_nobody_watching_is_unknown():
    found = measure("db_connection_errors", a_case(coverage={"postgres": "absent"}))
    assert found.value is None


# Critical queries


def runs(role, *times, rows=1):
    return [{"query": "lookup", "role": role, "run": i, "ms": t, "rows": rows} for i, t in enumerate(times)]


def timed(*groups, **more):
    return measure("query_lookup_ms", a_case({"query_timings": [r for g in groups for r in g], **more}, site=SITE))


def test_a_critical_query_is_the_median_as_the_applications_role():
    found = timed(runs("monitor", 10, 10, 10), runs("application", 30, 258, 40))
    assert found.value == 40
    assert found.evidence == "40 ms as role application, 10 ms as role monitor"


def test_a_run_that_returned_no_row_is_unknown():
    found = timed(runs("monitor", 10.0), runs("application", 4.6, rows=0))
    assert (found.state, found.value) == (State.NO_DATA, None)
    assert "returned no row" in found.reason


def test_a_query_that_could_not_be_timed_says_why():
    gap = a_gap("postgres", "statement timeout", "query:lookup")
    assert timed(gaps=[gap]).reason == "statement timeout"


@pytest.mark.parametrize(("ms", "status"), [(35, None), (36, Status.WARN), (50, Status.FAIL)])
def test_seven_tenths_of_the_budget_warn(ms, status):
    found = step(a_case({"query_timings": runs("monitor", ms)}, site=SITE), "query_lookup_ms")
    assert (found.status if found else None) is status


# Statements and checks


def a_look(at, calls, total_ms, query="SELECT * FROM offers WHERE status = $1", stddev_ms=1.0):
    return {
        "at": at,
        "role": "app",
        "queryid": "1",
        "toplevel": True,
        "query": query,
        "calls": calls,
        "total_ms": total_ms,
        "mean_ms": total_ms / calls,
        "stddev_ms": stddev_ms,
        "since": DEPLOYED - 30 * DAY,
        "rows": calls,
        "hit_blocks": 4 * calls,
        "read_blocks": 0,
        "temp_blocks": 0,
        "wal_bytes": 0,
    }


def looked(*rows):
    return a_case({"statements": rows})


def test_a_statement_above_a_tenth_of_a_second_between_two_looks_is_slow():
    """1000 calls of 10 ms before; 100 calls of 300 ms since: mean 36 ms, deviation 83.376 ms of all."""
    case = looked(a_look(DEPLOYED - HOUR, 1000, 10_000), a_look(WEEK_LATER, 1100, 40_000, stddev_ms=83.376))
    found = measure("db_slow_queries", case)
    assert (found.value, found.samples) == (1, 1)
    assert found.evidence.startswith("300 ms over 100 calls: SELECT * FROM offers")


def test_one_look_gives_lifetime_figures_and_no_verdict():
    found = measure("db_slow_queries", looked(a_look(WEEK_LATER, 100, 40_000)))
    assert found.value is None
    assert found.reason.startswith("lifetime figures only (1 statement above 100 ms)")


def test_a_regressed_statement_is_a_finding_with_both_means_and_a_stable_name():
    case = looked(a_look(DEPLOYED - HOUR, 1000, 10_000), a_look(WEEK_LATER, 1100, 40_000, stddev_ms=83.376))
    (found,) = health.findings(case)
    assert found.id.startswith("query:app:select-from-offers-where-status-")
    assert "10 ms before, 300 ms now over 100 calls" in found.evidence
    assert (found.priority, found.becomes_green) == (Priority.P1, "its mean is under 13 ms (now 300 ms)")
    (again,) = health.findings(case)
    assert again == found


def test_a_statement_of_more_than_a_second_goes_on_the_backlog():
    case = looked(a_look(DEPLOYED - HOUR, 100, 150_000), a_look(WEEK_LATER, 200, 300_000))
    (found,) = health.findings(case)
    assert (found.priority, found.action) == (Priority.P2, "Add to optimization backlog")


def a_check(name, severity, **more):
    row = {"check": name, "object": "public.offers", "severity": severity, "evidence": "seen", "action": "Mend it"}
    return {**row, **more}


def test_checks_that_fail_or_warn_are_findings_and_unknown_ones_are_not():
    rows = [
        a_check("blocking", "fail"),
        a_check("bloat", "warn"),
        a_check("horizon", "unknown", unknown_reason="no right"),
    ]
    case = a_case({"database_findings": rows})
    found = health.findings(case)
    assert [(f.id, f.priority) for f in found] == [
        ("database:bloat:public.offers", Priority.P2),
        ("database:blocking:public.offers", Priority.P1),
    ]
    assert measure("db_findings", case).value == 2


def test_the_time_of_a_critical_query_is_told_once_by_its_reading():
    row = a_check("critical_query", "fail", object="lookup", unit="ms")
    assert health.findings(a_case({"database_findings": [row]}, site=SITE)) == []


def test_the_table_of_checks_is_worst_first_and_gives_the_reason_of_the_unknown():
    rows = [
        a_check("bloat", "pass"),
        a_check("horizon", "unknown", evidence=None, unknown_reason="no right"),
        a_check("blocking", "fail"),
    ]
    table = health.database_findings(a_case({"database_findings": rows}))
    assert [row["severity"] for row in table] == ["fail", "unknown", "pass"]
    assert table[1]["detail"] == "no right"
    assert set(table[0]) == {"check", "object", "severity", "detail", "action"}


def test_the_series_of_cpu_is_one_row_a_stretch():
    series = health.cpu_series(host(the_cpu(30, 90)))
    assert list(series.columns) == ["at", "end", "cpu_pct"]
    assert list(series["cpu_pct"]) == pytest.approx([30, 90])


@pytest.mark.parametrize("reading", ["db_memory_pct", "db_connections", "db_connections_pct", "db_storage_pct"])
def test_a_figure_that_the_metrics_no_longer_tell_is_not_called_unsampled(reading):
    """As where a newer version has other names: to collect more often would not bring it back."""
    looked, nobody = measure(reading, host(samples("queries_total", 5, 6))), measure(reading, a_case())
    assert (looked.value, "collect" in looked.reason, "collect" in nobody.reason) == (None, False, True)
