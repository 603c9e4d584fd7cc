"""Faults of a schema under load: the cause that is told, and the advice, which is executed and has to help.

What is right is what was done to the database here; whether the advice helps is asked of the database itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from pdmlib.analysis.database import counters, regressions
from tests.looks import Story, a_story
from tests.servers import Database

pytestmark = pytest.mark.slow

ROWS = 20_000
CALLS = 40
ADVICE = re.compile(r"(?:CREATE (?:UNIQUE )?INDEX|ANALYZE) [^;]+;")


@dataclass(frozen=True)
class Fault:
    """A schema, the statement that is run on it, what is done to it, and what the report has to say.

    Attributes:
        asks: the statement, with `:id` for a number of 1 to 20,000.
        told: what its reason holds.
    """

    name: str
    schema: tuple[str, ...]
    asks: str
    fault: tuple[str, ...]
    told: str


PLAIN = (
    "CREATE TABLE public.orders (id int PRIMARY KEY, customer int, note text, tags int[], closed boolean)",
    "INSERT INTO public.orders "
    f"SELECT g, g, 'note ' || g, ARRAY[g], g % 50 = 0 FROM generate_series(1, {ROWS}) AS g",
)
FAULTS = (
    Fault(
        name="plain",
        schema=(*PLAIN, "CREATE INDEX by_customer ON public.orders (customer)"),
        asks="SELECT id FROM orders WHERE customer = :id",
        fault=("DROP INDEX public.by_customer",),
        told="index public.by_customer on public.orders (customer) is gone since then: CREATE INDEX CONCURRENTLY",
    ),
    Fault(
        name="expression",
        schema=(*PLAIN, "CREATE INDEX by_note ON public.orders (lower(note))"),
        asks="SELECT id FROM public.orders WHERE lower(note) = 'note ' || :id",
        fault=("DROP INDEX public.by_note",),
        told="USING btree (lower(note));",
    ),
    Fault(
        name="partial",
        schema=(*PLAIN, "CREATE INDEX still_open ON public.orders (customer DESC) WHERE NOT closed"),
        asks="SELECT id FROM public.orders WHERE customer = :id AND NOT closed",
        fault=("DROP INDEX public.still_open",),
        told="USING btree (customer DESC) WHERE (NOT closed);",
    ),
    Fault(
        name="gin",
        schema=(*PLAIN, "CREATE INDEX by_tag ON public.orders USING gin (tags)"),
        asks="SELECT id FROM public.orders WHERE tags @> ARRAY[:id]",
        fault=("DROP INDEX public.by_tag",),
        told="CREATE INDEX CONCURRENTLY by_tag ON public.orders USING gin (tags);",
    ),
    Fault(
        name="mixed case",
        schema=(
            'CREATE TABLE public."Orders" (id int PRIMARY KEY, "customerId" int)',
            f'INSERT INTO public."Orders" SELECT g, g FROM generate_series(1, {ROWS}) AS g',
            'CREATE INDEX "Orders_customerId" ON public."Orders" ("customerId")',
        ),
        asks='SELECT id FROM "Orders" WHERE "customerId" = :id',
        fault=('DROP INDEX public."Orders_customerId"',),
        told='CREATE INDEX CONCURRENTLY "Orders_customerId" ON public."Orders" USING btree ("customerId");',
    ),
    Fault(
        name="partitioned",
        schema=(
            "CREATE TABLE public.events (id int, customer int) PARTITION BY RANGE (id)",
            "CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM (0) TO (10000)",
            "CREATE TABLE public.events_2 PARTITION OF public.events FOR VALUES FROM (10000) TO (100000)",
            f"INSERT INTO public.events SELECT g, g FROM generate_series(1, {ROWS}) AS g",
            "CREATE INDEX by_customer ON public.events (customer)",
        ),
        asks="SELECT id FROM public.events WHERE customer = :id",
        fault=("DROP INDEX public.by_customer",),
        told="CREATE INDEX by_customer ON public.events USING btree (customer);",
    ),
    Fault(
        name="behind a view",
        schema=(
            *PLAIN,
            "CREATE INDEX by_customer ON public.orders (customer)",
            "CREATE VIEW public.open_orders AS SELECT id, customer FROM public.orders WHERE NOT closed",
        ),
        asks="SELECT id FROM public.open_orders WHERE customer = :id",
        fault=("DROP INDEX public.by_customer",),
        told="index public.by_customer on public.orders (customer) is gone since",
    ),
    Fault(
        name="foreign key",
        schema=(
            *PLAIN,
            "CREATE TABLE public.items (id int PRIMARY KEY,"
            " order_id int REFERENCES public.orders ON DELETE CASCADE)",
            f"INSERT INTO public.items SELECT g, g FROM generate_series(1, {ROWS}) AS g",
            "CREATE INDEX items_order ON public.items (order_id)",
        ),
        asks="DELETE FROM public.orders WHERE id = :id",
        fault=(
            "DROP INDEX public.items_order",
            "CREATE INDEX items_order ON public.items (id, order_id)",
        ),
        told="CREATE INDEX CONCURRENTLY ON public.items (order_id); (untested)",
    ),
    Fault(
        name="trigger",
        schema=(*PLAIN,),
        asks="UPDATE public.orders SET note = note WHERE id = :id",
        fault=(
            "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END'",
            "CREATE TRIGGER audit BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.slow()",
        ),
        told="likely the trigger public.orders.audit that is new",
    ),
)


def told(story: Story, text: str) -> dict[str, Any]:
    (row,) = [r for r in story.verdicts(text).values() if r["regressed"]]
    return row


def loaded(database: Database, asks: str, calls: int = CALLS) -> None:
    script = f"\\set id random(1, {ROWS})\n{asks};\n"
    database.pgbench("-c", "1", "-t", str(calls), script=script)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_cause_is_told_and_the_advice_runs_and_helps(database: Database, fault: Fault) -> None:
    database.run(*fault.schema)
    database.run("VACUUM ANALYZE")
    story = a_story(database)
    loaded(database, fault.asks)
    story.look()
    story.deploy()
    database.run(*fault.fault)
    loaded(database, fault.asks)
    story.look()
    word = fault.asks.partition("WHERE")[2].split()[0]
    row = told(story, word)
    assert fault.told in row["reason"]
    advice = ADVICE.findall(row["reason"])
    if not advice:
        return
    database.run(*advice)
    story.deploy()
    loaded(database, fault.asks)
    story.look()
    (row,) = [r for r in story.verdicts(word).values() if r["query"] == row["query"]]
    assert row["mean_ms"] < row["before_mean_ms"] / 2


def test_an_index_whose_predicate_holds_a_string_is_told_by_where_to_look_it_up(database: Database) -> None:
    """The query that is told gives the statement back on the copy that was made before."""
    mine = "CREATE INDEX mine ON public.orders USING btree (customer) WHERE (note <> 'secret 4711'::text)"
    database.run(*PLAIN, mine, "VACUUM ANALYZE")
    asks = "SELECT id FROM public.orders WHERE customer = :id AND note <> 'secret 4711'"
    story = a_story(database)
    loaded(database, asks)
    story.look()
    with database.admin() as connection:
        before = {r[0]: r[1] for r in connection.execute("SELECT indexname, indexdef FROM pg_indexes")}
    story.deploy()
    database.run("DROP INDEX public.mine")
    loaded(database, asks)
    story.look()
    reason = told(story, "customer")["reason"]
    assert (
        "index public.mine on public.orders (customer) is gone since then: its statement holds strings" in reason
    )
    assert "4711" not in str(counters.checks(story.case).to_dict()) + str(regressions.index_advice(story.case))
    assert ADVICE.findall(reason) == []
    database.run(mine)
    with database.admin() as connection:
        (query,) = re.findall(r"SELECT pg_get_indexdef[^;]+;", reason)
        assert connection.execute(query.encode()).fetchall() == [(before["mine"],)]


PARTS = 12
EVENTS = (
    'CREATE TABLE public."Events" (id int, customer int, at date) PARTITION BY RANGE (id)',
    *(
        f'CREATE TABLE public."Events_{n}" PARTITION OF public."Events" '
        f"FOR VALUES FROM ({n * 2000}) TO ({n * 2000 + 2000})"
        + (" PARTITION BY HASH (customer)" if n == 1 else "")
        for n in range(PARTS)
    ),
    *(
        f'CREATE TABLE public."Events_1_{n}" PARTITION OF public."Events_1" '
        f"FOR VALUES WITH (MODULUS 2, REMAINDER {n})"
        for n in range(2)
    ),
    f"INSERT INTO public.\"Events\" SELECT g, g, '2025-03-03' FROM generate_series(1, {ROWS}) AS g",
)


def advised(story: Story) -> dict[str, dict[str, Any]]:
    return {row["keys"]: row for row in regressions.index_advice(story.case)}


def run_each(database: Database, script: str) -> None:
    """The statements of a script one by one, outside of a transaction, as psql sends them."""
    database.run(*script.split("\n"))


def valid(database: Database) -> list[tuple[str, str, bool]]:
    query = """SELECT c.relname::text, pg_get_indexdef(x.indexrelid), x.indisvalid FROM pg_index AS x
        JOIN pg_class AS c ON c.oid = x.indexrelid WHERE c.relkind = 'I' ORDER BY 1"""
    with database.admin() as connection:
        return connection.execute(query).fetchall()


def test_a_lost_index_of_a_partitioned_table_is_made_again_partition_by_partition(database: Database) -> None:
    """Over two levels, one partition having an index of its own already."""
    database.run(*EVENTS, 'CREATE UNIQUE INDEX "byCustomer" ON public."Events" (customer, id)', "VACUUM ANALYZE")
    before = valid(database)
    story = a_story(database)
    loaded(database, 'SELECT id FROM public."Events" WHERE customer = :id')
    story.look()
    story.deploy()
    database.run(
        'DROP INDEX public."byCustomer"', 'CREATE UNIQUE INDEX already ON public."Events_3" (customer, id)'
    )
    loaded(database, 'SELECT id FROM public."Events" WHERE customer = :id')
    story.look()
    row = advised(story)["customer, id"]
    assert (row["table"], row["tested"]) == ("public.Events", "it served before")
    lines = row["script"].split("\n")
    assert sum("CONCURRENTLY" in line for line in lines) == PARTS - 1 + 2 - 1
    assert len([line for line in lines if "already" in line]) == 1
    run_each(database, row["script"])
    after = valid(database)
    assert [v for name, _, v in after] == [True, True]
    assert {n: d for n, d, _ in after}["byCustomer"] == {n: d for n, d, _ in before}["byCustomer"]
    story.deploy()
    loaded(database, 'SELECT id FROM public."Events" WHERE customer = :id')
    story.look()
    (found,) = story.verdicts("WHERE customer").values()
    assert found["mean_ms"] < found["before_mean_ms"] / 2


def test_an_index_that_a_partitioned_table_never_had_is_made_partition_by_partition(database: Database) -> None:
    """The table grows a hundredfold, and what it is asked for has no index."""
    database.run(*EVENTS, 'DELETE FROM public."Events" WHERE id % 100 > 0', 'VACUUM FULL ANALYZE public."Events"')
    asks = 'SELECT id FROM public."Events" WHERE customer = :id'
    story = a_story(database)
    loaded(database, asks)
    story.look()
    story.deploy()
    database.run(f'INSERT INTO public."Events" SELECT g, g FROM generate_series(1, {ROWS}) AS g', "ANALYZE")
    loaded(database, asks)
    story.look()
    row = advised(story)["customer"]
    assert row["tested"] == "untested"
    run_each(database, row["script"])
    assert {v for _, _, v in valid(database)} == {True}
    story.deploy()
    loaded(database, asks)
    story.look()
    (found,) = story.verdicts("WHERE customer").values()
    assert found["mean_ms"] < found["before_mean_ms"] / 2
