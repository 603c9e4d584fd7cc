"""Faults on real load, each named by what the analysis finds between looks; an unchanged run finds nothing.

The load is paced, as that of a production with room to spare is: how busy the machine is does not decide.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from pdmlib.frames.readings import Priority, significant
from tests.looks import Story, a_story
from tests.servers import Bench, Database, a_bench

pytestmark = pytest.mark.slow

SELECT = "\\set aid random(1, 100000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
SUM = "\\set b random(1, 90000)\nSELECT sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN :b AND :b + 10000;\n"
UPDATE = "UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;\n"
MIXED = (
    SELECT
    + "\\set tid random(1, 10)\nUPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = :tid;\n"
    + SUM
)


@pytest.fixture
def story(database: Database) -> Story:
    """A pgbench database of 100,000 accounts."""
    database.pgbench("-i", "-s", "1", "-q")
    return a_story(database)


def regressed(story: Story) -> list[str]:
    return [finding.title for finding in story.findings() if finding.id.endswith(":regressed")]


def paced(database: Database, script: str, seconds: int = 4, rate: int = 50, clients: int = 2) -> None:
    database.pgbench("-c", str(clients), "-j", "2", "-T", str(seconds), "-R", str(rate), script=script)


def test_an_unchanged_run_finds_nothing_eight_times_over(story: Story) -> None:
    paced(story.database, MIXED)
    story.look()
    for _ in range(8):
        paced(story.database, MIXED)
        story.look()
        story.deploy()
        paced(story.database, MIXED)
        story.look()
        assert story.findings() == []
        assert not {"NEW", "GONE", "UNCERTAIN", "VOLUME_UP"} & story.verdicts("pgbench").keys()


def test_a_dropped_index_is_named_with_its_statement_and_its_factor(story: Story) -> None:
    paced(story.database, MIXED)
    story.look()
    story.deploy()
    story.database.run("ALTER TABLE pgbench_accounts DROP CONSTRAINT pgbench_accounts_pkey")
    paced(story.database, MIXED, rate=10)
    story.look()
    found = [f for f in story.findings() if f.id.endswith(":regressed")]
    (look_up,) = [f for f in found if "WHERE aid = $1" in f.title]
    assert "index public.pgbench_accounts_pkey on public.pgbench_accounts (aid) is gone" in look_up.evidence
    assert (
        "CREATE UNIQUE INDEX CONCURRENTLY pgbench_accounts_pkey ON public.pgbench_accounts USING btree (aid)"
        in look_up.evidence
    )
    assert look_up.value is not None
    (row,) = [r for r in story.verdicts("WHERE aid = $1").values() if r["regressed"]]
    assert f"({significant(row['mean_ms'] / row['before_mean_ms'])} times)" in row["reason"]
    assert all("tellers" not in f.title for f in found)


def test_sessions_that_wait_for_one_row_are_told_from_more_work(story: Story) -> None:
    held = f"BEGIN;\n{UPDATE}\\sleep 20 ms\nEND;\n"
    story.database.pgbench("-c", "1", "-t", "60", script=held)
    story.look()
    story.deploy()
    story.database.pgbench("-c", "6", "-j", "2", "-t", "20", script=held)
    story.look()
    (title,) = regressed(story)
    assert "UPDATE pgbench_branches" in title
    (row,) = [r for r in story.verdicts("UPDATE pgbench_branches").values() if r["regressed"]]
    assert "so the work is the same: likely it waits" in row["reason"]


def test_a_table_that_grew_is_named_and_not_a_plan(story: Story) -> None:
    rows = "SELECT g AS id, g % 100 AS kind FROM generate_series({}, {}) AS g"
    story.database.run("CREATE TABLE public.events AS " + rows.format(1, 20000))
    story.database.run("ANALYZE public.events")
    count = "SELECT count(*) FROM public.events WHERE kind = 7;\n"
    paced(story.database, count, rate=20)
    story.look()
    story.deploy()
    story.database.run("INSERT INTO public.events " + rows.format(20001, 160000))
    story.database.run("ANALYZE public.events")
    paced(story.database, count, rate=20)
    story.look()
    (row,) = [r for r in story.verdicts("count(*)").values() if r["regressed"]]
    assert "public.events has grown from about 20000 to 160000 rows" in row["reason"]
    assert "plan changed" not in row["reason"]


def test_more_traffic_is_volume_and_no_regression(story: Story) -> None:
    paced(story.database, SUM, rate=20)
    story.look()
    paced(story.database, SUM, rate=20)
    story.look()
    story.deploy()
    paced(story.database, SUM, rate=200)
    story.look()
    assert regressed(story) == []
    assert "VOLUME_UP" in story.verdicts("sum(abalance)")


def test_a_saturated_server_is_one_finding_and_no_statement_is_to_blame(story: Story) -> None:
    heavy = "".join(
        SUM.replace(":b + 10000", f":b + {width}").replace("sum(", f"{kind}(")
        for width, kind in ((50000, "sum"), (55000, "max"), (60000, "count"))
    )  # of some 8 ms, longer than a processor is given at once, so that they wait for each other
    paced(story.database, SELECT + heavy, rate=20, clients=1)
    story.look()
    story.deploy()
    story.database.pgbench("-c", "24", "-j", "2", "-T", "8", script=SELECT + heavy)
    story.look()
    found = [f for f in story.findings() if f.id.startswith("query:")]
    assert len(found) == 1
    assert "the server is saturated, no statement is to blame" in found[0].evidence


def test_a_statement_that_now_times_out_is_not_simply_gone(story: Story) -> None:
    """What is cancelled is in no counter of statements, so 24 cancelled calls are no call at all."""
    slow = "SELECT count(*) FROM pgbench_accounts AS a WHERE a.abalance = 0;\n"
    paced(story.database, slow, rate=10)
    story.look()
    paced(story.database, slow, rate=10)
    story.look()
    story.deploy()
    with story.database.admin() as connection:
        connection.execute("SET statement_timeout = '1ms'")
        for _ in range(24):
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("SELECT count(*) FROM pgbench_accounts AS a WHERE a.abalance = 0")
    time.sleep(2)
    story.look()
    (finding,) = [f for f in story.findings() if f.id.endswith(":gone")]
    assert "it may be timing out" in finding.evidence
    assert "24 transactions were rolled back" in finding.evidence


def test_a_column_more_makes_no_new_statement_of_a_star(story: Story) -> None:
    star = "SELECT * FROM pgbench_tellers WHERE tid = 1;\n"
    paced(story.database, star)
    story.look()
    story.deploy()
    story.database.run("ALTER TABLE pgbench_tellers ADD COLUMN note text")
    paced(story.database, star)
    story.look()
    assert set(story.verdicts("FROM pgbench_tellers")) == {"REKEYED"}
    assert story.findings() == []
    (column,) = [r for r in story.check("drift") if r["object"] == "table public.pgbench_tellers"]
    assert column["evidence"] == "+ note text"


@pytest.fixture(scope="module")
def fragile() -> Iterator[Bench]:
    """A server of these tests' own: it remembers 100 statements and 600 locks, and may be hurt."""
    with a_bench(settings="pg_stat_statements.max = 100\nmax_locks_per_transaction = 10\n") as running:
        yield running


@pytest.fixture
def small(fragile: Bench) -> Iterator[Story]:
    with fragile.database() as made:
        made.pgbench("-i", "-s", "1", "-q")
        yield a_story(made)


def test_what_was_evicted_is_uncertain_and_neither_new_nor_gone(small: Story) -> None:
    paced(small.database, SELECT, seconds=2)
    small.look()
    small.deploy()
    small.database.run(*(f"SELECT {', '.join(['1'] * n)}" for n in range(1, 300)))
    paced(small.database, SELECT + SUM, seconds=2)
    small.look()
    (row,) = [r for r in small.check("statistics_epoch") if r["object"] == "pg_stat_statements"]
    assert (row["severity"], row["action"]) == ("warn", "Raise pg_stat_statements.max")
    assert "entries were evicted" in row["evidence"]
    assert set(small.verdicts("sum(abalance)")) == {"UNCERTAIN"}
    assert not {"NEW", "GONE", "GONE_MAYBE_TIMEOUT"} & small.verdicts().keys()
    assert regressed(small) == []


def test_a_killed_backend_wipes_the_counters_and_that_is_said(small: Story) -> None:
    paced(small.database, MIXED, seconds=2)
    small.look()
    small.deploy()
    with small.database.admin() as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    _until_up(small.database)
    paced(small.database, MIXED, seconds=2)
    small.look()
    told = {row["object"]: row["evidence"] for row in small.check("statistics_epoch")}
    assert "a crash or a person" in told["server_stats_reset"]
    assert regressed(small) == []
    assert not {"GONE", "GONE_MAYBE_TIMEOUT"} & small.verdicts("pgbench").keys()
    (cache,) = small.check("cache_hit")
    assert cache["severity"] == "unknown"


def test_a_thousand_sequences_are_read_without_filling_the_servers_table_of_locks(small: Story) -> None:
    small.database.run(
        *(f"CREATE SEQUENCE public.n{n} AS integer" for n in range(1000)),
        "SELECT setval('public.n7', 2000000000)",
        "GRANT USAGE ON SCHEMA public TO pdm_monitor",
    )
    for first in range(0, 1000, 100):
        names = ", ".join(f"public.n{n}" for n in range(first, first + 100))
        small.database.run(f"GRANT SELECT ON SEQUENCE {names} TO pdm_monitor")
    results = small.look()["database_findings"]
    (row,) = results[results["check"] == "sequences"].to_dict("records")
    assert (row["object"], row["severity"]) == ("public.n7", "fail")


def _until_up(database: Database) -> None:
    for _ in range(200):
        try:
            database.run("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not come back")


def test_a_queue_for_a_lock_is_told_while_it_lasts(story: Story) -> None:
    """A reader idles in a transaction; eight sessions wait for the row that it holds."""
    with story.database.admin() as root, root.transaction(force_rollback=True):
        root.execute(UPDATE.encode())
        load = threading.Thread(
            target=story.database.pgbench, args=("-c", "8", "-j", "2", "-t", "1"), kwargs={"script": UPDATE}
        )
        load.start()
        time.sleep(6)
        pid, found = root.info.backend_pid, story.look()["database_findings"]
    load.join()
    (row,) = found[found["check"] == "blocking"].to_dict("records")
    assert row["object"] == f"pid {pid}"
    assert (row["severity"], "blocks 8 sessions" in row["evidence"]) == ("warn", True)


def test_priorities_follow_the_size_of_a_regression(story: Story) -> None:
    """Three times as long with a share that counts is urgent."""
    story.database.run("CREATE TABLE public.knob AS SELECT 0.004 AS s")
    slow = "SELECT pg_sleep(s) FROM public.knob;\n"
    story.database.pgbench("-c", "2", "-t", "30", script=slow)
    story.look()
    story.deploy()
    story.database.run("UPDATE public.knob SET s = 0.05")
    story.database.pgbench("-c", "2", "-t", "30", script=slow)
    story.look()
    (found,) = [f for f in story.findings() if f.id.endswith(":regressed")]
    assert found.priority is Priority.P1
