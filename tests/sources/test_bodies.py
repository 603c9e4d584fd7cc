"""Whatever a vendor's specification allows is read, and what it does not allow is neither well nor the worst."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pdmlib.analysis import cron, deployment, errors, performance
from pdmlib.analysis.availability import stability
from pdmlib.analysis.catalogue import all_metrics
from pdmlib.analysis.database import health
from pdmlib.errors import SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.readings import State
from pdmlib.site.tables import Cron, Uptime
from pdmlib.sources import resend, sentry, stripe, supabase, twilio
from pdmlib.sources.vercel import source as vercel
from tests.builders import at
from tests.sources.bodies import (
    Answers,
    Draw,
    Usual,
    allowed,
    answering,
    case_of,
    disturbed,
    finite,
    measured,
    number,
    unknown,
)
from tests.sources.loopback import the_scope, the_site
from tests.sources.published import answers as published

SCOPE = the_scope("hour1")
START = at("2025-03-03T15:00")
SITE = the_site("sentry", organization="x", project="y")


def times(unit: float) -> st.SearchStrategy[float]:
    """A time of the weeks around the deployment, in so many units a second since 1970."""
    return MOMENTS.map(lambda moment: moment.timestamp() * unit)


MOMENTS = st.integers(-40 * 86400, 86400).map(lambda s: datetime.fromtimestamp(START.timestamp() + s, UTC))
ISO = MOMENTS.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
PLAIN = MOMENTS.map(lambda moment: moment.replace(tzinfo=None).isoformat())
MS, S = times(1000), times(1)
ID = st.integers(1, 10**9).map(lambda n: f"id_{n}")
DEPLOYMENT = st.sampled_from(["dpl_1", "dpl_2", "dpl_3"])
ADDRESS = st.just("https://shop.example/hook")
ROLLUPS = tuple(
    f"vercel_{name}"
    for name in (
        "request_count_sum",
        "function_invocation_count_sum",
        *(f"function_invocation_request_duration_ms_{p}" for p in ("p50", "p95", "p99", "avg")),
        "function_invocation_peak_memory_mb_max",
        "function_invocation_provisioned_memory_mb_max",
    )
)
METRICS = [
    {"id": f"vercel.{name}"}
    for name in (
        "request.count",
        "function_invocation.count",
        "function_invocation.request_duration_ms",
        "function_invocation.peak_memory_mb",
        "function_invocation.provisioned_memory_mb",
    )
]
AXES = [*(f"{p}(span.duration)" for p in ("p50", "p95", "p99", "avg")), "count()", "http_response_rate(5)"]


@dataclass(frozen=True)
class Made:
    """How bodies of one vendor are made.

    Attributes:
        paths: where each request of the specification is answered.
        usual: what stands under a name.
        known: the names that are left as they are where nothing else is understood.
        untold: what is not understood although it is allowed: a null of what a reading needs.
        usually: how many of its paths are asked in an example. Where one answer makes no sense or names nothing,
            others are not asked.
    """

    collect: Callable[..., Any]
    block: Mapping[str, str]
    paths: Mapping[str, str]
    usual: Usual
    known: tuple[str, ...]
    untold: frozenset[str]
    resting: tuple[Any, ...]
    usually: int


ORG, REF, ACCOUNT = "/api/0/organizations/shop", "/v1/projects/ref", "/2010-04-01/Accounts/AC1"
INTEGRATIONS = tuple(metric for metric in all_metrics(SITE) if metric.section in ("integrations", "costs"))
MADE: Mapping[str, Made] = {
    "sentry": Made(
        collect=sentry.collect,
        block={"organization": "shop", "project": "web"},
        paths={
            "GET /organizations/{org}/events/ dataset=spans": f"{ORG}/events/?dataset=spans",
            "GET /organizations/{org}/events/ dataset=errors": f"{ORG}/events/?dataset=errors",
            "GET /organizations/{org}/events/ dataset=uptime_results": f"{ORG}/events/?dataset=uptime_results",
            "GET /organizations/{org}/events-timeseries/": f"{ORG}/events-timeseries/",
            "GET /organizations/{org}/issues/": f"{ORG}/issues/",
            "GET /organizations/{org}/releases/": f"{ORG}/releases/",
            "GET /organizations/{org}/stats_v2/": f"{ORG}/stats_v2/",
            "GET /organizations/{org}/monitors/": f"{ORG}/monitors/",
            "GET /organizations/{org}/monitors/{slug}/checkins/": f"{ORG}/monitors/job/checkins/",
        },
        usual={
            "yAxis": st.sampled_from(AXES),
            "interval": number(1, 8.64e7),
            "value": number(0, 1),
            "sampleRate": number(0, 1),
            "timestamp number": MS,
            "slug": st.sampled_from(["web", "job"]),
            "shortId": st.sampled_from(["SHOP-1", "SHOP-2"]),
            "issue": st.sampled_from(["SHOP-1", "SHOP-2"]),
            "environment": st.sampled_from(["production", "staging"]),
            **dict.fromkeys(("timestamp string", "firstSeen", "lastSeen", "dateCreated"), ISO),
            **dict.fromkeys(("dateReleased", "dateFinished", "dateAdded", "dateInProgress"), ISO),
        },
        known=(
            *(
                "transaction",
                "issue",
                "yAxis",
                "timestamp",
                "interval",
                "shortId",
                "firstSeen",
                "lastSeen",
                "meta",
            ),
            *("projects", "version", "dateCreated", "lastDeploy", "slug", "environment"),
        ),
        untold=frozenset(
            {"errors.dataScanned", "issues.firstSeen", "issues.lastSeen", "issues.level", "cron.status"}
        ),
        resting=(*errors.METRICS, *performance.METRICS, *stability.METRICS, *cron.METRICS),
        usually=5,
    ),
    "vercel": Made(
        collect=vercel.collect,
        block={"project": "prj_x", "team": "team_a"},
        paths={
            "GET /v7/deployments": "/v7/deployments",
            "GET /v9/projects/{idOrName}": "/v9/projects/prj_x",
            "GET /v1/projects/{idOrName}/rolling-release": "/v1/projects/prj_x/rolling-release",
            "GET /v3/events?withPayload=true": "/v3/events",
            "GET /v3/deployments/{idOrUrl}/events": "/v3/deployments/dpl_1/events",
            "GET /v2/observability/schema": "/v2/observability/schema",
            "POST /v2/observability/query": "/v2/observability/query",
            "GET /v1/query/web-analytics/visits/count": "/v1/query/web-analytics/visits/count",
            "GET /v1/billing/charges": "/v1/billing/charges",
        },
        usual={
            **dict.fromkeys(("createdAt", "ready", "aliasAssigned number", "requestedAt", "startedAt"), MS),
            **dict.fromkeys(("updatedAt", "enabledAt", "disabledAt", "date"), MS),
            **dict.fromkeys(("uid", "id", "toDeploymentId", "targetDeploymentId"), DEPLOYMENT),
            **dict.fromkeys(("targetPercentage", "currentCanaryPercentage"), number(0, 100)),
            "next": st.none(),
            "path": st.just("/a"),
            "schedule": st.just("0 8 * * *"),
            "timestamp": st.sampled_from(["2025-03-03T15:00:00.000Z", "2025-03-03T15:01:00.000Z"]),
            "http_status": st.integers(-1, 599).map(str),
            "route": st.just("/a"),
            "value": number(0, 1e6),
            **dict.fromkeys(("ChargePeriodStart", "ChargePeriodEnd"), ISO),
            "BillingCurrency": st.sampled_from(["USD", "EUR"]),
            "BilledCost": number(-1e6, 1e6),
        },
        known=("id", "accountId", "timestamp", "next", "route", "path", "schedule"),
        untold=frozenset({"requests.http_status", "requests.value"}),
        resting=(*deployment.METRICS, *performance.METRICS),
        usually=5,
    ),
    "supabase": Made(
        collect=supabase.collect,
        block={"project_ref": "ref"},
        paths={
            "GET /v1/projects/{ref}": REF,
            "GET /v1/projects/{ref}/health?services=..": f"{REF}/health",
            "GET /v1/projects/{ref}/config/disk/util": f"{REF}/config/disk/util",
            "GET /v1/projects/{ref}/analytics/endpoints/logs?sql=..": f"{REF}/analytics/endpoints/logs",
        },
        usual={"timestamp": PLAIN, "fs_size_bytes": number(1e6, 1e12), "fs_used_bytes": number(0, 1e6)},
        known=("name",),
        untold=frozenset(),
        resting=tuple(health.metrics(SITE)),
        usually=4,
    ),
    "stripe": Made(
        collect=stripe.collect,
        block={},
        paths={
            "GET /v1/charges": "/v1/charges",
            "GET /v1/balance_transactions": "/v1/balance_transactions",
            "GET /v1/events?delivery_success=false": "/v1/events",
            "GET /v1/disputes": "/v1/disputes",
            "GET /v1/webhook_endpoints": "/v1/webhook_endpoints",
            "GET /v1/payouts": "/v1/payouts",
            "GET /v1/balance": "/v1/balance",
        },
        usual={
            "id": ID,
            "created": S,
            "due_by": S,
            "currency": st.sampled_from(["usd", "jpy", "kwd"]),
            "amount": number(-1e9, 1e9).map(int),
            "failure_code": st.sampled_from(["insufficient_funds", "processing_error"]),
            "type": st.sampled_from(["authorized", "manual_review", "issuer_declined", "blocked", "invalid"]),
            "status": st.sampled_from(["enabled", "disabled"]),
            "url": ADDRESS,
        },
        known=("id", "has_more", "url"),
        untold=frozenset({"charges.failure_code", "payouts.status"}),
        resting=INTEGRATIONS,
        usually=6,
    ),
    "twilio": Made(
        collect=twilio.collect,
        block={"account_sid": "AC1"},
        paths={
            "GET /2010-04-01/Accounts/{sid}/Messages.json": f"{ACCOUNT}/Messages.json",
            "GET /2010-04-01/Accounts/{sid}/Usage/Records/Daily.json?Category=totalprice": (
                f"{ACCOUNT}/Usage/Records/Daily.json"
            ),
            "GET /2010-04-01/Accounts/{sid}.json": f"{ACCOUNT}.json",
            "GET /2010-04-01/Accounts/{sid}/Balance.json": f"{ACCOUNT}/Balance.json",
            "GET https://monitor.twilio.com/v1/Alerts?LogLevel=error": "/v1/Alerts",
        },
        usual={
            "sid": ID,
            "date_created": MOMENTS.map(format_datetime),
            "date_generated": ISO,
            "start_date": MOMENTS.map(lambda moment: moment.date().isoformat()),
            "category": st.just("totalprice"),
            "price": number(-1e3, 1e3),
            "price_unit": st.sampled_from(["usd", "EUR"]),
            "balance": number(-1e3, 1e3).map(str),
            "currency": st.just("USD"),
            "error_code integer": st.sampled_from([21211, 30007, 11200]),
            "error_code string": st.sampled_from(["11200", "30007"]),
            "request_url": ADDRESS,
            "next_page_uri": st.none(),
            "next_page_url": st.none(),
        },
        known=("sid", "next_page_uri", "next_page_url"),
        untold=frozenset(
            {"messages.sid", "messages.date_created", "messages.error_code", "usage_records.start_date"}
            | {"alerts.sid", "alerts.date_generated", "alerts.error_code"}
        ),
        resting=INTEGRATIONS,
        usually=4,
    ),
    "resend": Made(
        collect=resend.collect,
        block={},
        paths={
            "GET /emails/metrics": "/emails/metrics",
            "GET /emails/metrics?dimensions=period": "/emails/metrics?dimensions=period",
            "GET /logs": "/logs",
            "GET /domains": "/domains",
            "GET /webhooks": "/webhooks",
        },
        usual={
            "id": ID,
            "created_at": MOMENTS.map(lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")),
            "period": ISO,
            "endpoint": ADDRESS,
            "response_status": st.sampled_from([200, 403, 422, 429, 500]),
            "status": st.sampled_from(["enabled", "disabled"]),
        },
        known=("id", "has_more", "name"),
        untold=frozenset(),
        resting=INTEGRATIONS,
        usually=5,
    ),
}

# Supabase's metrics are Prometheus' text format

SERIES = (
    'node_cpu_seconds_total{cpu="0",mode="idle"}',
    'node_cpu_seconds_total{cpu="0",mode="user"}',
    "node_memory_MemTotal_bytes",
    "node_memory_MemAvailable_bytes",
    'node_filesystem_size_bytes{mountpoint="/data"}',
    'node_filesystem_avail_bytes{mountpoint="/data"}',
    'pg_up{service_type="postgresql"}',
    'connection_stats_connection_count{username="other"}',
    "pg_stat_statements_total_queries",
    'pg_database_size_bytes{datname="postgres"}',
)
LEGAL = st.sampled_from(["0", "1", "27", "3.5e9", "+Inf", "-Inf", "NaN", "1e400", "-1", "0x10", "1 1741000000000"])
ILLEGAL = st.sampled_from(["+Inf", "-Inf", "1e400", "-1", "one", "", "\x00", "9" * 500])

ANY = st.one_of(LEGAL, ILLEGAL)


def a_scrape(draw: Any, values: st.SearchStrategy[str], most: st.SearchStrategy[str]) -> str:
    """Lines of metrics, some of them twice, among lines that are not read."""
    lines = [f"{name} {draw(values)}" for name in SERIES for _ in range(draw(st.integers(0, 2)))]
    lines.append(f"max_connections_connection_count {draw(most)}")
    return "\n".join([*lines, "# TYPE go_goroutines gauge", "go_goroutines 9", draw(st.text(max_size=20))])


# the promises

BODIES, PROMISES = 1000, 3  # bodies of each source in the slow tests, over the promises below
QUICK = 12  # bodies for each promise in the quick ones
ROUNDS = 5  # of examples, until so many bodies were really answered


def _amounts() -> Iterator[Any]:
    for source in MADE:
        yield pytest.param(source, QUICK, id=source)
        yield pytest.param(source, math.ceil(BODIES / PROMISES), marks=pytest.mark.slow, id=f"{source}-{BODIES}")


of_each = pytest.mark.parametrize(("source", "bodies"), list(_amounts()))


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with answering() as running:
        yield running


def holds(answers: Answers, source: str, bodies: int, check: Callable[[st.DataObject], None]) -> None:
    """Runs a check on generated examples until so many bodies were answered, and fails where fewer were."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    shown = [Phase.generate]  # shrinking what fails takes longer than finding it
    mine, answered = set(MADE[source].paths.values()), 0

    def counted(data: st.DataObject) -> None:
        nonlocal answered
        answers.asked.clear()
        check(data)
        answered += len(answers.asked & mine)

    for _ in range(ROUNDS):
        examples = math.ceil((bodies - answered) / MADE[source].usually)
        rules = settings(max_examples=examples, deadline=None, suppress_health_check=quiet, phases=shown)
        rules(given(st.data())(counted))()
        if answered >= bodies:
            return
    raise AssertionError(f"only {answered} bodies of {bodies}")


def judged(answers: Answers, source: str) -> Case | None:
    """A case of the source's answers; None where it could not be read at all, which is a gap."""
    addresses: dict[str, Any] = {"base_url": answers.url}
    if source == "supabase":
        addresses = {"metrics_url": f"{answers.url}/metrics", "management_url": answers.url}
    if source == "twilio":
        addresses["monitor_url"] = answers.url
    update = MONITORED if source == "sentry" else ADDRESSED
    rate = {"trace_sample_rate": 0.05} if source == "sentry" else {}
    site = the_site(source, **addresses, **MADE[source].block, **rate)
    try:
        return case_of(site.model_copy(update=update), SCOPE, source, MADE[source].collect)
    except SourceError:
        return None


ADDRESSED = {"url": "https://shop.example"}
MONITORED = {
    **ADDRESSED,
    "uptime": Uptime(in_sentry=True),
    "cron": Cron.model_validate({"in_sentry": True, "jobs": [{"name": "job", "schedule": "0 * * * *"}]}),
}


def drawn(draw: Draw, source: str, change: Callable[[Any], Any], whole: bool = False) -> dict[str, Any]:
    """A body for each path of a source, changed."""
    made = MADE[source]
    bodies = {
        path: change(_fitted(path, allowed(draw, published(source)[request], made.usual, whole=whole)))
        for request, path in made.paths.items()
    }
    if "/v1/billing/charges" in bodies:
        lines = bodies["/v1/billing/charges"]
        bodies["/v1/billing/charges"] = (
            "\n".join(json.dumps(one) for one in lines) if isinstance(lines, list) else ""
        )
    return bodies


def _fitted(path: str, body: Any) -> Any:
    """What a schema does not say of an answer: names of metrics, lines of a bill, and that a list has an end."""
    if path == "/v1/billing/charges":
        return [body]
    if path == "/v2/observability/schema":
        return {**body, "metrics": METRICS}
    if path == "/v2/observability/query":
        rolled = {
            key: [{**row, **dict.fromkeys(ROLLUPS, row.get("value"))} for row in body.get(key, [])]
            for key in ("data", "summary")
        }
        return {**body, **rolled}
    if isinstance(body, dict) and "has_more" in body:
        return {**body, "has_more": False}
    return {**body, "error": None} if path.endswith("/endpoints/logs") else body


@of_each
def test_whatever_the_specification_allows_is_read(answers: Answers, source: str, bodies: int) -> None:
    """Words, nulls, empty lists, further fields: nothing is lost, and only a null of what is needed is told."""

    def check(data: st.DataObject) -> None:
        answers.bodies = drawn(data.draw, source, lambda body: body)
        answers.bodies["/metrics"] = a_scrape(data.draw, st.sampled_from(["0", "1", "0.5", "NaN"]), st.just("60"))
        case = judged(answers, source)
        assert case is not None
        known = case["not_understood"]
        assert set(known["item"]) <= MADE[source].untold, known.to_dict("records")
        assert finite(case)
        measured(case, MADE[source].resting)

    holds(answers, source, bodies, check)


@of_each
def test_whatever_else_is_answered_raises_nothing(answers: Answers, source: str, bodies: int) -> None:
    """Other types, values out of range, the next version's words, missing parts: every number is a number."""

    def check(data: st.DataObject) -> None:
        answers.bodies = drawn(data.draw, source, lambda body: disturbed(data.draw, body))
        answers.bodies["/metrics"] = a_scrape(data.draw, ANY, ANY)
        case = judged(answers, source)
        if case is None:
            return
        assert finite(case)
        assert not [reason for reason in case["gaps"]["reason"] if "was not understood (" in reason]
        for name, found in measured(case, MADE[source].resting).items():
            if name.endswith("_pct") and isinstance(found.value, float):
                assert 0 <= found.value <= 100, (name, found)

    holds(answers, source, bodies, check)


@of_each
def test_of_what_is_not_understood_nothing_passes_fails_or_is_zero(
    answers: Answers, source: str, bodies: int
) -> None:
    """Every value unknown, of another type or out of range: no reading is a number and no finding is made."""

    def check(data: st.DataObject) -> None:
        known = MADE[source].known
        answers.bodies = drawn(data.draw, source, lambda body: unknown(data.draw, body, known), whole=True)
        answers.bodies["/metrics"] = a_scrape(data.draw, ILLEGAL, ILLEGAL)
        case = judged(answers, source)
        if case is None:
            return
        for name, found in measured(case, MADE[source].resting).items():
            assert found.state is not State.MEASURED, (name, found)
        found = [*errors.findings(case), *deployment.findings(case), *performance.findings(case)]
        assert not found, found
        assert not (case["vendor_states"]["ok"] == False).any()  # noqa: E712

    holds(answers, source, bodies, check)
