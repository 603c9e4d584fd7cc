"""The PostgreSQL source on a real server: what it reads, what it refuses, and what it says it cannot see."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pandas as pd
import pytest

from pdmlib.errors import SourceError
from pdmlib.phases.scope import Scope, incident_scope
from pdmlib.phases.window import Window
from pdmlib.site.site import Site
from pdmlib.sources.postgres import source
from pdmlib.sources.postgres.session import RefusedError, session
from tests.builders import a_feature, a_scope, at
from tests.servers import BLIND, MONITOR, Database

TABLES = """
CREATE TABLE public.orders (id int PRIMARY KEY, customer int, amount int, status text, created_at timestamp,
  paid_at timestamptz, shipped_at timestamp);
CREATE TABLE public.cron_job_logs (job_name text, status text, started_at timestamptz, completed_at timestamptz,
  duration_ms int, error_message text, attempts int);
CREATE TABLE public.uptime_logs (status text, response_time int, errors text[], checked_at timestamptz);
CREATE TABLE public.support_tickets (ticket_number text, tags jsonb, customer_rating int, created_at timestamptz,
  resolved_at timestamptz);
CREATE TABLE public.website_sessions (visitor_id text, pages_visited int, duration_seconds int,
  started_at timestamp
);
GRANT USAGE ON SCHEMA public TO pdm_monitor, authenticated;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pdm_monitor, authenticated;
"""
ORDERS = """
INSERT INTO public.orders VALUES
  (1, 1, 10, 'new', '2025-03-03 15:00:00', '2025-03-03 16:01:00+00', NULL),
  (2, 1, 20, 'paid', '2025-03-03 15:14:59', NULL, '2025-03-04 00:00:00'),
  (3, 2, 30, 'paid', '2025-03-03 15:15:00', '2025-03-05 00:00:00+00', '2025-03-04 00:00:00'),
  (4, 3, 40, '100%', '2025-03-10 14:59:59', NULL, NULL),
  (5, 4, 50, 'late', '2025-03-10 15:00:00', NULL, NULL),
  (6, 4, 60, 'ever', 'infinity', 'infinity', NULL);
"""


@pytest.fixture
def shop(database: Database) -> Database:
    """A database with the tables of a small application."""
    database.run(TABLES, ORDERS)
    return database


def orders(**changes: Any) -> dict[str, Any]:
    return a_feature("orders", **{"time_zone": "UTC", **changes})


def collected(shop: Database, role: str = MONITOR, **changes: Any) -> dict[str, pd.DataFrame]:
    site = shop.site(role, **changes)
    return source.collect(site, a_scope(site))


def gap(found: dict[str, pd.DataFrame], item: str) -> str | None:
    gaps = found.get("gaps", pd.DataFrame({"item": [], "reason": []}))
    rows = gaps.loc[gaps["item"] == item, "reason"]
    return str(rows.iloc[0]) if len(rows) else None


def counted(found: dict[str, pd.DataFrame]) -> dict[datetime, float]:
    table = found["feature_counts"]
    return dict(zip(table["at"].dt.to_pydatetime(), table["amount"], strict=True))


def test_rows_are_counted_by_the_quarter_of_an_hour_and_the_window_is_half_open(shop: Database) -> None:
    """15:00:00 and 15:14:59 share a quarter, 15:15:00 does not; 15:00:00 a week later is outside."""
    found = counted(collected(shop, features=[orders()]))
    assert found == {at("2025-03-03T15:00"): 2.0, at("2025-03-03T15:15"): 1.0, at("2025-03-10T14:45"): 1.0}


def test_what_came_before_a_deployment_within_a_quarter_stays_out_of_the_window(shop: Database) -> None:
    site = shop.site(MONITOR, features=[orders()])
    scope = a_scope(site, deployed_at=at("2025-03-03T15:07"), as_of=at("2025-03-10T15:07"))
    found = counted(source.collect(site, scope))
    assert (found[at("2025-03-03T15:00")], found[at("2025-03-03T15:07")]) == (1.0, 1.0)


def test_a_time_without_zone_is_in_the_zone_that_the_site_says(shop: Database) -> None:
    """15:00 in Chicago in early March is 21:00 UTC."""
    found = counted(collected(shop, features=[orders(time_zone="America/Chicago")]))
    assert at("2025-03-03T21:00") in found


def test_a_sum_adds_the_column_and_a_condition_with_a_percent_sign_is_taken_as_written(shop: Database) -> None:
    block = orders(kind="sum", value_column="amount", where="status LIKE '100%'")
    assert counted(collected(shop, features=[block])) == {at("2025-03-10T14:45"): 40.0}


def test_the_first_row_of_each_customer_is_counted_once(shop: Database) -> None:
    """Customers 1, 2 and 3 began inside; customer 4 began when the window was over."""
    found = counted(collected(shop, features=[orders(first_per="customer")]))
    assert sum(found.values()) == 3


def test_of_several_times_the_earliest_counts_and_missing_ones_do_not_matter(shop: Database) -> None:
    """Order 1 was paid only, order 2 shipped only, order 3 shipped on the 4th before it was paid on the 5th."""
    block = orders(time_column=None, time_columns=["paid_at", "shipped_at"])
    found = counted(collected(shop, features=[block]))
    assert found == {at("2025-03-03T16:00"): 1.0, at("2025-03-04T00:00"): 2.0}


def test_a_feature_may_be_counted_by_sql_of_the_site(shop: Database) -> None:
    sql = "SELECT created_at AS at, amount FROM public.orders WHERE created_at >= %(start)s AND status LIKE 'p%'"
    block = {"name": "paid", "title": "Paid", "kind": "sum", "sql": sql, "time_zone": "UTC"}
    assert sum(counted(collected(shop, features=[block])).values()) == 50


def test_a_table_or_column_that_is_not_there_is_a_gap_that_names_it(shop: Database) -> None:
    found = collected(
        shop, features=[orders(table="public.nothing"), a_feature("b", table="public.orders", time_column="born")]
    )
    assert "public.nothing does not exist (named by features.orders" in str(gap(found, "table:public.nothing"))
    assert "public.nothing" in str(gap(found, "feature:orders"))
    assert "public.orders has no column born" in str(gap(found, "feature:b"))
    assert "feature_counts" not in found


def test_a_time_stored_as_text_is_a_gap_that_says_so(shop: Database) -> None:
    found = collected(shop, features=[a_feature("b", table="public.orders", time_column="status")])
    said = str(gap(found, "feature:b"))
    assert "column status is of type" in said
    assert "a time is needed" in said


def test_hidden_rows_are_a_gap_and_never_a_zero(shop: Database) -> None:
    shop.run("ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY")
    found = collected(shop, features=[orders()])
    reason = "row-level security hides public.orders from role pdm_monitor"
    assert gap(found, "table:public.orders") == reason
    assert gap(found, "feature:orders") == reason
    assert "feature_counts" not in found
    row = found["visibility"].set_index("object").loc["public.orders"]
    assert row["state"] == "filtered"
    assert "CREATE POLICY pdm_reads_public_orders ON public.orders FOR SELECT TO pdm_monitor" in row["grant"]


def test_the_grant_that_the_ledger_proposes_mends_what_it_says(shop: Database) -> None:
    shop.run("ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY")
    shop.run("REVOKE ALL ON public.orders FROM pdm_monitor")
    states = []
    for _ in range(3):
        found = collected(shop, features=[orders()])
        row = found["visibility"].set_index("object").loc["public.orders"]
        states.append(row["state"])
        if not pd.isna(row["grant"]):
            shop.run(row["grant"].split(" -- ")[0])
    assert states == ["denied", "filtered", "full_by_policy"]
    assert sum(counted(found).values()) == 4


def test_a_restrictive_policy_beside_an_open_one_hides_rows(shop: Database) -> None:
    shop.run(
        "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY all_rows ON public.orders FOR SELECT TO pdm_monitor USING (true)",
        "CREATE POLICY few ON public.orders AS RESTRICTIVE FOR SELECT TO public USING (amount > 30)",
    )
    assert "restrictive policy hides rows of public.orders" in str(
        gap(collected(shop, features=[orders()]), "feature:orders")
    )


def test_a_role_without_grants_yields_a_ledger_and_no_number(shop: Database) -> None:
    found = collected(
        shop, BLIND, features=[orders()], tickets={}, cron={}, uptime={"table": "public.uptime_logs"}
    )
    ledger = found["visibility"].set_index("object")
    assert set(ledger["state"].drop("the connection")) == {"denied"}
    assert ledger.loc["statistics of other roles", "grant"] == "GRANT pg_monitor TO pdm_blind;"
    assert ledger.loc["public.orders", "grant"] == "GRANT SELECT ON public.orders TO pdm_blind;"
    assert not {"feature_counts", "tickets", "cron_logs", "probes"} & found.keys()
    site = shop.site(BLIND, features=[orders()])
    now = source.collect(site, shop.scope(site))
    results = now["database_findings"].set_index("check")
    assert "pass" not in set(results.loc[["visibility", "feature_tables", "connections"], "severity"])
    assert results.loc["connections", "severity"] == "unknown"
    assert "GRANT pg_monitor TO pdm_blind" in results.loc["connections", "unknown_reason"]


def test_columns_alone_are_enough_where_only_they_are_granted(shop: Database) -> None:
    shop.run(
        "GRANT SELECT (created_at) ON public.orders TO pdm_blind", "GRANT USAGE ON SCHEMA public TO pdm_blind"
    )
    found = collected(shop, BLIND, features=[orders(), {**orders(first_per="customer"), "name": "b"}])
    assert sum(found["feature_counts"].groupby("feature")["amount"].sum()) == 4
    assert gap(found, "feature:b") == "permission denied for column customer of public.orders"


def test_the_other_tables_come_in_the_shape_of_their_frames(shop: Database) -> None:
    shop.run(
        "INSERT INTO public.cron_job_logs VALUES"
        " ('deliver', 'started', '2025-03-04 10:00+00', NULL, NULL, NULL, NULL),"
        " ('deliver', 'completed', '2025-03-04 10:00+00', '2025-03-04 10:00:05+00', 5000, NULL, 1),"
        " ('deliver', 'started', '2025-03-01 14:59+00', NULL, NULL, NULL, NULL),"
        " ('deliver', 'started', '2025-03-01 14:29+00', NULL, NULL, NULL, NULL)",
        "INSERT INTO public.uptime_logs VALUES ('down', NULL, '{\"no answer\",late}', '2025-03-04 10:00+00'),"
        " ('up', 12, '{}', '2025-03-10 15:00+00')",
        "INSERT INTO public.support_tickets VALUES"
        " ('T1', '[\"vip\", \"bug\"]', 4, '2025-03-04 10:00+00', 'infinity')",
        "INSERT INTO public.website_sessions VALUES"
        " ('a', 1, 10, '2025-03-04 10:00'), ('a', 3, 50, '2025-03-04 11:00')",
    )
    found = collected(
        shop, cron={}, uptime={"table": "public.uptime_logs"}, tickets={}, activity={"time_zone": "UTC"}
    )
    starts = found["cron_logs"].query("status == 'started'")["started_at"]
    # The run, the newest before the two days, and the log's oldest: so far back does it tell.
    assert sorted(starts) == [at("2025-03-01T14:29"), at("2025-03-01T14:59"), at("2025-03-04T10:00")]
    assert list(found["cron_logs"]["status"]).count("completed") == 1
    (probe,) = found["probes"].to_dict("records")
    assert (probe["status"], probe["detail"], probe["target"]) == ("down", "no answer; late", "uptime_logs")
    (ticket,) = found["tickets"].to_dict("records")
    assert (ticket["category"], ticket["tags"], ticket["rating"]) == ("bug", "vip, bug", 4.0)
    assert pd.isna(ticket["resolved_at"])
    week = found["activity"].set_index(["start", "end"]).loc[(at("2025-03-03T15:00"), at("2025-03-10T15:00"))]
    assert week["source"] == "postgres"
    assert week[["visitors", "sessions", "page_views", "session_s", "bounced"]].tolist() == [1, 2, 4, 30.0, 1]


def test_what_came_after_an_incident_is_read_of_every_table(shop: Database) -> None:
    """Of an hour on 3 March, reported a day later, the hour after it is known; what came later still is not."""
    after, later = "2025-03-03 19:45+00", "2025-03-03 20:15+00"
    shop.run(
        "CREATE TABLE public.alerts (alert_name text, severity text, triggered_at timestamptz)",
        "CREATE TABLE public.checks (name text, status text, checked_at timestamptz)",
        "CREATE TABLE public.payments (id text, status text, created_at timestamptz)",
        "GRANT SELECT ON public.alerts, public.checks, public.payments TO pdm_monitor",
        *(
            f"INSERT INTO public.{table} ({columns}, {time}) SELECT {values}, m::timestamptz {zone} "
            f"FROM unnest('{{{after},{later}}}'::text[]) AS m"
            for table, columns, values, time, zone in (
                ("cron_job_logs", "job_name, status", "'deliver', 'completed'", "started_at", ""),
                ("support_tickets", "ticket_number, tags", "m, '[]'", "created_at", ""),
                ("alerts", "alert_name, severity", "'slow', 'warning'", "triggered_at", ""),
                ("checks", "name, status", "'stripe', 'healthy'", "checked_at", ""),
                ("payments", "id, status", "m, 'succeeded'", "created_at", ""),
                (
                    "orders",
                    "id, customer",
                    "extract(hour FROM m::timestamptz), 9",
                    "created_at",
                    "AT TIME ZONE 'UTC'",
                ),
            )
        ),
    )
    site = shop.site(
        MONITOR,
        features=[orders(where="customer = 9")],
        cron={"start_grace_s": 0, "jobs": [{"name": "deliver", "schedule": "15,45 * * * *", "timeout_s": 1}]},
        tickets={},
        app_alerts={"table": "public.alerts"},
        integration_checks={"table": "public.checks"},
        payments={"table": "public.payments"},
    )
    window = Window(at("2025-03-03T18:00"), at("2025-03-03T19:00"))
    found = source.collect(site, incident_scope(site.zone, window.start, window, at("2025-03-04T18:00")))
    tables = {"cron_logs": "started_at", "tickets": "created_at", "app_alerts": "at", "integration_checks": "at"}
    for name, moment in {**tables, "payments": "created_at", "feature_counts": "at"}.items():
        assert list(found[name][moment]) == [at("2025-03-03T19:45")], name


def now_scope(shop: Database, **changes: Any) -> tuple[Site, Scope]:
    site = shop.site(**changes)
    return site, shop.scope(site)


QUERY = {
    "name": "lookup",
    "title": "Lookup",
    "limit_ms": 50,
    "sql": "SELECT * FROM public.orders WHERE customer = %(id)s AND status LIKE '%'",
    "parameters": {"id": "SELECT customer FROM public.orders WHERE created_at < %(as_of)s ORDER BY id LIMIT 1"},
}


def test_a_critical_query_is_timed_five_times_as_the_monitor_and_as_the_application(shop: Database) -> None:
    shop.run(
        "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY monitor ON public.orders FOR SELECT TO pdm_monitor USING (true)",
        "CREATE POLICY mine ON public.orders FOR SELECT TO authenticated USING "
        "(id = (current_setting('request.jwt.claims')::json ->> 'sub')::int)",
    )
    block = {"application_role": "authenticated", "application_claims": {"sub": "2"}}
    found = source.collect(*now_scope(shop, postgres=block, queries=[QUERY]))
    runs = found["query_timings"]
    assert runs.groupby("role").size().to_dict() == {"application": 5, "monitor": 5}
    assert runs.groupby("role")["rows"].max().to_dict() == {"application": 1, "monitor": 2}
    assert runs["fingerprint"].notna().all()
    plan = json.loads(runs["plan"].dropna().iloc[0])
    assert plan["Node Type"] == "Seq Scan"
    assert "'?'" in plan["Filter"]


def test_a_kept_plan_has_the_names_of_its_tables_and_no_value_in_any_expression(shop: Database) -> None:
    shop.run(
        'CREATE TABLE public."2nd Order\'s" AS SELECT * FROM public.orders',
        'GRANT SELECT ON public."2nd Order\'s" TO pdm_monitor',
    )
    picked = "WHERE status <> 'planted' ORDER BY status = 'planted'"
    sql = f"""SELECT status FROM public."2nd Order's" {picked}"""
    found = source.collect(*now_scope(shop, queries=[{**QUERY, "sql": sql, "parameters": {}}]))
    plan = found["query_timings"]["plan"].dropna().iloc[0]
    assert "planted" not in plan
    sort = json.loads(plan)
    assert sort["Sort Key"] == ["((status = '?'::text))"]
    assert sort["Plans"][0]["Relation Name"] == "2nd Order's"


def test_a_parameter_without_a_row_is_a_gap_of_its_query(shop: Database) -> None:
    shop.run("DELETE FROM public.orders")
    found = source.collect(*now_scope(shop, queries=[QUERY]))
    assert "no value for parameter id" in str(gap(found, "query:lookup"))


def test_statements_are_those_of_others_redacted_and_without_our_own(shop: Database) -> None:
    shop.run("SELECT count(*) FROM public.orders WHERE status = 'secret'", "SET application_name = 'secret'")
    found = source.collect(*now_scope(shop, features=[orders()]))["statements"]
    assert set(found["role"]) == {"supabase_admin"}
    assert not found["query"].str.contains("secret").any()
    assert (found["query"] == "SELECT count(*) FROM public.orders WHERE status = $1").any()


def test_a_report_of_the_past_takes_no_look_at_the_present(shop: Database) -> None:
    found = collected(shop, features=[orders()], queries=[QUERY])
    assert "statements" not in found
    assert "may not have been so then" in str(gap(found, "statements"))
    assert "may not have been so then" in str(gap(found, "query:lookup"))
    assert len(found["feature_counts"]) == 3


def test_a_superuser_is_refused_unless_the_site_allows_it(shop: Database) -> None:
    with pytest.raises(SourceError, match="is a superuser"):
        collected(shop, "supabase_admin", features=[orders()])
    found = collected(shop, "supabase_admin", postgres={"allow_superuser": True}, features=[orders()])
    assert len(found["feature_counts"]) == 3


@pytest.mark.parametrize(
    "harm",
    [
        "CREATE TABLE public.harm (id int)",
        "DELETE FROM public.orders",
        "SELECT setval('public.numbers', 9)",
        "COMMIT; CREATE TABLE public.harm (id int)",
    ],
)
def test_the_session_cannot_write_even_with_the_rights_to(shop: Database, harm: str) -> None:
    shop.run(
        "CREATE SEQUENCE public.numbers",
        "GRANT ALL ON SCHEMA public TO pdm_monitor",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO pdm_monitor",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO pdm_monitor",
    )
    with session(shop.site()) as opened, pytest.raises(RefusedError):
        opened.rows(harm, {}, binary=True)
    with shop.admin() as connection:
        assert connection.execute("SELECT to_regclass('public.harm')").fetchone() == (None,)
        assert connection.execute("SELECT count(*) FROM public.orders").fetchone() == (6,)


def test_sql_of_the_site_cannot_hold_a_second_statement(shop: Database) -> None:
    block = orders(where="true) TO x; COMMIT; DROP TABLE public.orders; --")
    found = collected(shop, features=[block], queries=[{**QUERY, "sql": "SELECT 1; COMMIT; SELECT 2"}])
    assert gap(found, "feature:orders")
    with shop.admin() as connection:
        assert connection.execute("SELECT count(*) FROM public.orders").fetchone() == (6,)


def test_a_slow_query_is_cancelled_and_the_session_lives(shop: Database) -> None:
    with session(shop.site()) as opened:
        with pytest.raises(RefusedError, match="statement timeout"):
            opened.rows("SELECT pg_sleep(5)", timeout_s=0.05)
        assert opened.rows("SELECT 1 AS one") == [{"one": 1}]


def test_what_the_budget_does_not_reach_is_refused_not_waited_for(shop: Database) -> None:
    with session(shop.site(), budget_s=0.5) as opened, pytest.raises(SourceError):
        opened.rows("SELECT pg_sleep(5)", timeout_s=30)
        opened.rows("SELECT 1")


def test_a_table_locked_by_a_migration_is_a_gap_and_not_a_hang(shop: Database) -> None:
    with shop.admin() as migration, migration.transaction():
        migration.execute("LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE")
        found = collected(shop, features=[orders()], tickets={})
    assert "lock timeout" in str(gap(found, "feature:orders"))
    assert gap(found, "table:public.support_tickets") is None


def test_nothing_of_a_session_is_left_open_in_a_transaction(shop: Database) -> None:
    with session(shop.site()) as opened, shop.admin() as connection:
        opened.rows("SELECT count(*) FROM public.orders")
        query = "SELECT state, application_name FROM pg_stat_activity WHERE usename = 'pdm_monitor'"
        (row,) = connection.execute(query).fetchall()
    assert row[0] == "idle"
    assert row[1].startswith("pdm/")


def test_a_connection_that_fails_names_host_and_port_and_no_secret(shop: Database) -> None:
    site = shop.site()
    port = shop.bench.server.port
    wrong = {"BENCH_URL": type(site.secrets["BENCH_URL"])(f"postgresql://pdm_monitor:hunter2@127.0.0.1:{port}/x")}
    with pytest.raises(SourceError) as refused:
        source.collect(site.model_copy(update={"secrets": wrong}), a_scope(site))
    assert refused.value.reason.startswith(f"cannot connect: 127.0.0.1:{port}: ")
    assert "password authentication failed" in refused.value.reason
    assert "hunter2" not in refused.value.reason
    assert "pdm_monitor" not in refused.value.reason


@pytest.mark.slow  # one refusal decides nothing: it is tried for ten seconds
def test_a_server_that_is_not_there_cannot_be_connected_to(shop: Database) -> None:
    site = shop.site()
    gone = {"BENCH_URL": type(site.secrets["BENCH_URL"])("postgresql://a:b@127.0.0.1:1/x")}
    with pytest.raises(SourceError, match=r"cannot connect: 127\.0\.0\.1:1: Connection refused"):
        source.collect(site.model_copy(update={"secrets": gone}), a_scope(site))


def test_a_connection_lost_half_way_makes_gaps_of_what_was_not_read(shop: Database) -> None:
    with session(shop.site()) as opened:
        with shop.admin() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pdm_monitor'"
            )
        with pytest.raises(SourceError, match="connection was lost"):
            opened.rows("SELECT 1")
