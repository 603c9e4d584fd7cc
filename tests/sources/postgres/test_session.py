"""The session on a database of others: no setting of it changes what is read, nothing is left running in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pandas as pd
import pytest

from pdmlib.sources.postgres import source
from pdmlib.sources.postgres.session import session
from tests.builders import a_feature, a_scope, slowly
from tests.servers import MONITOR, Database

TABLES = """
CREATE TABLE public.uptime_logs (status text, response_time real, errors json, checked_at timestamptz);
CREATE TABLE public.support_tickets (ticket_number text, tags json, customer_rating numeric,
  created_at timestamptz, resolved_at timestamptz);
CREATE TABLE public.cron_job_logs (job_name text, status text, started_at timestamp, duration_ms interval);
CREATE TABLE public.orders (id int, paid bytea, amount double precision, created_at date);
GRANT USAGE ON SCHEMA public TO pdm_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pdm_monitor;
INSERT INTO public.uptime_logs
  SELECT 'up', 0.1 + n / 7.0, '[]', '2025-03-04 12:00:00+00'::timestamptz + n * interval '5 min'
  FROM generate_series(1, 20) n;
INSERT INTO public.support_tickets VALUES
  ('T-1', '["bug"]', 4, '2025-03-04 12:00:00+00', '2025-03-05 12:00:00+00'),
  ('T-2', '["bug"]', 5, '2025-03-05 12:00:00+00', NULL);
INSERT INTO public.cron_job_logs VALUES ('nightly', 'success', '2025-03-04 03:00:00', '1 min 2.5 s');
INSERT INTO public.orders VALUES (1, '\\x00ff', 0.1 + 0.2, '2025-03-04'), (2, 'a', 1e-7, '2025-03-05');
"""
ORDERS = a_feature("orders", kind="sum", value_column="amount", time_zone="UTC")
BLOCKS: dict[str, Any] = {
    "uptime": {"table": "uptime_logs"},
    "tickets": {"table": "support_tickets"},
    "cron": {"table": "cron_job_logs", "time_zone": "UTC", "jobs": [{"name": "nightly", "schedule": "0 3 * * *"}]},
    "features": [ORDERS],
}
OTHERWISE = {
    "datestyle": "German, DMY",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "-10",
    "bytea_output": "escape",
    "timezone": "Asia/Kathmandu",
    "standard_conforming_strings": "off",
    "search_path": "somewhere, public",
    "lc_monetary": "C",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "row_security": "off",
}


def collected(shop: Database, **changes: Any) -> dict[str, pd.DataFrame]:
    site = shop.site(MONITOR, **{**BLOCKS, **changes})
    return source.collect(site, a_scope(site))


@pytest.fixture
def shop(database: Database) -> Database:
    database.run(TABLES)
    return database


def test_no_setting_of_the_role_changes_what_is_read(shop: Database) -> None:
    names = ("probes", "tickets", "cron_logs", "feature_counts")
    before = collected(shop)
    shop.run(
        *(f"ALTER ROLE {MONITOR} SET {name} = '{value}'" for name, value in OTHERWISE.items() if "," not in value)
    )
    shop.run(
        f"ALTER ROLE {MONITOR} SET datestyle = German, DMY", f"ALTER ROLE {MONITOR} SET search_path = x, public"
    )
    try:
        after = collected(shop)
    finally:
        shop.run(f"ALTER ROLE {MONITOR} RESET ALL")
    for name in names:
        pd.testing.assert_frame_equal(before[name], after[name])
    assert before["probes"]["response_ms"].iloc[-1] == pytest.approx(0.1 + 1 / 7, rel=1e-6)


def test_a_row_that_cannot_be_read_costs_no_other_and_is_counted(shop: Database) -> None:
    """JSON of 5,000 levels is more than readers of JSON take; the year 10000 is more than Python's dates do."""
    deep, late = "[" * 5000 + "]" * 5000, "10000-01-01 00:00:00+00"
    shop.run(
        f"INSERT INTO public.support_tickets VALUES ('T-3', '{deep}', 3, '2025-03-05 13:00:00+00', NULL)",
        f"INSERT INTO public.support_tickets VALUES ('T-4', '[]', 3, '2025-03-05 14:00:00+00', '{late}')",
        f"INSERT INTO public.support_tickets VALUES ('T-5', '[]', 'NaN', '{late}', NULL)",
        f"INSERT INTO public.uptime_logs VALUES ('up', 'Infinity', '{deep}', '2025-03-05 12:00:00+00')",
        "INSERT INTO public.orders VALUES (3, NULL, 'Infinity', '2025-03-05'), (4, NULL, 1, '10000-01-01')",
    )
    found = collected(shop)
    assert sorted(found["tickets"]["ticket"]) == ["T-1", "T-2", "T-3", "T-4"]
    assert len(found["probes"]) == 21
    odd = found["not_understood"].set_index("item")["count"]
    assert odd["tickets.tags"].sum() == 1
    assert odd["tickets.resolved_at"] == 1
    assert odd["tickets.created_at"] == 1
    assert odd["uptime.errors"].sum() == 1
    assert found["feature_counts"]["amount"].sum() == pytest.approx(0.3000001)


def test_a_parameter_of_a_query_is_one_statement_that_cannot_write(shop: Database) -> None:
    """As the owner of the schema, to whom nothing but the session's own limits is forbidden."""
    shop.run(f"GRANT ALL ON SCHEMA public TO {MONITOR}")
    for harm in (
        "SELECT 1) AS x; COMMIT; CREATE TABLE public.made (); SELECT * FROM (SELECT 1",
        "SELECT 1) AS x; SET TRANSACTION READ WRITE; CREATE TABLE public.made (); SELECT * FROM (SELECT 1",
    ):
        query = {
            "name": "one",
            "title": "One",
            "sql": "SELECT %(x)s::int",
            "limit_ms": 100,
            "parameters": {"x": harm},
        }
        site = shop.site(MONITOR, queries=[query])
        found = source.collect(site, shop.scope(site))
        reason = found["gaps"].set_index("item")["reason"]["query:one"]
        assert "cannot insert multiple commands into a prepared statement" in reason
        with shop.admin() as admin:
            assert admin.execute("SELECT to_regclass('public.made')").fetchone() == (None,)


ASLEEP = """
import os, sys
from pydantic import SecretStr
from pdmlib.cli.main import let_ends_be_orderly
from pdmlib.site.site import Site
from pdmlib.sources.postgres.session import session
from pdmlib.sources.threads import as_finished
let_ends_be_orderly()
site = Site.model_validate({"site": "s", "title": "S", "time_zone": "UTC",
  "sources": {"postgres": {"url_env": "U", "sslmode": "disable"}}})
site = site.model_copy(update={"secrets": {"U": SecretStr(os.environ["U"])}})
def sleep():
    with session(site) as opened:
        print("asleep", flush=True)
        opened.rows("SELECT pg_sleep(20) AS sleeping", timeout_s=30)
list(as_finished([sleep], 1))
"""


def running(shop: Database) -> int:
    with shop.admin() as admin:
        found = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(20)%%' AND state = 'active' "
            "AND pid <> pg_backend_pid()"
        ).fetchone()
    assert found
    return int(found[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, *slowly(signal.SIGINT, signal.SIGHUP)])
def test_a_process_that_ends_leaves_no_query_running(shop: Database, number: signal.Signals) -> None:
    environ = {**os.environ, "U": shop.url(MONITOR)}
    asleep = subprocess.Popen(
        ["env", "--default-signal=INT,HUP,TERM", sys.executable, "-c", ASLEEP],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert asleep.stdout
    with asleep, asleep.stdout:
        asleep.stdout.readline()
        end = time.monotonic() + 10
        while not running(shop) and time.monotonic() < end:
            time.sleep(0.05)
        asleep.send_signal(number)
        asleep.wait(10)
        end = time.monotonic() + 3
        while running(shop) and time.monotonic() < end:
            time.sleep(0.05)
        assert not running(shop)


def test_a_slow_query_is_given_up_after_what_it_may_cost(shop: Database) -> None:
    """One run of 0.3 s of a query whose limit is 20 ms is over ten times as long."""
    query = {"name": "slow", "title": "Slow", "sql": "SELECT pg_sleep(0.3)", "limit_ms": 20}
    site = shop.site(MONITOR, queries=[query])
    found = source.collect(site, shop.scope(site))
    assert "statement timeout" in found["gaps"].set_index("item")["reason"]["query:slow"]


def test_what_a_server_before_14_cannot_watch_is_left_out(shop: Database) -> None:
    with session(shop.site()) as opened:
        value = opened.rows("SHOW client_connection_check_interval")[0]
        assert value == {"client_connection_check_interval": "1s"}
