"""One cause, one item: findings that explain each other are one chain, and old faults are one line."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdmlib.frames.readings import Finding, Priority
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window
from pdmlib.verdict.causes import Cause, causes_of
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, WEEK_LATER, a_case, at, every, the_probes

CREATE = "CREATE INDEX CONCURRENTLY ON public.orders (customer_id);"


def found(name: str, reading: str, evidence: str = "", priority: str = "P2", **more: Any) -> Finding:
    text = {"title": name, "action": "act", "becomes_green": "it is gone (now 1)", **more}
    return Finding(id=name, reading=reading, evidence=evidence, priority=Priority(priority), **text)


INDEX = found(
    "database:drift:index public.orders_customer_idx", "db_findings", "gone: btree public.orders (customer_id)"
)
STATEMENT = found(
    "query:app:select-from-orders-1a2b3c:regressed",
    "db_slow_queries",
    f"2 ms before, 46 ms now; index orders_customer_idx is gone since: {CREATE}",
    since=DEPLOYED,
)
ROUTE = found("route:GET /api/orders:slower", "latency_p95_ms", "p95 200 ms before, 900 ms now", since=DEPLOYED)
P95 = found("latency_p95_ms", "latency_p95_ms", "1,400 ms is above 1000 ms", "P1", since=DEPLOYED)
OUTAGE = found(
    "incident:2025-03-05T10:00:00Z", "app_up", "7 probes found it down", "P0", since=at("2025-03-05T10:00")
)
ERRORS = found("error_rate_pct", "error_rate_pct", "6 %", "P1", since=at("2025-03-05T10:02"))
STRIPE = found("integration:stripe", "integration_stripe", "9 webhook events are not delivered", "P1")
WEBHOOKS = found("webhooks_pending", "webhooks_pending", "9 is above 0", "P1")
TWILIO = found("integration:twilio", "integration_twilio", "18 % of text messages failed", "P1")
TEXTS = found("sms_failed_pct", "sms_failed_pct", "18 % is above 5 %", "P1")
ISSUE = found("issue:SHOP-1:new", "issues_critical", "TypeError in POST /api/checkout", "P1", since=DEPLOYED)
CHECKOUT = found("route:POST /api/checkout:failing", "error_rate_pct", "12 % fail", since=DEPLOYED)
RESEND = found("integration:resend", "integration_resend", "0.3 % of emails were called spam", "P1")
SPAM = found("email_complaint_pct", "email_complaint_pct", "10 of 3380 emails were called spam", "P2")
UNSENT = found("email_failed_pct", "email_failed_pct", "30 of 3410 emails failed", "P2")
CRON = found("cron:nightly:missed", "cron_runs_missed", "3 of 7 runs missed", "P1")
MISSED = found("cron_runs_missed", "cron_runs_missed", "3 is above 0", "P1")
DATABASE = found("db_connection_errors", "db_connection_errors", "1 of 5 samples found it down", "P0")
SUPABASE = found("integration:supabase", "integration_supabase", "service db is UNHEALTHY", "P1")
ALL = [
    INDEX,
    STATEMENT,
    ROUTE,
    P95,
    OUTAGE,
    ERRORS,
    STRIPE,
    WEBHOOKS,
    TWILIO,
    TEXTS,
    ISSUE,
    CHECKOUT,
    CRON,
    MISSED,
    DATABASE,
    SUPABASE,
]


def causes(*findings: Finding, standing: tuple[str, ...] = ()) -> tuple[Cause, ...]:
    return causes_of(a_case(), findings, standing)


@pytest.mark.parametrize("order", [1, -1], ids=["as written", "reversed"])
def test_rule_21_index_statement_route_and_percentile_are_one_cause_with_the_fix_of_the_root(order: int) -> None:
    (cause,) = causes(*[INDEX, STATEMENT, ROUTE, P95][::order])
    assert cause.chain == (INDEX.id, STATEMENT.id, ROUTE.id, P95.id)
    assert (cause.priority, cause.status, cause.fix) == ("P1", "new", CREATE)
    assert cause.since == DEPLOYED


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ([STRIPE, WEBHOOKS], "it is what the reading measures"),
        ([TWILIO, TEXTS], "it is what the reading measures"),
        ([RESEND, SPAM], "it is what the reading measures"),
        ([RESEND, UNSENT], "it is what the reading measures"),
        ([CRON, MISSED], "it is what the reading measures"),
        ([OUTAGE, ERRORS], "what is down answers with errors"),
        ([ISSUE, CHECKOUT, ERRORS], "both are about checkout"),
        ([DATABASE, SUPABASE], "its platform says so of the database"),
    ],
)
def test_rule_21_what_explains_each_other_is_one_item_with_its_reason(chain: list[Finding], reason: str) -> None:
    (cause,) = causes(*reversed(chain))
    assert cause.chain == tuple(finding.id for finding in chain)
    assert reason in [step.why for step in cause.steps]


def test_what_is_felt_dates_a_cause_where_its_explanation_was_noticed_later() -> None:
    """Requests fail from five on; the error tracker, which keeps a sample, has its first event an hour later."""
    rate = replace(ERRORS, id="error_rate_pct", since=at("2025-03-09T10:00"), said="3 % of requests fail")
    issue = replace(ISSUE, since=at("2025-03-09T10:58"))
    (cause,) = causes(issue, rate)
    assert (cause.id, cause.since) == (issue.id, rate.since)
    (ours,) = causes(
        replace(INDEX, since=DEPLOYED),
        STATEMENT,
        replace(ROUTE, since=at("2025-03-03T14:00"), said="Customers wait"),
    )
    assert ours.since == DEPLOYED, "an hour's bucket begins before what happened in it"


REFUSED = found("db_connections_refused", "db_connections_refused", "463", since=at("2025-03-05T10:05"))
CALLS = found(
    "integration:twilio",
    "integration_twilio",
    "10 calls to our webhooks failed, beside 477 messages.",
    "P1",
    since=at("2025-03-05T10:20"),
    size=("calls", 10),
)


def test_what_an_outage_brings_is_told_with_it_and_what_came_another_day_or_besides_is_not() -> None:
    assert [cause.chain for cause in causes(REFUSED, CALLS, OUTAGE)] == [(OUTAGE.id, REFUSED.id, CALLS.id)]
    later = [replace(finding, since=at("2025-03-06T10:00")) for finding in (REFUSED, CALLS)]
    besides = replace(CALLS, evidence=f"5.5 % of text messages failed; {CALLS.evidence}", size=None)
    assert len(causes(OUTAGE, *later)) == 3
    assert len(causes(OUTAGE, besides)) == 2


def test_average_and_peak_of_one_host_are_one_cause() -> None:
    average, peak = (found(name, name, "90 %") for name in ("db_cpu_pct", "db_cpu_peak_pct"))
    assert [cause.chain for cause in causes(peak, average)] == [(average.id, peak.id)]


def test_rule_21_what_has_nothing_in_common_stays_apart() -> None:
    assert len(causes(STRIPE, TWILIO, CRON, INDEX, ISSUE)) == 5


def test_an_effect_is_not_older_than_its_cause() -> None:
    early = found("error_rate_pct", "error_rate_pct", "6 %", "P1", since=at("2025-03-04T10:00"))
    assert len(causes(OUTAGE, early)) == 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(ALL), unique=True), st.sets(st.sampled_from([f.id for f in ALL])))
def test_rule_21_every_finding_is_in_exactly_one_cause(findings: list[Finding], standing: set[str]) -> None:
    chains = [name for cause in causes(*findings, standing=tuple(standing)) for name in cause.chain]
    assert sorted(chains) == sorted(finding.id for finding in findings)


@pytest.mark.slow
def test_rule_21_nineteen_old_faults_are_one_line_and_keep_no_deployment_from_green() -> None:
    rows = [
        {
            "check": "table_hygiene",
            "object": f"public.t{n}",
            "severity": "fail",
            "evidence": "no policies",
            "threshold": "none",
        }
        for n in range(19)
    ]
    verdict, clean = judge(a_case({"database_findings": rows})), judge(a_case())
    (cause,) = [cause for cause in verdict.causes if cause.status == "standing"]
    assert len(cause.chain) == 19
    assert cause.title == "19 faults that were there before the deployment"
    assert [alert for alert in verdict.alerts if alert.reading == "db_findings"] == []
    assert verdict.status == clean.status
    assert len([item for item in verdict.actions if item["id"].startswith(("database", "standing"))]) == 1


def test_rule_16_an_outage_that_ended_is_a_recovered_cause() -> None:
    down = every(5, at("2025-03-05T10:00"), at("2025-03-05T10:45"))
    verdict = judge(a_case({"probes": the_probes(5, DEPLOYED, WEEK_LATER, down)}))
    (cause,) = [cause for cause in verdict.causes if cause.chain[0].startswith("incident:")]
    assert (cause.status, cause.priority, cause.since) == (
        "recovered",
        "P0",
        at("2025-03-05T10:00"),
    )
    assert "uptime_pct" in cause.chain
    assert len([item for item in verdict.actions if item["id"] == cause.id]) == 1


def test_a_cause_too_small_for_its_effect_explains_nothing() -> None:
    """3 events are not the 600 requests that failed, 200 may be; a millisecond more is no second of a route."""
    rate = found("error_rate_pct", "error_rate_pct", "6 %", size=("requests", 600.0))
    few = found("issue:SHOP-1:new", "issues_critical", "TypeError", size=("requests", 3.0))
    many = found("issue:SHOP-2:new", "issues_critical", "TypeError", size=("requests", 200.0))
    assert [cause.chain for cause in causes_of(a_case(), [few, rate], [])].count((few.id, rate.id)) == 0
    assert (many.id, rate.id) in [cause.chain for cause in causes_of(a_case(), [few, many, rate], [])]
    slow = found("query:app:select-from-orders:regressed", "db_slow_queries", "orders", size=("times", 1.5))
    route = found("route:GET /api/orders:slower", "latency_p95_ms", "p95", size=("times", 4.5))
    assert len(causes_of(a_case(), [slow, route], [])) == 2


def test_percentiles_of_the_same_requests_are_one_cause_and_so_are_requests_and_their_visitors() -> None:
    p50, p99 = (found(f"latency_{name}_ms", f"latency_{name}_ms", "slow") for name in ("p50", "p99"))
    fewer = found("requests_per_min_avg", "requests_per_min_avg", "0.4 of the usual")
    views = found("page_views", "page_views", "down")
    assert [cause.chain for cause in causes_of(a_case(), [p50, P95, p99], [])] == [(P95.id, p50.id, p99.id)]
    assert [cause.chain for cause in causes_of(a_case(), [views, fewer], [])] == [(fewer.id, views.id)]


def test_routes_that_slowed_together_are_one_cause_but_for_one_that_slowed_far_more() -> None:
    together = found("route:*:slower", "latency_p95_ms", "by 2 to 2.4 times", size=("times", 2.0))
    routes = [found(f"route:GET /{n}:slower", "latency_p95_ms", "p95", size=("times", n)) for n in (2.0, 2.4)]
    apart = found("route:GET /orders:slower", "latency_p95_ms", "p95", size=("times", 9.0))
    chains = {cause.chain for cause in causes_of(a_case(), [together, *routes, P95, apart], [])}
    assert chains == {(together.id, *(route.id for route in routes), P95.id), (apart.id,)}


def test_of_equal_priority_what_is_new_comes_before_what_stood_though_that_is_felt_more() -> None:
    """One payment of a hundred was lost before too; a fifth of the checkouts fails since the deployment."""
    lost = found("payment_failures", "payment_failures", "1 of 102", "P1", since=DEPLOYED - timedelta(days=23))
    lost = replace(lost, absolute=True)
    route = found("route:/checkout:failing", "error_rate_pct", "22 %", "P1", since=DEPLOYED)
    assert [cause.id for cause in causes_of(a_case(), [lost, route], {lost.id})] == [route.id, lost.id]
    urgent = replace(lost, priority=Priority.P0)
    assert [cause.id for cause in causes_of(a_case(), [urgent, route], {lost.id})] == [lost.id, route.id]


def test_routes_that_fail_together_are_one_cause_but_for_one_that_fails_far_more() -> None:
    """7 % of the requests of each, and half of those of the checkout, which has a reason of its own."""
    together = found("route:*:failing", "error_rate_pct", "6 to 8 %", value=7.0, size=("requests", 300.0))
    routes = [
        found(f"route:GET /{n}:failing", "error_rate_pct", "more", value=n, size=("requests", 100.0))
        for n in (6, 8)
    ]
    apart = found("route:POST /checkout:failing", "error_rate_pct", "half", value=50.0, size=("requests", 100.0))
    chains = {cause.chain for cause in causes_of(a_case(), [together, *routes, apart], [])}
    assert chains == {(together.id, *(route.id for route in routes)), (apart.id,)}


@pytest.mark.parametrize(("silent", "chains"), [("postgres", 1), ("postgres, stripe", 2), ("stripe", 2)])
def test_a_database_that_is_down_is_why_it_could_not_be_read_and_not_why_another_source_was_silent(
    silent: str, chains: int
) -> None:
    unread = found("sources_read", "sources_read", f"{silent}: connection refused", "P1", value=silent)
    causes = causes_of(a_case(), [DATABASE, unread], ())
    assert len(causes) == chains
    assert causes[0].chain[0] == "db_connection_errors"


def test_of_an_incident_that_is_over_the_outage_is_told_first_and_of_a_week_last() -> None:
    over = replace(OUTAGE, active=False)
    week = a_case()
    scope = incident_scope(
        week.site.zone, DEPLOYED, Window(at("2025-03-05T09:00"), at("2025-03-05T12:00")), WEEK_LATER
    )
    incident = replace(week, scope=scope, window=scope.window)
    assert [cause.id for cause in causes_of(incident, [TWILIO, over], [])] == [over.id, TWILIO.id]
    assert [cause.id for cause in causes_of(week, [TWILIO, over], [])] == [TWILIO.id, over.id]
