"""A running demo production, asked over its real connections."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from pdmlib.demo import Production, adopt_history, start
from pdmlib.phases.window import Window
from pdmlib.site.load import load_site
from pdmlib.storage.history import recall
from pdmlib.workbook.probe import probe

WEEK = {"start": "2025-03-03T15:00:00", "end": "2025-03-10T15:00:00"}
DEPLOYED = datetime(2025, 3, 3, 15, tzinfo=UTC)
CLOCK = datetime(2025, 3, 10, 15, tzinfo=UTC)
SENTRY = "/sentry/api/0/organizations/dirtfree"
TWILIO = "/twilio/2010-04-01/Accounts/AC00000000000000000000000000000001"


class Client:
    """Calls the vendors of a production with the right secrets."""

    def __init__(self, production: Production) -> None:
        self.environ = production.environ
        self.http = httpx.Client(base_url=production.environ["PDM_DEMO_URL"], timeout=30)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **query: Any) -> httpx.Response:
        vendor = path.split("/")[1]
        token = {"sentry": "SENTRY_TOKEN", "vercel": "VERCEL_TOKEN", "stripe": "STRIPE_API_KEY"}
        token |= {"resend": "RESEND_API_KEY", "supabase": "SUPABASE_ACCESS_TOKEN"}
        if vendor.startswith("twilio"):
            pair = (self.environ["PDM_DEMO_TWILIO_API_KEY"], self.environ["PDM_DEMO_TWILIO_API_SECRET"])
            return self.http.get(path, params=query, auth=pair)
        if path.endswith("/metrics") and vendor == "supabase":
            pair = ("service_role", self.environ["PDM_DEMO_SUPABASE_METRICS_KEY"])
            return self.http.get(path, params=query, auth=pair)
        bearer = self.environ.get(f"PDM_DEMO_{token.get(vendor)}", "")
        return self.http.get(path, params=query, headers={"Authorization": f"Bearer {bearer}"})

    def observability(self, **body: Any) -> Any:
        body = {
            "metric": "vercel.request.count",
            "aggregation": "sum",
            "limit": 600,
            "scope": {"type": "project"},
        } | body
        body |= {"startTime": "2025-03-03T15:00:00Z", "endTime": "2025-03-10T15:00:00Z"}
        token = {"Authorization": f"Bearer {self.environ['PDM_DEMO_VERCEL_TOKEN']}"}
        return self.http.post("/vercel/v2/observability/query", json=body, headers=token)

    def sentry_pages(self, path: str, **query: Any) -> Iterator[httpx.Response]:
        cursor: dict[str, str] = {}
        while True:
            page = self.get(f"{SENTRY}/{path}/", **query, **cursor)
            yield page
            following = page.links["next"]
            if following["results"] != "true":
                return
            cursor = {"cursor": following["cursor"]}


@pytest.fixture(scope="session")
def rough(production: Production) -> Iterator[Client]:
    with Client(production) as client:
        yield client


@pytest.fixture(scope="session")
def healthy(healthy_production: Production) -> Iterator[Client]:
    with Client(healthy_production) as client:
        yield client


@pytest.fixture(scope="session")
def database(production: Production) -> Iterator[psycopg.Connection]:
    with psycopg.connect(production.environ["PDM_DEMO_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


def number(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_the_site_file_finds_every_variable_it_names(demo_environ):
    site = load_site(Path(__file__).parents[2] / "params/demo.yaml")
    assert site.sources.app is not None
    assert site.sources.app.base_url == demo_environ.environ["PDM_DEMO_URL"] + "/app"


def test_a_role_without_bypass_sees_no_row_and_the_monitor_sees_all(production, database):
    everything = number(database, "SELECT count(*) FROM public.cron_job_logs")
    database.execute("SET ROLE authenticated")
    hidden = number(database, "SELECT count(*) FROM public.cron_job_logs")
    claims = '{"sub": "00000000-0000-4000-8000-000000000001"}'
    database.execute("SELECT set_config('request.jwt.claims', %s, false)", [claims])
    staff = number(database, "SELECT count(*) FROM public.cron_job_logs")
    database.execute("RESET ROLE")
    assert everything > 20_000 and hidden == 0 and staff == everything


def test_the_monitor_cannot_write(database):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.execute("DELETE FROM public.customers")


def test_every_table_is_under_row_level_security_with_the_types_of_the_application(database):
    bare = number(
        database,
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND NOT relrowsecurity",
    )
    assert bare == 0
    for column, kind in {
        "missed_opportunities.created_at": "timestamp without time zone",
        "promotion_deliveries.delivered_at": "timestamp with time zone",
        "review_requests.requested_at": "timestamp without time zone",
        "website_sessions.started_at": "timestamp without time zone",
        "uptime_logs.errors": "ARRAY",
        "customers.id": "uuid",
    }.items():
        table, name = column.split(".")
        found = number(
            database,
            "SELECT data_type FROM information_schema.columns "
            f"WHERE table_name = '{table}' AND column_name = '{name}'",
        )
        assert found == kind, column


def test_nothing_is_stored_from_after_the_clock(database):
    for table, column in {
        "missed_opportunities": "created_at",
        "missed_opportunities ": "conversion_date",
        "promotion_deliveries": "redeemed_at",
        "review_requests": "google_review_completed_at",
        "cron_job_logs": "created_at",
        "uptime_logs": "checked_at",
        "payments": "created_at",
        "portal_analytics": "created_at",
    }.items():
        assert number(
            database, f"SELECT max({column}) <= timestamptz '2025-03-10 15:00:00+00' FROM public.{table}"
        )


def test_a_cron_run_is_two_rows_with_one_start(database):
    runs = number(database, "SELECT count(DISTINCT (job_name, started_at)) FROM public.cron_job_logs")
    ended = number(database, "SELECT count(*) FROM public.cron_job_logs WHERE status <> 'started'")
    assert runs - ended in (0, 1)
    assert number(database, "SELECT count(*) FROM public.cron_job_logs WHERE status = 'failed'") == 0


def test_the_statistics_hold_the_users_queries_and_the_lost_index_is_gone(database, healthy_production):
    calls = number(
        database,
        "SELECT sum(calls)::int FROM extensions.pg_stat_statements "
        "WHERE userid = 'authenticated'::regrole AND query LIKE 'SELECT * FROM public.missed_opportunities%'",
    )
    assert calls == 2 * 1000
    index = "SELECT to_regclass('public.missed_opportunities_status_idx') IS NULL"
    assert number(database, index) is True
    with psycopg.connect(healthy_production.environ["PDM_DEMO_DATABASE_URL"]) as other:
        assert number(other, index) is False


def test_vercel_counts_the_requests_whole_and_sentry_one_in_twenty(rough):
    by_status = rough.observability(groupBy=["http_status"]).json()["summary"]
    total = sum(row["vercel_request_count_sum"] for row in by_status)
    failed = sum(row["vercel_request_count_sum"] for row in by_status if row["http_status"] >= "500")
    spans = rough.get(
        f"{SENTRY}/events/", dataset="spans", field=["count()", "http_response_rate(5)"], **WEEK
    ).json()
    assert spans["data"][0]["count()"] % 20 == 0
    assert spans["data"][0]["count()"] == pytest.approx(total, rel=0.05)
    row = spans["data"][0]
    assert row["http_response_rate(5)"] * row["count()"] == pytest.approx(failed, rel=0.35)


def test_stripe_and_the_payments_table_are_the_same_charges(rough, database):
    found, after = [], {}
    while True:
        since = int(DEPLOYED.timestamp())
        page = rough.get("/stripe/v1/charges", limit=100, **{"created[gte]": since}, **after).json()
        found += page["data"]
        if not page["has_more"]:
            break
        after = {"starting_after": page["data"][-1]["id"]}
    assert len(page["data"]) < len(found) and len({c["id"] for c in found}) == len(found)
    rows = database.execute(
        "SELECT stripe_payment_intent_id, status, (amount * 100)::int FROM public.payments "
        "WHERE created_at >= timestamptz '2025-03-03 15:00:00+00'"
    ).fetchall()
    assert {(c["payment_intent"], c["status"], c["amount"]) for c in found} == set(rows)


def test_web_analytics_and_the_session_tables_agree(rough, database):
    span = {"since": "2025-03-03T15:00:00Z", "until": "2025-03-10T15:00:00Z", "projectId": "prj_dirtfree"}
    visits = rough.get("/vercel/v1/query/web-analytics/visits/count", **span).json()["data"]
    inside = "WHERE created_at >= '2025-03-03 15:00' AND created_at < '2025-03-10 15:00'"
    assert visits["pageviews"] == number(database, f"SELECT count(*) FROM public.website_analytics {inside}")
    assert visits["visitors"] == number(
        database, f"SELECT count(DISTINCT visitor_id) FROM public.website_analytics {inside}"
    )


def test_every_vendor_refuses_a_call_without_its_secret(rough):
    refused = {
        f"{SENTRY}/issues/": 401,
        "/vercel/v7/deployments": 403,
        "/supabase/customer/v1/privileged/metrics": 401,
        "/supabase/v1/projects/dirtfreedemoproject0": 401,
        "/stripe/v1/charges": 401,
        f"{TWILIO}/Messages.json": 401,
        "/twilio-monitor/v1/Alerts": 401,
        "/resend/domains": 401,
    }
    assert {path: rough.http.get(path).status_code for path in refused} == refused


def test_sentry_pages_lead_through_all_issues_once(rough):
    pages = list(rough.sentry_pages("issues", query="", **WEEK))
    titles = [issue["title"] for page in pages for issue in page.json()]
    assert len(pages) == 2 and len(titles) == len(set(titles)) == 12
    assert pages[-1].links["next"]["results"] == "false"


def test_the_new_issue_is_hostile_text_kept_as_it_is(rough):
    query = "is:unresolved firstSeen:>=2025-03-03T15:00:00"
    (issue,) = rough.get(f"{SENTRY}/issues/", query=query, **WEEK).json()
    assert issue["title"].startswith("<img src=x onerror=alert(document.domain)><script>")
    assert issue["substatus"] == "new" and 25 <= int(issue["count"]) <= 60


def test_errors_without_a_level_filter_count_the_notes_of_cron_runs(rough):
    def count(query: str) -> int:
        found = rough.get(f"{SENTRY}/events/", dataset="errors", field="count()", query=query, **WEEK)
        return found.json()["data"][0]["count()"]

    assert count("level:[error,fatal]") < 700 < 4000 < count("")
    assert count("") - count("!level:info") == count("level:info")


def test_a_timeseries_says_how_sure_it_is_and_marks_its_unfinished_end(rough):
    asked = {"dataset": "spans", "yAxis": ["count()", "p95(span.duration)"], "interval": "1h"}
    series = rough.get(f"{SENTRY}/events-timeseries/", **asked, **WEEK).json()["timeSeries"]
    counts, slow = series[0]["values"], series[1]["values"]
    assert len(counts) == 7 * 24 and sum(v["incomplete"] for v in counts) == 1 and counts[-1]["incomplete"]
    assert {v["sampleRate"] for v in counts if v["sampleCount"]} == {0.05}
    assert all(v["value"] == 20 * v["sampleCount"] for v in counts)
    assert series[1]["meta"]["valueUnit"] == "millisecond" and slow[0]["value"] > 100


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"dataset": "spans", "field": "p97(span.duration)"}, "Unknown function p97"),
        ({"dataset": "transactions", "field": "count()"}, "dataset must be one of"),
        ({"dataset": "errors", "field": "count()", "query": "nonsense:1"}, "Unknown field nonsense"),
    ],
)
def test_sentry_refuses_what_it_does_not_know(rough, query, text):
    answer = rough.get(f"{SENTRY}/events/", **query, **WEEK)
    assert answer.status_code == 400 and text in answer.json()["detail"]


def test_vercel_pages_deployments_and_names_the_one_before(rough):
    first = rough.get("/vercel/v7/deployments", projectId="prj_dirtfree", target="production", limit=100).json()
    newest, previous = first["deployments"][:2]
    assert newest["ready"] == int(DEPLOYED.timestamp() * 1000) and previous["state"] == "READY"
    until = first["pagination"]["next"]
    second = rough.get("/vercel/v7/deployments", projectId="prj_dirtfree", target="production", until=until).json()
    assert second["pagination"]["next"] is None
    assert not {d["uid"] for d in first["deployments"]} & {d["uid"] for d in second["deployments"]}
    log = rough.get(f"/vercel/v3/deployments/{newest['uid']}/events", builds=1).json()
    assert any("First Load JS shared by all             187 kB" in e["payload"]["text"] for e in log)


def test_vercel_refuses_buckets_that_are_too_fine(rough):
    assert rough.observability(granularity={"minutes": 5}).status_code == 400
    found, key = rough.observability(granularity={"hours": 4}).json(), "vercel_request_count_sum"
    assert sum(row[key] for row in found["data"]) == found["summary"][0][key]


def test_vercel_knows_thirteen_crons(rough):
    assert len(rough.get("/vercel/v9/projects/prj_dirtfree").json()["crons"]["definitions"]) == 13


def test_two_scrapes_give_a_load_and_one_line_cannot_be_read(rough):
    def cpu() -> tuple[float, float]:
        text = rough.get("/supabase/customer/v1/privileged/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("node_cpu_seconds_total")]
        idle = sum(float(line.split()[-1]) for line in lines if 'mode="idle"' in line)
        assert text.count('supabase_project_ref="dirtfreedemoproject0",user=') == 1
        return idle, sum(float(line.split()[-1]) for line in lines)

    first, second = cpu(), cpu()
    load = 1 - (second[0] - first[0]) / (second[1] - first[1])
    assert 0.05 < load < 0.6


def test_twilio_pages_messages_and_one_in_seven_is_lost_since_day_five(rough):
    messages, path = [], f"{TWILIO}/Messages.json?DateSent%3E=2025-03-07&PageSize=50"
    while path:
        page = rough.get(path.split("?")[0], **dict(httpx.URL(path).params))
        messages += page.json()["messages"]
        following = page.json()["next_page_uri"]
        path = f"/twilio{following}" if following else ""
    assert len({m["sid"] for m in messages}) == len(messages) > 100
    outbound = [m for m in messages if m["direction"] == "outbound-api"]
    lost = [m for m in outbound if m["error_code"] == 30007]
    assert 0.08 < len(lost) / len(outbound) < 0.23 and {m["status"] for m in lost} == {"undelivered"}


def test_resend_totals_are_the_sum_of_their_hours(healthy):
    span = {"start_date": "2025-03-03T15:00:00Z", "end_date": "2025-03-10T15:00:00Z"}
    found = healthy.get("/resend/emails/metrics", dimensions="period", granularity="hourly", **span).json()
    assert found["totals"]["sent"] == sum(row["sent"] for row in found["data"]) > 500
    assert found["totals"]["bounce_rate"] < 0.02
    first = healthy.get("/resend/logs", limit=100).json()
    second = healthy.get("/resend/logs", limit=100, after=first["data"][-1]["id"]).json()
    assert first["has_more"] and first["data"][-1]["created_at"] > second["data"][0]["created_at"]


def test_resend_wants_a_user_agent(rough):
    headers = {"Authorization": f"Bearer {rough.environ['PDM_DEMO_RESEND_API_KEY']}", "User-Agent": ""}
    assert rough.http.get("/resend/domains", headers=headers).status_code == 403


def test_the_webhook_is_disabled_in_rough_and_its_events_wait(rough, healthy):
    def waiting(client: Client) -> tuple[str, int]:
        endpoint = client.get("/stripe/v1/webhook_endpoints").json()["data"][0]
        events = client.get("/stripe/v1/events", delivery_success="false", limit=50).json()
        return endpoint["status"], len(events["data"])

    assert waiting(healthy) == ("enabled", 0)
    assert waiting(rough) == ("disabled", 50)


def test_health_endpoints_of_a_healthy_application(healthy):
    assert healthy.http.get("/app/").status_code == 200
    assert healthy.http.get("/app/api/health").json()["status"] == "healthy"
    assert healthy.http.get("/app/api/health/detailed").status_code == 200
    assert healthy.http.get("/app/api/portal/health").json()["data"]["status"] == "operational"


def test_a_clock_set_back_hides_what_came_later_and_needs_its_token(production, rough):
    hour = DEPLOYED + timedelta(hours=1)
    production.set_clock(hour)
    try:
        released = rough.get(f"{SENTRY}/releases/").json()
        charges = rough.get("/stripe/v1/charges", limit=1).json()["data"]
        resolved = rough.get(f"{SENTRY}/issues/", query="is:unresolved level:fatal").json()
        health = rough.http.get("/app/api/health").json()
    finally:
        production.set_clock(CLOCK)
    assert released[0]["version"] == "dirt-free-crm@2.4.0" and resolved == []
    assert charges[0]["created"] <= hour.timestamp()
    assert health["uptime"] == 3600
    assert rough.http.put("/_demo/clock", json={"clock": "2030-01-01T00:00:00Z"}).status_code == 401


def test_the_kept_history_has_the_host_and_two_looks_before_the_deployment(production, tmp_path):
    adopt_history(production, tmp_path)
    adopt_history(production, tmp_path)
    kept = recall(tmp_path, Window(DEPLOYED - timedelta(days=30), CLOCK))
    assert not kept["host_metrics"].duplicated(["metric", "at"]).any()
    assert kept["host_metrics"]["at"].max() >= CLOCK - timedelta(minutes=5)
    looks = sorted(kept["statements"]["at"].unique())
    assert len(looks) == 2 and looks[-1] < DEPLOYED
    index = kept["database_gauges"]["object"] == "public.missed_opportunities_status_idx"
    assert index.sum() == 2


def test_sources_that_fail_do_it_in_their_own_way():
    names = "rough+sentry_401+vercel_403+stripe_429+twilio_429_once+supabase_garbage+resend_down"
    with start(names) as broken, Client(broken) as client:
        assert client.get(f"{SENTRY}/issues/").status_code == 401
        assert client.get("/vercel/v7/deployments").json()["error"]["code"] == "forbidden"
        limited = client.get("/stripe/v1/charges")
        assert limited.status_code == 429 and limited.headers["Retry-After"] == "3600"
        assert [client.get(f"{TWILIO}/Balance.json").status_code for _ in range(2)] == [429, 200]
        assert client.get("/supabase/customer/v1/privileged/metrics").text.startswith("<!doctype html>")
        assert client.get("/resend/domains").status_code == 503


def test_a_database_that_is_down_refuses_and_everyone_says_so():
    with start("rough+database_down+no_plus+sentry_silent+resend_timeout") as broken, Client(broken) as client:
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(broken.environ["PDM_DEMO_DATABASE_URL"])
        health = client.http.get("/app/api/health")
        assert (health.status_code, health.json()["status"]) == (200, "unhealthy")
        assert client.http.get("/app/api/health/detailed").status_code == 503
        metrics = client.get("/supabase/customer/v1/privileged/metrics").text
        assert any(line.startswith("pg_up{") and line.endswith(" 0") for line in metrics.splitlines())
        services = client.get("/supabase/v1/projects/dirtfreedemoproject0/health", services=["db", "auth"]).json()
        assert [s["status"] for s in services] == ["UNHEALTHY", "ACTIVE_HEALTHY"]
        assert client.observability().status_code == 402
        empty = client.get(f"{SENTRY}/events/", dataset="spans", field=["count()", "p95(span.duration)"], **WEEK)
        assert empty.json()["data"] == [{"count()": 0, "p95(span.duration)": 0}]
        with pytest.raises(httpx.ReadTimeout):
            client.http.get("/resend/domains", headers={"User-Agent": "x"}, timeout=0.3)


@pytest.mark.slow
def test_the_vendors_take_what_probes_make_and_each_box_is_told(demo_environ: Production, tmp_path: Path) -> None:
    """Stripe's webhook endpoint is switched off in this scenario, so that the event of the payment is lost."""
    site = load_site("params/demo.yaml")
    found = {name: probe(site, name, tmp_path, lambda said: None) for name in ("payment", "sms", "email")}
    assert [check.state for check in found["payment"].checks] == ["worked", "failed"]
    assert [found[name].state for name in ("sms", "email")] == ["worked", "worked"]
