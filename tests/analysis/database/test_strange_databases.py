"""What a database that nobody here prepared once led the analysis to say wrongly, or not at all."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.analysis.database import counters, statements
from pdmlib.sources.postgres.session import session
from tests.builders import DEPLOYED, a_case
from tests.looks import Story, a_story
from tests.servers import BLIND, Bench, Database

S0, S1 = DEPLOYED - timedelta(hours=2), DEPLOYED - timedelta(seconds=1)
ROWS = 20_000
ORDERS = (
    "CREATE TABLE public.orders (id int PRIMARY KEY, owner int, note text)",
    f"INSERT INTO public.orders SELECT g, g % 100, 'note' FROM generate_series(1, {ROWS}) AS g",
    "CREATE INDEX by_owner ON public.orders (owner)",
    "GRANT SELECT ON public.orders TO authenticated",
)


def results(check: str, *looks: tuple[datetime, dict[str, Any]]) -> list[dict[str, Any]]:
    """Results of a check of looks at gauges: a number is of the whole database, a text of a thing `kind name`."""
    rows: list[dict[str, Any]] = []
    for at, gauges in looks:
        for name, value in gauges.items():
            kind, _, thing = name.partition(" ")
            said = {"detail": value} if isinstance(value, str) else {"value": value}
            rows.append({"metric": kind, "at": at, "object": thing or None, **said})
    table = counters.checks(a_case({"database_gauges": rows}))
    return [{str(k): v for k, v in row.items()} for row in table[table["check"] == check].to_dict("records")]


def soon(seconds: float = 10) -> datetime:
    return S1 + timedelta(seconds=seconds)


# Another's load, setting or doing.


def test_files_of_a_megabyte_in_some_seconds_are_no_hundreds_an_hour() -> None:
    """1 MB in 10 s would be 360 MB an hour; 150 MB in 10 s are 150 whatever the hour."""
    (few,) = results("temp_spills", (S1, {"temp_bytes": 0.0}), (soon(), {"temp_bytes": 1e6}))
    (many,) = results("temp_spills", (S1, {"temp_bytes": 0.0}), (soon(), {"temp_bytes": 150e6}))
    assert few["severity"] == "pass"
    assert (many["severity"], many["value"]) == ("warn", 150)


def test_an_old_partition_that_is_dropped_is_not_to_be_made_again() -> None:
    parts = {
        "table public.log": "id integer | partitioned",
        "index public.i": "CREATE INDEX i ON public.l1 USING btree (id)",
    }
    old = {**parts, "table public.l1": "id integer | partition of public.log"}
    rows = results("drift", (S1, old), (soon(), {"table public.log": "id integer | partitioned"}))
    assert [(row["object"], row["severity"]) for row in rows] == [("table public.l1", "info")]
    assert rows[0]["action"] != rows[0]["action"]  # missing


def test_five_rollbacks_do_not_explain_ninety_missing_calls() -> None:
    """89 calls an hour before, none after and five transactions undone: gone, and not timing out."""
    entry = {
        "role": "app",
        "queryid": "1",
        "toplevel": True,
        "query": "SELECT 1 FROM t",
        "mean_ms": 1.0,
        "stddev_ms": 0.0,
    }
    looks = [
        {**entry, "at": at, "calls": calls, "total_ms": calls}
        for at, calls in ((S0, 0), (S1, 178), (soon(3600), 178))
    ]
    gauges = [
        {"metric": "xact_rollback", "at": at, "value": value} for at, value in ((S0, 0), (S1, 0), (soon(3600), 5))
    ]
    (row,) = statements.compare(a_case({"statements": looks, "database_gauges": gauges}))
    assert row["verdict"] == "GONE"


@pytest.mark.slow
def test_a_long_query_of_another_database_is_no_load_of_ours(bench: Bench, database: Database) -> None:
    with bench.database() as other:
        busy = threading.Thread(target=lambda: other.run("SELECT pg_sleep(3)"))
        busy.start()
        time.sleep(1.5)
        found = a_story(database).look()["database_findings"]
        busy.join()
    assert set(found.loc[found["check"] == "slow_now", "severity"]) == {"pass"}


@pytest.mark.slow
def test_a_transaction_that_is_at_work_is_not_idle_in_it(database: Database) -> None:
    with session(database.site()) as opened, database.admin() as connection:
        at_work = threading.Thread(target=lambda: connection.execute("SELECT pg_sleep(1)"))
        connection.execute("BEGIN")
        assert len(opened.named("transactions")) == 1
        at_work.start()
        time.sleep(0.3)
        assert opened.named("transactions") == []
        at_work.join()


# Statistics.


def test_a_first_reset_of_the_statistics_is_a_reset_though_there_was_no_time_of_one_before() -> None:
    rows = results(
        "statistics_epoch", (S1, {"numbackends": 1.0}), (soon(60), {"stats_reset": soon(30).timestamp()})
    )
    assert [(row["object"], row["severity"]) for row in rows] == [("stats_reset", "warn")]


def test_our_own_cost_is_that_which_the_server_counts(database: Database) -> None:
    """The role may not keep itself out of the statistics, so that they hold each of its statements."""
    with session(database.site(BLIND)) as opened:
        for _ in range(3):
            opened.rows("SELECT 1 AS one")
        with database.admin() as connection:
            query = """SELECT sum(calls)::int FROM extensions.pg_stat_statements
                WHERE userid = 'pdm_blind'::regrole AND dbid = (SELECT oid FROM pg_database WHERE datname = %s)"""
            counted = connection.execute(query, [database.name]).fetchone()
        assert counted == (opened.cost.queries,)


def test_texts_that_differ_late_are_two_statements() -> None:
    """Alike for 2,500 characters; of one 100 calls of 1 ms are followed by 100 of 10 ms: deviation 4.5."""
    same = "SELECT " + ", ".join(f"column_{n}" for n in range(220)) + " FROM t WHERE "
    assert len(same) > 2500
    entries = []
    for queryid, column, after in (("1", "a", 10.0), ("2", "b", 1.0)):
        for at, calls, total, spread in (
            (S1, 100, 100.0, 0.0),
            (soon(60), 200, 100 + 100 * after, (after - 1) / 2),
        ):
            text = f"{same}{column} = $1"
            entries.append(
                {"at": at, "role": "app", "queryid": queryid, "toplevel": True, "query": text, "calls": calls}
                | {"total_ms": total, "mean_ms": total / calls, "stddev_ms": spread}
            )
    rows = statements.compare(a_case({"statements": entries}))
    assert {(row["verdict"], round(row["mean_ms"] / row["before_mean_ms"])) for row in rows} == {
        ("REGRESSED", 10),
        ("STABLE", 1),
    }


# What nobody found.


def test_checkpoints_that_much_writing_asks_for_are_told() -> None:
    before, after = ({"checkpoints_req": r, "checkpoints_timed": t} for r, t in ((3.0, 10.0), (15.0, 11.0)))
    (row,) = results("checkpoints", (S1, before), (soon(300), after))
    assert (row["severity"], row["evidence"]) == (
        "info",
        "12 checkpoints because much was written, 1 by the clock",
    )


def test_a_table_whose_pages_stay_after_a_mass_delete_is_told_so() -> None:
    """2,000 pages of 100,000 rows, then of 10,000: ten times the pages a row, 900 % more."""
    looks = [{"relpages public.t": 2000.0, "n_live_tup public.t": rows} for rows in (100_000.0, 10_000.0)]
    (row,) = results("density", (S1, looks[0]), (soon(300), looks[1]))
    assert (row["severity"], row["value"]) == ("warn", pytest.approx(900))
    assert "After a mass delete its pages stay" in row["action"]


# The cause of a slower statement.


def loaded(story: Story, asks: str) -> None:
    story.database.pgbench("-c", "1", "-t", "40", script=f"\\set id random(1, 100)\n{asks};\n")


def slower(database: Database, asks: str, word: str, *deployment: str) -> str:
    """The reason of the one statement with a word that became slower by what was done."""
    database.run("VACUUM ANALYZE public.orders")  # by another session, since one counts its rows as it ends
    story = a_story(database)
    loaded(story, asks)
    story.look()
    story.deploy()
    database.run(*deployment)
    loaded(story, asks)
    story.look()
    (row,) = [row for row in story.verdicts(word).values() if row["regressed"]]
    return str(row["reason"])


@pytest.mark.slow
def test_a_table_that_was_loaded_without_analyze_is_told_so_and_no_index_is_blamed(database: Database) -> None:
    database.run(*ORDERS, "ALTER TABLE public.orders SET (autovacuum_enabled = off)")
    more = (
        f"INSERT INTO public.orders SELECT g, g % 100, 'note' FROM generate_series({ROWS + 1}, {20 * ROWS}) AS g"
    )
    reason = slower(database, "SELECT count(note) FROM public.orders WHERE owner = :id", "count(note)", more)
    assert "rows of public.orders changed since its last ANALYZE: likely the planner guesses" in reason
    assert "exists for" not in reason


@pytest.mark.slow
def test_a_policy_that_became_slow_is_told_with_both_its_texts(database: Database) -> None:
    database.run(
        *ORDERS,
        "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON public.orders TO authenticated USING (id > 0)",
        "CREATE FUNCTION public.mine(int) RETURNS bool STABLE LANGUAGE plpgsql AS "
        "'BEGIN RETURN (SELECT count(*) FROM generate_series(1, 200)) > 0; END'",
    )
    reason = slower(
        database,
        "SET ROLE authenticated;\nSELECT count(note) FROM public.orders WHERE owner = :id",
        "count(note)",
        "ALTER POLICY mine ON public.orders USING (public.mine(id))",
    )
    assert "likely the policy public.orders.mine that changed:" in reason
    assert "(id > 0)" in reason
    assert "mine(id)" in reason


@pytest.mark.slow
def test_a_table_that_grew_is_named_though_its_counters_were_thrown_away(database: Database) -> None:
    database.run(*ORDERS, "ALTER TABLE public.orders SET (autovacuum_enabled = off)")
    reason = slower(
        database,
        "SELECT count(id) FROM public.orders WHERE note > 'a'",
        "count(id)",
        f"INSERT INTO public.orders SELECT g, 1, 'note' FROM generate_series({ROWS + 1}, {10 * ROWS}) AS g",
        "ANALYZE public.orders",
        "SELECT pg_stat_reset()",
    )
    assert "public.orders has grown from about 20000 to 200000 rows" in reason
