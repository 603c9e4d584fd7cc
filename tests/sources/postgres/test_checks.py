"""The database checks on a real server: each shows the fault, and the fix that it names removes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import psycopg
import pytest

from pdmlib.analysis.database import health
from pdmlib.analysis.database.alike import joined
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Status
from pdmlib.sources.postgres import checks, source
from pdmlib.sources.postgres.checks import CHECKS, run_all
from pdmlib.sources.postgres.checks.result import Check, Look, Result
from pdmlib.sources.postgres.session import session
from pdmlib.sources.postgres.visibility import ledger
from tests.builders import DEPLOYED, a_case
from tests.servers import BLIND, MONITOR, Database


def found_by(database: Database, check: str, role: str = MONITOR, **changes: Any) -> list[dict[str, Any]]:
    """The results of one check at this moment."""
    site = database.site(role, **changes)
    table = source.collect(site, database.scope(site))["database_findings"]
    return [row for row in table.to_dict("records") if row["check"] == check]


def severities(rows: list[dict[str, Any]]) -> set[str]:
    return {row["severity"] for row in rows}


@contextmanager
def held(database: Database, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """A session that holds a transaction open after these statements."""
    with database.admin() as connection, connection.transaction(force_rollback=True):
        for statement in statements:
            connection.execute(statement.encode())
        yield connection


def test_every_check_gives_a_result_on_an_empty_database(database: Database) -> None:
    site = database.site()
    table = source.collect(site, database.scope(site))["database_findings"]
    without = {"critical_query"}
    assert set(table["check"]) == {check.name for check in CHECKS}
    assert not set(table["severity"]) & {"warn", "fail"}
    unknown = table[table["severity"] == "unknown"]
    assert unknown["unknown_reason"].notna().all()
    assert without <= set(table.loc[table["severity"] == "pass", "check"])


def test_a_check_with_a_fault_of_its_own_is_unknown_and_the_others_are_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(look: Look) -> list[Result]:
        return [Result("mine", row["no such column"], Status.WARN) for row in look.rows("database")]

    monkeypatch.setattr(checks, "CHECKS", (Check("mine", "Mine", faulty), *CHECKS))
    site = database.site()
    table = source.collect(site, database.scope(site))["database_findings"]
    assert set(table["check"]) == {"mine", *(check.name for check in CHECKS)}
    (row,) = table[table["check"] == "mine"].to_dict("records")
    assert row["severity"] == "unknown"
    assert "internal error (KeyError" in row["unknown_reason"] and "column" not in row["unknown_reason"]


def test_a_role_that_may_see_nothing_passes_no_check_of_what_it_cannot_see(database: Database) -> None:
    for check in ("connections", "blocking", "idle_in_transaction", "slow_now"):
        (row,) = found_by(database, check, BLIND)
        assert row["severity"] == "unknown", check
        assert "GRANT pg_monitor TO pdm_blind" in row["unknown_reason"]


def test_the_queue_behind_a_migration_is_told_with_its_root(database: Database) -> None:
    """A reader idles in a transaction, an ALTER waits for it, and a second reader waits behind the ALTER."""
    database.run("CREATE TABLE public.t (id int)")

    with held(database, "SELECT * FROM public.t") as root:
        pid = root.info.backend_pid
        waiting = ("ALTER TABLE public.t ADD x int", "SELECT * FROM public.t")
        threads = [threading.Thread(target=database.run, args=[statement]) for statement in waiting]
        for number, thread in enumerate(threads, 1):
            thread.start()
            _until(database, f"SELECT count(*) = {number} FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        (row,) = found_by(database, "blocking")
    for thread in threads:
        thread.join()
    assert row["object"] == f"pid {pid}"
    assert row["severity"] == "fail"
    assert "blocks 2 sessions" in row["evidence"]


def _until(database: Database, question: str) -> None:
    with database.admin() as connection:
        while connection.execute(question.encode()).fetchone() != (True,):
            connection.execute("SELECT pg_sleep(0.02)")


@pytest.mark.parametrize(
    ("check", "fault", "fix"),
    [
        (
            "invalid_objects",
            "ALTER TABLE public.t ADD CONSTRAINT few CHECK (id < 9) NOT VALID",
            "ALTER TABLE public.t VALIDATE CONSTRAINT few",
        ),
        (
            "invalid_objects",
            "CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.t);"
            "ALTER TABLE public.child DISABLE TRIGGER ALL",
            "ALTER TABLE public.child ENABLE TRIGGER ALL",
        ),
        (
            "sequences",
            "CREATE SEQUENCE public.n AS integer; GRANT SELECT ON SEQUENCE public.n TO pdm_monitor;"
            "ALTER TABLE public.t ADD COLUMN big bigint DEFAULT 1; ALTER SEQUENCE public.n OWNED BY public.t.big;"
            "GRANT USAGE ON SCHEMA public TO pdm_monitor; SELECT setval('public.n', 2000000000)",
            "ALTER SEQUENCE public.n AS bigint MAXVALUE 9223372036854775807",
        ),
        ("table_hygiene", "CREATE TABLE public.bare (id int)", "ALTER TABLE public.bare ADD PRIMARY KEY (id)"),
        (
            "table_hygiene",
            "CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.t)",
            "CREATE INDEX ON public.child (parent)",
        ),
        (
            "redundant_index",
            "CREATE INDEX twice ON public.t (note); CREATE INDEX wide ON public.t (note, id)",
            "DROP INDEX public.twice",
        ),
        (
            "read_only",
            "GRANT INSERT ON public.t TO authenticated;"
            "ALTER ROLE authenticated SET default_transaction_read_only = on",
            "ALTER ROLE authenticated RESET default_transaction_read_only",
        ),
        (
            "policies",
            "CREATE POLICY own ON public.t USING (id = 1)",
            "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
        ),
        (
            "policies",
            "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY own ON public.t USING (id = 1)",
        ),
        (
            "policies",
            "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; CREATE POLICY a ON public.t USING (id = 1);"
            "CREATE POLICY b ON public.t FOR SELECT USING (id = 2)",
            "DROP POLICY b ON public.t",
        ),
        (
            "policies",
            "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; CREATE POLICY a ON public.t FOR UPDATE USING (true)",
            "ALTER POLICY a ON public.t USING (id = 1)",
        ),
        (
            "policies",
            "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "ALTER FUNCTION public.f() SET search_path = ''",
        ),
        ("table_hygiene", "ALTER TABLE public.t SET UNLOGGED", "ALTER TABLE public.t SET LOGGED"),
        (
            "table_hygiene",
            'CREATE TABLE public."Child" (id int PRIMARY KEY, "Parent" int REFERENCES public.t)',
            'CREATE INDEX CONCURRENTLY ON public."Child" ("Parent")',
        ),
        (
            "unanalysed",
            "INSERT INTO public.t SELECT g FROM generate_series(1, 20000) AS g",
            "ANALYZE public.t",
        ),
    ],
)
def test_a_fault_is_found_and_its_fix_removes_it(database: Database, check: str, fault: str, fix: str) -> None:
    database.run("CREATE TABLE public.t (id int PRIMARY KEY, note text)")
    assert severities(found_by(database, check)) == {"pass"}
    database.run(fault)
    assert severities(found_by(database, check)) & {"info", "warn", "fail"}
    database.run(fix)
    assert severities(found_by(database, check)) == {"pass"}


SPLIT = (
    "CREATE TABLE public.s (id int, note text) PARTITION BY RANGE (id);"
    "CREATE TABLE public.s1 PARTITION OF public.s FOR VALUES FROM (0) TO (9);"
    "ALTER TABLE public.s ADD PRIMARY KEY (id);"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("redundant_index", 'CREATE INDEX "Twice" ON public.t (note); CREATE INDEX wide ON public.t (note, id)'),
        (
            "redundant_index",
            SPLIT + "CREATE INDEX twice ON public.s (note); CREATE INDEX wide ON public.s (note, id)",
        ),
        ("invalid_objects", "ALTER TABLE public.t ADD CONSTRAINT few CHECK (id < 9) NOT VALID"),
        (
            "sequences",
            "CREATE SEQUENCE public.n AS integer; GRANT SELECT ON SEQUENCE public.n TO pdm_monitor;"
            "ALTER TABLE public.t ADD COLUMN big bigint DEFAULT 1; ALTER SEQUENCE public.n OWNED BY public.t.big;"
            "GRANT USAGE ON SCHEMA public TO pdm_monitor; SELECT setval('public.n', 2000000000)",
        ),
        ("table_hygiene", SPLIT + "ALTER TABLE public.s ADD COLUMN parent int REFERENCES public.t"),
        ("table_hygiene", "ALTER TABLE public.t SET UNLOGGED"),
        ("policies", "CREATE POLICY own ON public.t USING (id = 1)"),
        ("unanalysed", "INSERT INTO public.t SELECT g FROM generate_series(1, 20000) AS g"),
    ],
)
def test_the_statement_that_is_advised_runs_and_removes_the_fault(
    database: Database, check: str, fault: str
) -> None:
    database.run("CREATE TABLE public.t (id int PRIMARY KEY, note text)", fault)
    (row,) = found_by(database, check)
    database.run(str(row["action"]).split(";")[0])
    assert severities(found_by(database, check)) == {"pass"}


def test_an_index_of_which_a_partition_lacks_its_part_is_no_failed_build(database: Database) -> None:
    database.run(SPLIT, "CREATE INDEX part ON ONLY public.s (note)")
    (row,) = found_by(database, "invalid_objects")
    assert (row["object"], row["evidence"]) == ("public.part", "not every partition has its part of this index")
    database.run(
        "CREATE INDEX CONCURRENTLY part1 ON public.s1 (note)", "ALTER INDEX public.part ATTACH PARTITION part1"
    )
    assert severities(found_by(database, "invalid_objects")) == {"pass"}


def test_the_index_that_a_critical_query_lacks_has_its_names_quoted(database: Database) -> None:
    database.run(
        'CREATE TABLE public."Tickets" (id int PRIMARY KEY, "Owner" int)',
        'INSERT INTO public."Tickets" SELECT g, g FROM generate_series(1, 5000) AS g',
        "ANALYZE",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO pdm_monitor",
    )
    query = {
        "name": "q",
        "title": "Q",
        "sql": 'SELECT * FROM public."Tickets" WHERE "Owner" = 7',
        "limit_ms": 5000,
    }
    rows = {row["object"]: row for row in found_by(database, "critical_query", queries=[query])}
    database.run(str(rows["q: public.Tickets"]["action"]).removesuffix(" (untested)"))
    assert [row["object"] for row in found_by(database, "critical_query", queries=[query])] == ["q"]


def test_a_role_that_may_write_nothing_is_read_only_on_purpose(database: Database) -> None:
    database.run(
        "CREATE TABLE public.t (id int PRIMARY KEY)",
        "GRANT SELECT ON public.t TO authenticated",
        "ALTER ROLE authenticated SET default_transaction_read_only = on",
    )
    try:
        assert severities(found_by(database, "read_only")) == {"pass"}
    finally:
        database.run("ALTER ROLE authenticated RESET default_transaction_read_only")


@pytest.mark.parametrize(
    "indexes",
    [
        ("CREATE INDEX a ON public.t (note)", 'CREATE INDEX b ON public.t (note COLLATE "C")'),
        ("CREATE INDEX a ON public.t (note)", "CREATE INDEX b ON public.t (note DESC NULLS LAST)"),
        ("CREATE INDEX a ON public.t (note)", "CREATE INDEX b ON public.t (note) WHERE id > 1"),
        ("CREATE UNIQUE INDEX a ON public.t (note)", "CREATE INDEX b ON public.t (note, id)"),
        ("CREATE INDEX a ON public.t (note)", "CREATE INDEX b ON public.t USING hash (note)"),
    ],
)
def test_an_index_that_serves_another_purpose_is_not_redundant(
    database: Database, indexes: tuple[str, str]
) -> None:
    database.run("CREATE TABLE public.t (id int PRIMARY KEY, note text)", *indexes)
    assert severities(found_by(database, "redundant_index")) == {"pass"}


def test_a_partial_index_does_not_cover_a_foreign_key(database: Database) -> None:
    database.run(
        "CREATE TABLE public.t (id int PRIMARY KEY)",
        "CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.t)",
        "CREATE INDEX ON public.child (parent) WHERE parent > 5",
    )
    (row,) = found_by(database, "table_hygiene")
    assert row["action"] == "CREATE INDEX CONCURRENTLY ON public.child (parent); (untested)"


def test_a_sequence_near_its_columns_end_fails_and_one_we_may_not_read_is_unknown(database: Database) -> None:
    """2,000,000,000 of 2,147,483,647 is 93 %; the sequence itself would go on for ever."""
    database.run(
        "CREATE SEQUENCE public.n AS bigint",
        "CREATE TABLE public.t (id int PRIMARY KEY DEFAULT nextval('public.n'))",
        "ALTER SEQUENCE public.n OWNED BY public.t.id",
        "SELECT setval('public.n', 2000000000)",
    )
    (row,) = found_by(database, "sequences")
    assert row["severity"] == "unknown"
    assert row["action"] == "GRANT SELECT ON SEQUENCE public.n TO pdm_monitor;"
    database.run("GRANT USAGE ON SCHEMA public TO pdm_monitor", row["action"])
    (row,) = found_by(database, "sequences")
    assert row["severity"] == "fail"
    assert row["value"] == pytest.approx(93.13, abs=0.01)


def test_a_grant_runs_whatever_the_role_and_the_objects_are_called(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role with a dash, as hosts make them; tables that begin with capitals, as Prisma makes them."""
    role, password = "pdm-reader", "p-0123456789"
    monkeypatch.setitem(database.bench.passwords, role, password)
    database.run(
        f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'",
        'CREATE SCHEMA "Shop"',
        *(f'CREATE TABLE "Shop"."Order Line {n}" ("Id" serial PRIMARY KEY)' for n in range(5)),
    )
    try:
        found = found_by(database, "sequences", role=role)
        (told,) = joined([{key: row[key] for key in ("object", "action")} for row in found], "object", "action")
        database.run(f'GRANT USAGE ON SCHEMA "Shop" TO "{role}"', told["action"])
        (ledger,) = found_by(database, "connections", role=role)
        database.run(ledger["unknown_reason"].split(": ")[1])
        assert severities(found_by(database, "sequences", role=role)) == {"pass"}
        assert severities(found_by(database, "connections", role=role)) == {"info"}
    finally:
        database.run(f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


def test_dead_rows_beyond_the_trigger_fail_where_autovacuum_is_off(database: Database) -> None:
    database.run(
        "CREATE TABLE public.t (id int) WITH (autovacuum_enabled = false)",
        "INSERT INTO public.t SELECT generate_series(1, 5000)",
        "ANALYZE public.t",
        "DELETE FROM public.t WHERE id <= 4000",
    )
    (row,) = found_by(database, "dead_rows")
    assert row["severity"] == "fail"
    assert "autovacuum is off" in row["evidence"]


def test_a_policy_that_calls_a_function_for_each_row_is_named(database: Database) -> None:
    database.run(
        "CREATE TABLE public.t (id int PRIMARY KEY, owner text)",
        "INSERT INTO public.t SELECT generate_series(1, 2000)",
        "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY bare ON public.t USING (owner = current_setting('request.sub', true))",
        "ANALYZE public.t",
    )
    (row,) = found_by(database, "policy_cost")
    assert row["object"] == "public.t.bare"
    database.run(
        "DROP POLICY bare ON public.t",
        "CREATE POLICY once ON public.t USING (owner = (SELECT current_setting('request.sub', true)))",
    )
    assert severities(found_by(database, "policy_cost")) == {"pass"}


def test_a_critical_query_that_reads_a_table_whole_is_given_the_index_it_lacks(database: Database) -> None:
    database.run(
        "CREATE TABLE public.t (id int PRIMARY KEY, owner int)",
        "INSERT INTO public.t SELECT g, g FROM generate_series(1, 5000) AS g",
        "ANALYZE public.t",
        "GRANT USAGE ON SCHEMA public TO pdm_monitor",
        "GRANT SELECT ON public.t TO pdm_monitor",
    )
    query = {"name": "q", "title": "Q", "sql": "SELECT * FROM public.t WHERE owner = 7", "limit_ms": 5000}
    rows = {row["object"]: row for row in found_by(database, "critical_query", queries=[query])}
    assert (rows["q"]["severity"], rows["q"]["unit"]) == ("info", "ms")
    assert rows["q: public.t"]["action"] == "CREATE INDEX CONCURRENTLY ON public.t (owner); (untested)"
    database.run("CREATE INDEX ON public.t (owner)")
    assert [row["object"] for row in found_by(database, "critical_query", queries=[query])] == ["q"]


def test_a_critical_query_without_rows_is_unknown_not_fast(database: Database) -> None:
    database.run(
        "CREATE TABLE public.t (id int)",
        "GRANT USAGE ON SCHEMA public TO pdm_monitor",
        "GRANT SELECT ON public.t TO pdm_monitor",
    )
    query = {"name": "q", "title": "Q", "sql": "SELECT * FROM public.t", "limit_ms": 50}
    (row,) = found_by(database, "critical_query", queries=[query])
    assert row["severity"] == "unknown"
    assert "no row" in row["unknown_reason"]


@pytest.mark.parametrize("budget_s", [0.0, 0.3])
def test_what_does_not_fit_into_the_budget_is_unknown_and_nobody_waits_for_it(
    database: Database, budget_s: float
) -> None:
    """Every check is cut off, or all after the ones that a lock on the catalogue keeps waiting."""
    site = database.site()
    with session(site) as opened, database.admin() as migration, migration.transaction(force_rollback=True):
        seen, scope = ledger(opened, site), database.scope(site)
        migration.execute("LOCK TABLE pg_catalog.pg_index IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        table = run_all(opened, site, scope, ledger=seen, timings=frame("query_timings"), budget_s=budget_s)
        assert time.monotonic() - begun < budget_s + 20, "the lock is held for ever"
    assert set(table["check"]) == {check.name for check in CHECKS}
    late = table[table["check"].isin(["invalid_objects", "table_hygiene", "redundant_index", "unused_index"])]
    assert set(late["severity"]) == {"unknown"}
    assert set(table.loc[table["check"] == "sequences", "unknown_reason"]) == {
        "not read: the time for this source was used up"
    }


def test_a_check_that_waits_for_a_lock_is_unknown_and_the_others_are_done(database: Database) -> None:
    site = database.site()
    with session(site) as opened, database.admin() as migration, migration.transaction(force_rollback=True):
        seen, scope = ledger(opened, site), database.scope(site)
        migration.execute("LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
        table = run_all(opened, site, scope, ledger=seen, timings=frame("query_timings"))
    waited = table[table["unknown_reason"].fillna("").str.contains("lock timeout")]
    assert list(waited["check"]) == ["policies", "policy_cost"]
    assert set(table.loc[table["check"].isin(["table_hygiene", "sequences"]), "severity"]) == {"pass"}


S1, S2 = DEPLOYED - timedelta(minutes=1), DEPLOYED + timedelta(hours=10)


def gauges(
    at: datetime, numbers: Mapping[str, float], things: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Numbers of the whole database, and parts of its schema as `kind name` -> detail."""
    rows: list[dict[str, Any]] = [{"metric": m, "at": at, "value": v} for m, v in numbers.items()]
    for name, detail in (things or {}).items():
        kind, _, thing = name.partition(" ")
        rows.append({"metric": kind, "object": thing, "at": at, "detail": detail})
    return rows


def between(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Results of the checks of two looks, by check."""
    rows = health.checks(a_case({"database_gauges": [*before, *after]})).to_dict("records")
    return {row["check"]: [r for r in rows if r["check"] == row["check"]] for row in rows}


def test_one_look_is_no_verdict_of_any_counter() -> None:
    results = between([], gauges(S2, {"blks_hit": 1e6, "blks_read": 1e6}))
    assert {row["severity"] for rows in results.values() for row in rows} == {"unknown"}


def test_cache_hits_are_those_of_the_window_and_not_of_a_lifetime() -> None:
    """A lifetime of 99.9 % hides a window of 50,000 hits and 66,384 reads, of which 16,384 fill 128 MB once."""
    before = gauges(S1, {"blks_hit": 1e9, "blks_read": 1e6})
    (row,) = between(before, gauges(S2, {"blks_hit": 1e9 + 50_000, "blks_read": 1e6 + 66_384}))["cache_hit"]
    assert (row["severity"], row["value"]) == ("fail", pytest.approx(50))


def test_a_counter_that_fell_is_unknown_and_its_reset_is_told() -> None:
    moment = S2.timestamp() - 60
    before = gauges(S1, {"blks_hit": 1e6, "blks_read": 10, "server_stats_reset": 1e9})
    results = between(before, gauges(S2, {"blks_hit": 5, "blks_read": 10, "server_stats_reset": moment}))
    assert results["cache_hit"][0]["severity"] == "unknown"
    assert "a crash or a person" in results["statistics_epoch"][0]["evidence"]


def test_a_lost_policy_fails_a_lost_index_warns_and_a_new_column_is_told() -> None:
    old = {
        "policy public.t.p": "permissive r public",
        "index public.i": "btree public.t (a)",
        "table public.t": "a int",
    }
    new = {
        "policy public.t.q": "permissive r public",
        "index public.j": "btree public.t (b)",
        "table public.t": "a int, b text",
    }
    rows = {row["object"]: row for row in between(gauges(S1, {}, old), gauges(S2, {}, new))["drift"]}
    assert rows["policy public.t.p"]["severity"] == "fail"
    assert rows["index public.i"]["severity"] == "warn"
    assert (rows["table public.t"]["severity"], rows["table public.t"]["evidence"]) == ("info", "+ b text")


@pytest.mark.parametrize("opened", ["using true", "with check (true)"])
def test_a_policy_that_asks_nothing_any_more_fails(opened: str) -> None:
    mine = "permissive r public using (owner = current_user)"
    before = gauges(S1, {}, {"policy public.t.p": mine, "policy public.t.q": mine})
    after = gauges(S2, {}, {"policy public.t.p": f"permissive r public {opened}", "policy public.t.q": mine})
    (row,) = between(before, after)["drift"]
    assert (row["object"], row["severity"]) == ("policy public.t.p", "fail")
    assert row["evidence"].startswith(
        "it asks nothing any more, every row is open: permissive r public using (owner"
    )
    assert row["action"] == "Give the policy its condition back"


def test_a_trigger_that_is_switched_off_warns_with_the_statement_that_switches_it_on() -> None:
    made = "CREATE TRIGGER told BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION f()"
    before, after = ({"trigger public.t.told": text} for text in (made, f"{made} | switched off"))
    (row,) = between(gauges(S1, {}, before), gauges(S2, {}, after))["drift"]
    assert (row["severity"], row["evidence"]) == ("warn", "it was switched off")
    assert row["action"] == "ALTER TABLE public.t ENABLE TRIGGER told;"


@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("autovacuum", "off", "warn"),
        ("session_replication_role of role app", "replica", "warn"),
        ("fsync", "on", "info"),
        ("work_mem", "64kB", "info"),
    ],
)
def test_a_setting_that_loses_rows_or_lets_tables_swell_warns(name: str, value: str, severity: str) -> None:
    same = {"setting timezone": "UTC"}
    (row,) = between(gauges(S1, {}, same), gauges(S2, {}, {**same, f"setting {name}": value}))["drift"]
    assert row["severity"] == severity


def test_where_a_server_listens_is_no_change_of_what_it_does() -> None:
    """A restart by another hand moves both; whoever reads a report would look for a cause in them."""
    before, after = ({f"setting {n}": f"{n}{i}" for n in ("port", "unix_socket_directories")} for i in (1, 2))
    same = {"setting timezone": "UTC"}
    (row,) = between(gauges(S1, {}, {**same, **before}), gauges(S2, {}, {**same, **after}))["drift"]
    assert row["severity"] == "pass"


def test_what_is_gone_is_not_called_an_index_when_it_is_none() -> None:
    old = {"function public.f()": "a", "statistics public.s": "CREATE STATISTICS public.s ON a, b FROM public.t"}
    same = {"table public.t": "a int"}
    rows = {r["object"]: r for r in between(gauges(S1, {}, {**same, **old}), gauges(S2, {}, same))["drift"]}
    assert pd.isna(rows["function public.f()"]["action"])
    assert rows["statistics public.s"]["action"].endswith("CREATE STATISTICS public.s ON a, b FROM public.t;")


def test_row_level_security_switched_off_fails() -> None:
    before = gauges(S1, {}, {"table public.t": "a int | row-level security"})
    (row,) = between(before, gauges(S2, {}, {"table public.t": "a int"}))["drift"]
    assert (row["severity"], row["evidence"]) == ("fail", "row-level security was switched off")


def test_two_equal_looks_find_nothing() -> None:
    numbers = {"blks_hit": 1e6, "xact_commit": 10.0, "xact_rollback": 0.0, "active_time": 5.0, "temp_bytes": 0.0}
    things = {"table public.t": "a int", "index public.i": "btree public.t (a)"}
    results = between(gauges(S1, numbers, things), gauges(S2, numbers, things))
    assert not {row["severity"] for rows in results.values() for row in rows} & {"warn", "fail"}


def test_rollbacks_and_deadlocks_of_the_window_are_told() -> None:
    """20 of 100 transactions, and two deadlocks in ten hours."""
    before = gauges(S1, {"xact_commit": 1000.0, "xact_rollback": 0.0, "deadlocks": 3.0})
    after = gauges(S2, {"xact_commit": 1080.0, "xact_rollback": 20.0, "deadlocks": 5.0})
    rows = {row["object"]: row for row in between(before, after)["rollbacks"]}
    assert rows["rollbacks"]["value"] == pytest.approx(20)
    assert (rows["deadlocks"]["severity"], rows["deadlocks"]["value"]) == ("warn", 2)
    assert not pd.isna(rows["deadlocks"]["action"])
