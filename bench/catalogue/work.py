"""Faults of what the application asks and of the rows it asks for: statistics, growth, texts, waits, memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from time import sleep

import psycopg

from bench.catalogue.fault import CALLS, Fault
from bench.catalogue.indexes import FACTS
from bench.catalogue.shop import USUAL, USUAL_CALLS, connected, usual, work
from tests.servers import ADMIN, Database

_QUIET = "ALTER TABLE public.facts SET (autovacuum_enabled = off)"
EVENTS = (
    "CREATE TABLE public.events (id int, kind int, body text) WITH (autovacuum_enabled = off)",
    "INSERT INTO public.events SELECT g, g % 100, 'event ' || g FROM generate_series(1, 20000) AS g",
    "ANALYZE public.events",
)
_MORE_EVENTS = (
    "INSERT INTO public.events SELECT g, g % 100, 'event ' || g FROM generate_series(20001, 200000) AS g"
)
_TODO = ("CREATE TABLE public.todo (id int PRIMARY KEY, kind int, code text) WITH (autovacuum_enabled = off)",)
_PAIRED = (
    "SELECT count(*) FROM public.todo AS a JOIN public.todo AS b ON b.code = a.code"
    " WHERE a.kind = 2 AND b.kind = 2"
)
_BY_KIND = "SELECT count(*) FROM public.events WHERE kind = {k}"


def repeated(*statements: str) -> Callable[[Database], AbstractContextManager[None]]:
    """Another session that runs some statements again and again."""

    @contextmanager
    def during(database: Database) -> Iterator[None]:
        stop, begun = threading.Event(), threading.Event()

        def run() -> None:
            with connected(database) as connection:
                while not stop.is_set():
                    for statement in statements:
                        connection.execute(statement.encode())
                    begun.set()

        other = threading.Thread(target=run)
        other.start()
        begun.wait()
        try:
            yield
        finally:
            stop.set()
            other.join()

    return during


def held(*statements: str, seconds: float = 0) -> Callable[[Database], AbstractContextManager[None]]:
    """Another session that holds a transaction open, for so many seconds before the last look."""

    @contextmanager
    def during(database: Database) -> Iterator[None]:
        with connected(database) as connection, connection.transaction(force_rollback=True):
            for statement in statements:
                connection.execute(statement.encode())
            sleep(seconds)
            yield

    return during


@contextmanager
def _snapshot_held(database: Database) -> Iterator[None]:
    """An old snapshot, to which rows that are deleted are alive."""
    with held("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")(database):
        database.run("DELETE FROM public.facts WHERE id < 59000")
        yield


def at_once(number: int, calls: dict[str, int]) -> Callable[[Database], AbstractContextManager[None]]:
    """So many more sessions that do the same work."""

    @contextmanager
    def during(database: Database) -> Iterator[None]:
        others = [threading.Thread(target=work, args=(database, calls, 10 + n)) for n in range(number)]
        for other in others:
            other.start()
        yield
        for other in others:
            other.join()

    return during


def _quarrel(database: Database) -> None:
    """Two sessions that take two rows in opposite order, three times."""

    def one(first: int, second: int) -> None:
        with suppress(psycopg.errors.DeadlockDetected), connected(database) as mine, mine.transaction():
            mine.execute(b"UPDATE public.customers SET region = region WHERE id = %d" % first)
            both.wait()
            mine.execute(b"UPDATE public.customers SET region = region WHERE id = %d" % second)

    for _ in range(2):
        both = threading.Barrier(2)
        sessions = [threading.Thread(target=one, args=pair) for pair in ((1, 2), (2, 1))]
        for session in sessions:
            session.start()
        for session in sessions:
            session.join()


def _undone(times: int) -> Callable[[Database], None]:
    def acts(database: Database) -> None:
        with connected(database) as connection:
            for _ in range(times):
                connection.execute(b"BEGIN")
                connection.execute(b"UPDATE public.customers SET region = 1 WHERE id = 3")
                connection.execute(b"ROLLBACK")

    return acts


def _cancelled(statement: str, times: int) -> Callable[[Database], None]:
    def acts(database: Database) -> None:
        with connected(database) as connection:
            connection.execute(b"SET statement_timeout = '1ms'")
            for _ in range(times):
                with suppress(psycopg.errors.QueryCanceled):
                    connection.execute(statement.encode())

    return acts


def _worked(times: int, *statements: str) -> Callable[[Database], None]:
    return lambda database: work(database, dict.fromkeys(statements, times), seed=5)


_WIDE = (*FACTS, "UPDATE public.facts SET body = repeat(md5(id::text), 8)", "VACUUM FULL public.facts")
_MEMORY = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''{}''', current_database()); END $$"
_ROW = "UPDATE public.customers SET name = name WHERE id = 7 AND region >= 0"
_TABLE_LOCKED = (
    "BEGIN",
    "LOCK TABLE public.facts IN SHARE MODE",
    "SELECT count(*) FROM public.facts",
    "SELECT pg_sleep(0.7)",
    "COMMIT",
    "SELECT pg_sleep(0.002)",
)
_LOAD = "SELECT count(*), sum(total) FROM public.orders WHERE total > {k} AND note LIKE '%note%'"
_HEAVY = {
    _LOAD: 12,
    "SELECT max(email), min(name) FROM public.customers WHERE email LIKE '%{k}%'": 30,
    "SELECT sum(quantity), max(product) FROM public.items WHERE quantity > 0 AND product <> {k}": 12,
}

ROWS = (
    Fault(
        name="bulk load without ANALYZE",
        made=(*_TODO, "INSERT INTO public.todo SELECT g, 1, 'code' || g FROM generate_series(1, 2000) AS g"),
        asks=_PAIRED,
        calls=25,
        after=25,
        does=("INSERT INTO public.todo SELECT g, 2, 'code' || g FROM generate_series(2001, 3100) AS g",),
        cause=r"rows of public.todo changed since its last ANALYZE",
        besides="grown",
        touches=("todo",),
    ),
    Fault(
        name="load of an empty table that was never analysed",
        made=_TODO,
        asks=_PAIRED,
        calls=25,
        after=25,
        does=("INSERT INTO public.todo SELECT g, g % 40, 'code' || g FROM generate_series(1, 60000) AS g",),
        cause=r"rows of public.todo changed since its last ANALYZE",
        besides="grown",
        touches=("todo",),
    ),
    Fault(
        name="table has grown",
        made=EVENTS,
        asks=_BY_KIND,
        does=(_MORE_EVENTS, "ANALYZE public.events"),
        cause=r"public.events has grown",
        besides="grown|no index serves|try CREATE",
        touches=("events",),
    ),
    Fault(
        name="table has grown, n_live_tup is 0",
        made=(*EVENTS, "SELECT pg_stat_reset()"),
        asks=_BY_KIND,
        does=(_MORE_EVENTS, "ANALYZE public.events", "SELECT pg_stat_reset()"),
        cause=r"public.events has grown",
        besides="grown",
        touches=("events", "statistics of the database were reset"),
    ),
    Fault(
        name="bloat after updates, vacuum off",
        made=EVENTS,
        asks=_BY_KIND,
        does=("UPDATE public.events SET body = body || '.'",) * 9,
        cause=r"public.events.*(dead|bloat)",
        touches=("events",),
    ),
    Fault(
        name="bloat that a VACUUM left",
        made=EVENTS,
        asks=_BY_KIND,
        does=(*("UPDATE public.events SET body = body || '.'",) * 19, "VACUUM ANALYZE public.events"),
        cause=r"public.events.*(pages|bloat)",
        touches=("events",),
    ),
    Fault(
        name="queue behind dead rows that an old snapshot holds",
        made=(*FACTS, _QUIET),
        asks="SELECT id FROM public.facts ORDER BY id LIMIT 1",
        during=_snapshot_held,
        cause=r"public.facts.*dead",
        touches=("facts",),
    ),
    Fault(
        name="mass delete leaves its pages",
        made=(*FACTS, "UPDATE public.facts SET body = repeat(md5(id::text), 12)", "VACUUM FULL public.facts"),
        does=("DELETE FROM public.facts WHERE id % 10 > 0", "VACUUM ANALYZE public.facts"),
        found=r"(warn|info) (density|bloat) public.facts",
        cause=r"mass delete|free",
        touches=("facts",),
    ),
    Fault(
        name="dead rows, autovacuum off",
        made=(*FACTS, _QUIET),
        does=("UPDATE public.facts SET kind = kind",),
        found=r"(warn|fail) dead_rows public.facts",
        cause="autovacuum is off",
        touches=("facts",),
    ),
    Fault(
        name="dead rows, never vacuumed",
        made=(*FACTS, "ALTER TABLE public.facts SET (autovacuum_vacuum_threshold = 60)"),
        does=("UPDATE public.facts SET kind = kind",) * 2,
        found=r"(warn|fail) dead_rows public.facts",
        cause="never autovacuumed",
        touches=("facts",),
    ),
    Fault(
        name="table never analysed",
        does=(
            "CREATE TABLE public.raw (id int, kind int) WITH (autovacuum_enabled = off)",
            "INSERT INTO public.raw SELECT g, g FROM generate_series(1, 30000) AS g",
        ),
        found=r"(warn|info) unanalysed public.raw",
        cause=r"ANALYZE public.raw;",
        touches=("raw",),
    ),
    Fault(
        name="N+1",
        asks="SELECT email FROM public.customers WHERE id = {c} AND region IS NOT NULL",
        after=25 * CALLS,
        cause=r"runs in a loop \(N\+1\)",
        touches=("customers",),
    ),
    Fault(
        name="text replaced: JOIN added",
        made=FACTS,
        asks="SELECT o.id, o.total FROM public.orders AS o WHERE o.customer_id = {c} AND o.total >= 0",
        instead="SELECT o.total, f.body FROM public.orders AS o JOIN public.facts AS f ON f.code = 'code' || o.id"
        " WHERE o.customer_id = {c}",
        cause="in place of",
        besides="no index serves",
        touches=("orders", "facts"),
    ),
    Fault(
        name="text replaced: key cast",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts (owner)"),
        asks="SELECT id, code FROM public.facts WHERE owner = {o}",
        instead="SELECT code, id FROM public.facts WHERE owner::text = '{o}'",
        cause="in place of",
        touches=("facts",),
    ),
    Fault(
        name="text replaced: function on a column",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts (code)"),
        asks="SELECT id, code FROM public.facts WHERE code = 'code{o}'",
        instead="SELECT id, body FROM public.facts WHERE upper(code) = 'CODE{o}'",
        cause="in place of",
        touches=("facts",),
    ),
    Fault(
        name="text replaced: @> became ->>",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts USING gin (payload)"),
        asks="""SELECT id, code FROM public.facts WHERE payload @> '{{"ref": {o}}}'""",
        instead="SELECT id, kind FROM public.facts WHERE payload ->> 'ref' = '{o}'",
        cause="in place of",
        touches=("facts",),
    ),
    Fault(
        name="text replaced: leading wildcard",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts (code)"),
        asks="SELECT id, code FROM public.facts WHERE code = 'code{o}'",
        instead="SELECT id, body FROM public.facts WHERE code LIKE '%{o}'",
        cause="in place of",
        touches=("facts",),
    ),
    Fault(
        name="text replaced: LIMIT lost",
        asks="SELECT id, total FROM public.orders WHERE customer_id > {c} ORDER BY customer_id LIMIT 10",
        instead="SELECT id, status, total FROM public.orders WHERE customer_id > {c} ORDER BY customer_id",
        calls=25,
        after=25,
        cause="in place of",
        touches=("orders",),
    ),
    Fault(
        name="text replaced: OR over two tables",
        asks="SELECT o.id FROM public.orders AS o JOIN public.customers AS c ON c.id = o.customer_id"
        " WHERE o.id = {o}",
        instead="SELECT o.id, c.id FROM public.orders AS o JOIN public.customers AS c ON c.id = o.customer_id"
        " WHERE o.id = {o} OR c.email = 'user{o}@example.org'",
        cause="in place of",
        touches=("orders", "customers"),
    ),
    Fault(
        name="text replaced: partitions no longer pruned",
        made=(
            "CREATE TABLE public.visits (id int, at timestamptz, note text) PARTITION BY RANGE (at)",
            *(
                f"CREATE TABLE public.visits_{month} PARTITION OF public.visits"
                f" FOR VALUES FROM ('2025-{month:02}-01') TO ('2025-{month + 1:02}-01')"
                for month in range(1, 9)
            ),
            "INSERT INTO public.visits SELECT g, '2025-01-01'::timestamptz + g * interval '5 minutes', 'n'"
            " FROM generate_series(1, 60000) AS g",
        ),
        asks="SELECT count(*) FROM public.visits WHERE at >= '2025-03-1{k}'::timestamptz"
        " AND at < '2025-03-1{k}'::timestamptz + interval '1 day'",
        instead="SELECT count(note) FROM public.visits WHERE at::date = '2025-03-1{k}'::date",
        cause="in place of",
        touches=("visits",),
    ),
    Fault(
        name="paging by OFFSET goes deep",
        made=(*FACTS, "CREATE TABLE public.deep AS SELECT 0 AS page"),
        asks="SELECT id, code FROM public.facts ORDER BY id LIMIT 20 OFFSET (SELECT page FROM public.deep)",
        does=("UPDATE public.deep SET page = 50000",),
        cause=r"OFFSET",
        touches=("facts", "deep"),
    ),
    Fault(
        name="range asked for is forty times wider",
        made=(*FACTS, "CREATE TABLE public.width AS SELECT 50 AS days"),
        asks="SELECT id, code, body FROM public.facts WHERE id BETWEEN {c}"
        " AND {c} + (SELECT days FROM public.width)",
        does=("UPDATE public.width SET days = 8000",),
        cause=r"rows (a|per) call",
        touches=("facts", "width"),
    ),
    Fault(
        name="one tenant's schema of three",
        made=(
            *FACTS,
            *(
                line
                for n in (1, 2, 3)
                for line in (
                    f"CREATE SCHEMA tenant{n}",
                    f"CREATE TABLE tenant{n}.facts AS TABLE public.facts",
                    f"CREATE INDEX facts_by ON tenant{n}.facts (owner)",
                    f"GRANT USAGE ON SCHEMA tenant{n} TO shop_app",
                    f"GRANT SELECT ON tenant{n}.facts TO shop_app",
                )
            ),
        ),
        asks="SELECT id, body FROM tenant2.facts WHERE owner = {o}",
        does=("DROP INDEX tenant2.facts_by",),
        cause=r"tenant2.facts_by\b.* is gone since",
        touches=("tenant2",),
    ),
)

WAITS = (
    Fault(
        name="waits for a row",
        asks=_ROW,
        during=repeated(
            "BEGIN", "UPDATE public.customers SET name = name WHERE id = 7", "SELECT pg_sleep(0.02)", "COMMIT"
        ),
        cause=r"waits",
        touches=("customers", "pg_sleep"),
    ),
    Fault(
        name="waits for a table",
        made=FACTS,
        after=2 * CALLS,
        asks="UPDATE public.facts SET kind = kind WHERE id = {o}",
        during=repeated(*_TABLE_LOCKED),
        found=r"warn lock_waits :",
        cause=r"likely they waited for the lock of a table",
        touches=("facts", "pg_sleep", "lock_waits"),
    ),
    Fault(
        name="waits for a table, and is watched",
        made=FACTS,
        asks="UPDATE public.facts SET kind = kind WHERE id = {o}",
        during=repeated(*_TABLE_LOCKED),
        watched=True,
        found=r"warn lock_waits \w+: UPDATE public.facts",
        cause=r"Lock: relation .* behind .*(LOCK TABLE|pg_sleep)",
        touches=("facts", "pg_sleep", "lock_waits"),
    ),
    Fault(
        name="waits for an advisory lock",
        asks="SELECT pg_advisory_xact_lock(42)",
        during=repeated("BEGIN", "SELECT pg_advisory_xact_lock(42) AS mine", "SELECT pg_sleep(0.02)", "COMMIT"),
        cause=r"waits",
        touches=("pg_advisory", "pg_sleep"),
    ),
    Fault(
        name="server saturated",
        asks=_LOAD,
        calls=25,
        after=25,
        acts=_worked(2, *_HEAVY),
        during=at_once(14, _HEAVY),
        made=("SELECT 1",),
        cause=r"saturated|waits, .* processor",
        touches=("orders", "customers", "items", "audit", "work"),
    ),
    Fault(
        name="a sort spills since work_mem is small",
        made=(*_WIDE, _MEMORY.format("256MB")),
        asks="SELECT owner, body FROM public.facts WHERE kind >= 0 ORDER BY body, owner OFFSET 59990",
        calls=25,
        after=25,
        does=(_MEMORY.format("64kB"),),
        cause=r"temporary files",
        touches=("facts", "work_mem", "temp"),
    ),
    Fault(
        name="temporary files by the hundred megabyte",
        made=(
            *_WIDE,
            _MEMORY.format("64kB"),
        ),
        acts=_worked(30, "SELECT owner, body FROM public.facts ORDER BY body, owner OFFSET 59990"),
        found=r"warn temp_spills",
        cause=r"went to temporary files",
        touches=("facts", "temp_spills"),
    ),
    Fault(
        name="planner setting changed",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts (owner)"),
        asks="SELECT id, kind FROM public.facts WHERE owner = {o}",
        does=(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', current_database());"
            " EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan = off', current_database()); END $$",
        ),
        cause=r"setting enable_(indexscan|bitmapscan)",
        touches=("shop_app", "enable_"),
    ),
    Fault(
        name="planner setting of the role that logs in changed",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts (owner)"),
        asks="SELECT id, kind FROM public.facts WHERE owner = {o}",
        does=tuple(
            f"DO $$ BEGIN EXECUTE format('ALTER ROLE {ADMIN} IN DATABASE %I SET {name} = off',"
            " current_database()); END $$"
            for name in ("enable_indexscan", "enable_bitmapscan")
        ),
        cause=r"setting enable_(indexscan|bitmapscan) of role",
        touches=("shop_app", "enable_"),
    ),
    Fault(
        name="statements time out",
        asks="SELECT count(*) FROM public.items AS i WHERE i.product = {k}",
        after=0,
        acts=_cancelled("SELECT count(*) FROM public.items AS i WHERE i.product = 3", CALLS),
        cause="may be timing out",
        touches=("items", "rollbacks"),
    ),
    Fault(name="deadlocks", acts=_quarrel, found=r"(warn|fail) rollbacks deadlocks", touches=("deadlocks",)),
    Fault(name="rollbacks", acts=_undone(120), found=r"warn rollbacks rollbacks", touches=("rollbacks",)),
    Fault(
        name="idle in transaction",
        during=held("UPDATE public.customers SET region = region WHERE id = 20000", seconds=61),
        found=r"(warn|fail) idle_in_transaction",
        touches=("idle_in_transaction", "holds a transaction", "customers"),
    ),
)

CALM = (
    Fault(name="nothing at all", nothing=True),
    Fault(name="twice the traffic", acts=_worked(USUAL_CALLS, *USUAL), nothing=True),
    Fault(
        name="ADD COLUMN under SELECT *",
        asks="SELECT * FROM public.orders WHERE id = {o}",
        does=("ALTER TABLE public.orders ADD COLUMN source text DEFAULT 'web'",),
        nothing=True,
    ),
    Fault(
        name="IN lists of other lengths",
        asks="SELECT name FROM public.customers WHERE id IN ({c}, {o})",
        instead="SELECT name FROM public.customers WHERE id IN ({c}, {o}, {k}, 5, 6)",
        nothing=True,
    ),
    Fault(
        name="old partition dropped",
        made=(
            "CREATE TABLE public.parts (id int, owner int) PARTITION BY RANGE (id)",
            "CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES FROM (0) TO (30000)",
            "CREATE TABLE public.parts_2 PARTITION OF public.parts FOR VALUES FROM (30000) TO (100000)",
            "INSERT INTO public.parts SELECT g, g FROM generate_series(1, 60000) AS g",
            "CREATE INDEX parts_by ON public.parts (id)",
        ),
        asks="SELECT owner FROM public.parts WHERE id = 30000 + {c}",
        does=("DROP TABLE public.parts_1",),
        nothing=True,
    ),
    Fault(name="five transactions undone", acts=_undone(5), nothing=True),
    Fault(
        name="one heavy call of an administrator",
        does=(
            "SELECT count(*) FROM public.items AS a JOIN public.items AS b ON a.product = b.product"
            " WHERE a.id < 20000",
        ),
        nothing=True,
    ),
    Fault(
        name="a migration's own rewrite and index",
        does=(
            "ALTER TABLE public.customers ADD COLUMN joined date",
            "UPDATE public.customers SET joined = created_at::date",
            "VACUUM ANALYZE public.customers",
            "CREATE INDEX CONCURRENTLY customers_joined ON public.customers (joined)",
        ),
        nothing=True,
    ),
    Fault(
        name="a reporting role is read-only",
        does=("CREATE ROLE reports NOLOGIN", "ALTER ROLE reports SET default_transaction_read_only = on"),
        undone=("DROP ROLE reports",),
        nothing=True,
    ),
    Fault(
        name="counters of statements reset",
        does=("SELECT extensions.pg_stat_statements_reset()",),
        nothing=True,
        touches=("pg_stat_statements was reset", "pg_stat_statements"),
    ),
    Fault(
        name="counters of tables reset",
        does=("SELECT pg_stat_reset()",),
        nothing=True,
        touches=("statistics of the database were reset",),
    ),
)


def calls_of(fault: Fault, after: bool) -> dict[str, int]:
    """The application's work before or after a fault."""
    watched = fault.now if after else fault.asks
    number = fault.after if after else fault.calls
    mine = {watched: number} if watched and number else {}
    if fault.name == "server saturated":
        mine = {**_HEAVY, **mine}
    return {**usual(), **mine}
