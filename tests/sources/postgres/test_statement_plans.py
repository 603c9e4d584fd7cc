"""Plans of statements whose parameters nobody knows, on a real server: what is planned, what not, what is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from pdmlib.errors import SourceError
from pdmlib.sources.postgres import source
from pdmlib.sources.postgres.session import Explained, session
from pdmlib.sources.postgres.statement_plans import BUSIEST, RUNNING, SLOWEST, chosen
from tests.servers import Bench, Database, a_bench, others, with_hypopg

ORDERS = (
    "CREATE TABLE public.orders (id int PRIMARY KEY, customer int, note text)",
    "INSERT INTO public.orders SELECT g, g % 500, 'note ' || g FROM generate_series(1, 20000) AS g",
    "CREATE INDEX by_customer ON public.orders (customer)",
    "VACUUM ANALYZE public.orders",
    "GRANT SELECT ON public.orders TO pdm_monitor",
    "GRANT SELECT, UPDATE ON public.orders TO authenticated",
)
PATH = "public, pg_catalog"
UNSURE = "its tables are in several schemas, and which is meant is not known"
AS_USER = "SET ROLE authenticated"
KEEPS_OUT = 15  # the first version where a role may be granted to switch the statistics off for itself
HAS_IDS = 14  # the first version whose EXPLAIN tells the id of a statement


@pytest.fixture
def shop(database: Database) -> Database:
    """A table of 20,000 rows, an index on its customers and none on its notes."""
    database.run(*ORDERS)
    return database


def asked(database: Database, text: str, *values: Any, first: str = "SELECT") -> None:
    """A statement with bound parameters, as a driver sends it, some times."""
    with database.admin() as connection:
        connection.execute(first.encode())
        for _ in range(6):
            connection.execute(text.encode(), values)


def planned(database: Database, text: str) -> dict[str, Any]:
    """The row of the one statement whose text holds some words."""
    found = source.collect(database.site(), database.scope(database.site()))
    statements = found["statements"]
    ids = statements.loc[statements["query"].fillna("").str.contains(text, regex=False), "queryid"]
    table = found["statement_plans"]
    (row,) = table[table["queryid"].isin(ids)].to_dict("records")
    return {str(key): value for key, value in row.items()}


def test_a_statement_with_unknown_parameters_has_the_plan_that_the_server_itself_tells(shop: Database) -> None:
    text = "SELECT note FROM orders WHERE customer = {} AND note > {}"
    asked(shop, text.format("%s", "%s"), 7, "a")
    with shop.admin() as connection:
        explain = f"EXPLAIN (GENERIC_PLAN, COSTS OFF, FORMAT JSON) {text.format('$1', '$2')}"
        own = connection.execute(explain.encode()).fetchall()[0][0][0]["Plan"]
    row = planned(shop, "customer = $1")
    plan = json.loads(row["plan"])
    assert plan["Node Type"] == own["Node Type"] == "Bitmap Heap Scan"
    assert plan["Plans"][0]["Index Name"] == own["Plans"][0]["Index Name"] == "by_customer"
    assert row["planned_as"] == "pdm_monitor"
    assert "Total Cost" not in row["plan"]


def test_a_table_that_is_read_whole_is_given_the_index_that_nobody_has_tested(shop: Database) -> None:
    asked(shop, "SELECT id FROM public.orders WHERE note = %s", "note 1")
    row = planned(shop, "note = $1")
    assert json.loads(row["plan"])["Node Type"] == "Seq Scan"
    assert row["index"] == "CREATE INDEX CONCURRENTLY ON public.orders (note);"
    assert row["index_cost"] != row["index_cost"]


def test_a_change_of_rows_is_planned_as_the_role_that_makes_it_and_changes_none(shop: Database) -> None:
    asked(shop, "UPDATE orders SET note = 'x' WHERE id = %s", 1, first=AS_USER)
    shop.run("UPDATE public.orders SET note = 'kept'")
    row = planned(shop, "WHERE id = $")
    assert row["planned_as"] == "authenticated"
    assert json.loads(row["plan"])["Plans"][0]["Index Name"] == "orders_pkey"
    with shop.admin() as connection:
        assert connection.execute("SELECT DISTINCT note FROM public.orders").fetchall() == [("kept",)]


def test_code_of_the_application_is_not_run_with_the_rights_of_the_monitor(shop: Database) -> None:
    """PostgreSQL runs an IMMUTABLE function without arguments while it plans."""
    shop.run(
        "CREATE FUNCTION public.three() RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 3; END'",
        "CREATE VIEW public.threes AS SELECT * FROM public.orders WHERE id = public.three()",
        "GRANT SELECT ON public.threes TO pdm_monitor",
        # From here on it tells on whoever runs it.
        "CREATE TABLE public.ran (role text)",
        "GRANT INSERT ON public.ran TO PUBLIC",
    )
    asked(shop, "SELECT note FROM public.orders WHERE id = public.three() AND customer = %s", 3)
    asked(shop, "SELECT customer FROM public.threes WHERE note = %s", "a")
    grant = "which would run as the monitor: GRANT supabase_admin TO pdm_monitor;"
    assert planned(shop, "three() AND")["reason"] == f"it calls three(), {grant}"
    assert planned(shop, "FROM public.threes")["reason"] == (
        f"it reads public.threes, which is no plain table, {grant}"
    )


def test_what_the_role_may_not_read_is_said_and_a_value_of_a_refused_text_is_not(shop: Database) -> None:
    shop.run("CREATE TABLE public.secrets (word text, made date)")
    asked(shop, "SELECT word FROM public.secrets WHERE word = %s", "x")
    asked(shop, "SELECT id FROM public.orders WHERE note = (POINT '(1,2)')::text AND id = %s", 1)
    assert planned(shop, "FROM public.secrets")["reason"] == "permission denied for table secrets"
    assert planned(shop, "POINT")["reason"] == "the server does not plan it (42601)"


def of_tenants(database: Database) -> pd.DataFrame:
    """Plans of ten tenants with a schema each, of which one lacks the index; their statement has one text."""
    for n in range(10):
        database.run(
            f"CREATE SCHEMA tenant{n}",
            f"GRANT USAGE ON SCHEMA tenant{n} TO pdm_monitor",
            f"CREATE TABLE tenant{n}.bills (id int, owner int)",
            f"INSERT INTO tenant{n}.bills SELECT g, g FROM generate_series(1, 5000) AS g",
            f"GRANT SELECT ON tenant{n}.bills TO pdm_monitor",
            f"CREATE INDEX bills_owner ON tenant{n}.bills ({'id' if n == 7 else 'owner'})",
            f"ANALYZE tenant{n}.bills",
        )
        asked(database, "SELECT id FROM bills WHERE owner = %s", 5, first=f"SET search_path = tenant{n}")
    found = source.collect(database.site(), database.scope(database.site()))
    statements = found["statements"]
    ids = statements.loc[statements["query"].fillna("").str.startswith("SELECT id FROM bills"), "queryid"]
    return found["statement_plans"][found["statement_plans"]["queryid"].isin(ids)]


def test_a_constant_of_a_written_type_is_planned_though_the_server_keeps_it_as_no_sql(shop: Database) -> None:
    asked(
        shop,
        "SELECT id FROM orders WHERE id = %s AND now() - INTERVAL '1 day' < timestamp with time zone '2020-1-1'",
        1,
    )
    plan = json.loads(planned(shop, "INTERVAL $")["plan"])
    assert "orders_pkey" in json.dumps(plan)


@pytest.mark.slow
@pytest.mark.parametrize("version", [v for v in others() if v >= HAS_IDS])
def test_of_tables_of_one_name_that_one_is_planned_which_the_server_meant(version: int) -> None:
    with a_bench(version) as bench, bench.database() as database:
        found = of_tenants(database)
    plans = [json.loads(text) for text in found["plan"].dropna()]
    assert sorted(p["Schema"] for p in plans if p["Node Type"] == "Seq Scan") == ["tenant7"]
    assert len([p for p in plans if "bills_owner" in json.dumps(p)]) == 9


def test_an_id_that_several_tables_share_leaves_open_which_was_meant(shop: Database) -> None:
    """PostgreSQL 18 counts the ten tenants' statements as one."""
    (reason,) = of_tenants(shop)["reason"]
    assert reason == UNSURE


def test_constants_leave_open_which_of_two_tables_was_meant_and_that_is_said(shop: Database) -> None:
    shop.run(
        "CREATE SCHEMA archive", "CREATE TABLE archive.orders (id int)", "SELECT count(*) FROM orders WHERE id = 1"
    )
    assert planned(shop, "count(*) FROM orders")["reason"] == UNSURE


def test_nothing_is_left_in_a_connection_that_a_pooler_may_lend_to_another(shop: Database) -> None:
    with session(shop.site()) as opened:
        opened.plan_of(Explained("SELECT note FROM orders WHERE id = $1", 1, PATH))
        for wrong in ("SELECT $1 FROM nowhere", "SELECT 1; DROP TABLE orders", "DELETE FROM orders WHERE id = $1"):
            with pytest.raises(SourceError):
                opened.plan_of(Explained(wrong, 1, PATH))
        left = opened.rows(
            "SELECT (SELECT count(*) FROM pg_prepared_statements) AS prepared, current_user AS role, "
            "current_setting('plan_cache_mode') AS mode, current_setting('search_path') AS path"
        )
    assert left == [{"prepared": 0, "role": "pdm_monitor", "mode": "auto", "path": "pg_catalog"}]


@pytest.mark.slow
@pytest.mark.parametrize("version", [v for v in others() if v < KEEPS_OUT])
def test_looks_that_cannot_be_kept_out_of_the_statistics_leave_few_entries_there(version: int) -> None:
    with a_bench(version) as bench, bench.database() as shop:
        shop.run(*ORDERS)
        for column in ("id", "customer", "note"):
            asked(
                shop, f"SELECT note FROM orders WHERE {column} = %s", 1 if column != "note" else "a", first=AS_USER
            )
        for _ in range(2):
            found = source.collect(shop.site(), shop.scope(shop.site()))
        assert set(found["statement_plans"]["planned_as"].dropna()) == {"authenticated"}
        assert not found["statements"]["query"].fillna("").str.contains("pdm_plan").any()
        with shop.admin() as connection:
            query = "SELECT query FROM extensions.pg_stat_statements WHERE query LIKE '%pdm\\_plan(%'"
            entries = connection.execute(query.encode()).fetchall()
        assert entries == [("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE pdm_plan(NULL)",)]


def test_what_runs_now_the_busiest_and_the_slowest_are_explained_in_turn() -> None:
    def entry(n: int, total: float, mean: float, calls: int = 100) -> dict[str, Any]:
        text = f"SELECT {n} FROM t"
        return {
            "role": "app",
            "queryid": str(n),
            "query": text,
            "total_ms": total,
            "mean_ms": mean,
            "calls": calls,
        }

    entries = [entry(n, total=1000.0 - n, mean=n) for n in range(200)]
    once = entry(999, total=0.5, mean=9e9, calls=1)
    now = {("app", "150"): entries[150]["total_ms"] + 5}
    found = [row["queryid"] for row in chosen([*entries, once], now)]
    assert found[:3] == ["150", "0", "199"]
    assert "999" not in found
    assert len(found) == 1 + BUSIEST + SLOWEST <= RUNNING + BUSIEST + SLOWEST


@pytest.fixture(scope="module")
def supposing() -> Iterator[Bench]:
    """A server whose packages hold hypopg."""
    found = with_hypopg()
    if found is None:
        pytest.skip("no PostgreSQL here has hypopg: apt-get install postgresql-15-hypopg")
    with a_bench(found[0], programs=found[1]) as bench:
        yield bench


@pytest.mark.slow
def test_an_index_is_tested_where_hypopg_is_installed_and_none_is_made(supposing: Bench) -> None:
    with supposing.database() as shop:
        shop.run(*ORDERS, "CREATE EXTENSION hypopg SCHEMA extensions")
        asked(shop, "SELECT id FROM public.orders WHERE note = %s", "note 1")
        asked(shop, "SELECT id FROM public.orders WHERE note >= %s", "a")
        helps, not_so = planned(shop, "note = $1"), planned(shop, "note >= $1")
        assert helps["index_cost"] < helps["cost"] / 10
        assert not_so["index_cost"] > helps["index_cost"]
        with shop.admin() as connection:
            tables = connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'").fetchall()
            assert sorted(tables) == [("by_customer",), ("orders_pkey",)]
        with session(shop.site()) as opened:
            opened.plan_of(Explained("SELECT 1 FROM orders", 0, PATH), "CREATE INDEX ON public.orders (note)")
            assert opened.rows("SELECT count(*) AS supposed FROM extensions.hypopg()") == [{"supposed": 0}]
