"""A schema of 1,400 tables, 200 of them partitions: what was small at the first look is not missed later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.analysis.database import counters, regressions
from tests.builders import DEPLOYED, a_case
from tests.looks import Story, a_story
from tests.servers import Bench, Database, a_bench

TABLES, PARTITIONS, ROWS = 1200, 200, 20_000
MAKE = f"""
DO $$ BEGIN FOR n IN 1..{TABLES} LOOP
  EXECUTE format('CREATE TABLE public.t%s (id int PRIMARY KEY, owner int, note text)', n);
  EXECUTE format('CREATE INDEX t%1$s_owner ON public.t%1$s (owner)', n);
  EXECUTE format('CREATE INDEX t%1$s_note ON public.t%1$s (note)', n);
END LOOP; END $$
"""
SPLIT = f"""
DO $$ BEGIN FOR n IN 1..{PARTITIONS} LOOP
  EXECUTE format('CREATE TABLE public.events_%s PARTITION OF public.events FOR VALUES FROM (%s) TO (%s)',
    n, (n - 1) * 100, n * 100);
END LOOP; END $$
"""
# Last in the order of size and of names: what is cut off somewhere would be cut off here.
SMALL = "public.zz_small"
ASKS = f"SELECT id FROM {SMALL} WHERE owner = :id"


@pytest.fixture(scope="module")
def large() -> Iterator[Bench]:
    with a_bench(settings="max_locks_per_transaction = 1024\nautovacuum = off\n") as bench:
        yield bench


@pytest.fixture(scope="module")
def schema(large: Bench) -> Iterator[Database]:
    with large.database() as made:
        made.run(
            *(MAKE, "CREATE TABLE public.events (id int, customer int) PARTITION BY RANGE (id)", SPLIT),
            "CREATE INDEX events_customer ON public.events (customer)",
            f"INSERT INTO public.events SELECT g, g FROM generate_series(0, {ROWS - 1}) AS g",
            f"CREATE TABLE {SMALL} (id int PRIMARY KEY, owner int)",
            f"CREATE INDEX zz_small_owner ON {SMALL} (owner)",
            f"INSERT INTO {SMALL} SELECT g, g FROM generate_series(1, 5) AS g",
            "ANALYZE",
        )
        yield made


def loaded(database: Database, asks: str) -> None:
    database.pgbench("-c", "1", "-t", "40", script=f"\\set id random(1, {ROWS})\n{asks};\n")


def looked(story: Story, asks: str, *deployment: str) -> None:
    loaded(story.database, asks)
    story.look()
    story.deploy()
    story.database.run(*deployment)
    loaded(story.database, asks)
    story.look()


@pytest.mark.slow
def test_a_small_table_that_becomes_large_and_hot_has_its_lost_index_named(schema: Database) -> None:
    story = a_story(schema)
    fill = f"INSERT INTO {SMALL} SELECT g, g FROM generate_series(6, {ROWS}) AS g"
    looked(story, ASKS, "DROP INDEX public.zz_small_owner", fill)
    (row,) = [r for r in story.verdicts("zz_small").values() if r["regressed"]]
    assert "index public.zz_small_owner on public.zz_small (owner) is gone since" in row["reason"]
    assert {r["severity"] for r in story.check("drift")} <= {"warn", "info"}


@pytest.mark.slow
def test_an_index_over_200_partitions_is_made_again_by_its_script(schema: Database) -> None:
    story = a_story(schema)
    looked(story, "SELECT id FROM public.events WHERE customer = :id", "DROP INDEX public.events_customer")
    (row,) = regressions.index_advice(story.case)
    lines = row["script"].split("\n")
    assert len(lines) == 1 + 2 * PARTITIONS
    schema.run(*lines)
    with schema.admin() as connection:
        query = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.events_customer'::regclass"
        assert connection.execute(query).fetchall() == [(True,)]


S1, S2 = DEPLOYED - timedelta(minutes=1), DEPLOYED + timedelta(hours=1)


def counters_of(table: str, at: datetime, read: float, scans: float) -> list[dict[str, Any]]:
    figures = {"seq_tup_read": read, "seq_scan": scans, "relpages": 10.0}
    return [{"metric": metric, "object": table, "at": at, "value": value} for metric, value in figures.items()]


def read_whole(*gauges: list[dict[str, Any]]) -> dict[str, float]:
    case = a_case({"database_gauges": [row for group in gauges for row in group]})
    table = counters.checks(case)
    told = table[(table["check"] == "seq_scans") & (table["severity"] == "warn")]
    return dict(zip(told["object"], told["value"], strict=True))


def test_a_table_that_the_first_look_does_not_list_is_judged_by_the_most_it_can_have_had() -> None:
    """A look lists 2,000 tables; the least busy of them had 5,000 rows read, so any other at most as many."""
    listed = [counters_of(f"public.t{n}", S1, read=5000.0 + n, scans=1) for n in range(2000)]
    hot = counters_of("public.hot", S2, read=20_005_000.0, scans=500)
    cold = counters_of("public.cold", S2, read=9_000_000.0, scans=500)
    assert read_whole(*listed, hot, cold) == {"public.hot": 20_000_000 / 500}
    assert read_whole(counters_of("public.t1", S1, read=5000.0, scans=1), hot) == {"public.hot": 20_005_000 / 500}
