"""A PostgreSQL in trouble: what a collection makes of it. Each trial has a database of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pandas as pd
import psycopg
from pydantic import SecretStr

from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Answer
from pdmlib.sources import catalogue
from tests.builders import a_feature, a_scope
from tests.hostile.vendors import Trial
from tests.servers import BLIND, MONITOR, Database

TABLES = """
CREATE TABLE public.uptime_logs (status text, response_time real, errors json, checked_at timestamptz);
CREATE TABLE public.support_tickets (ticket_number text, tags json, customer_rating numeric,
  created_at timestamptz, resolved_at timestamptz);
CREATE TABLE public.cron_job_logs (job_name text, status text, started_at timestamptz, duration_ms int);
CREATE TABLE public.orders (id int, amount float8, created_at timestamptz);
GRANT USAGE ON SCHEMA public TO pdm_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pdm_monitor;
INSERT INTO public.uptime_logs SELECT 'up', 10, '[]', '2025-03-04'::timestamptz + n * interval '5 min'
  FROM generate_series(1, 500) n;
INSERT INTO public.support_tickets
  SELECT n::text, '["bug"]', 4, '2025-03-04'::timestamptz + n * interval '1 h', NULL FROM generate_series(1, 50) n;
INSERT INTO public.cron_job_logs
  SELECT 'nightly', 'success', '2025-03-04 03:00Z'::timestamptz + n * interval '1 d', 9
  FROM generate_series(0, 6) n;
INSERT INTO public.orders
  SELECT n, 1, '2025-03-04'::timestamptz + n * interval '1 h' FROM generate_series(1, 100) n;
"""
BLOCKS: dict[str, Any] = {
    "uptime": {"table": "uptime_logs"},
    "tickets": {"table": "support_tickets"},
    "cron": {"table": "cron_job_logs", "jobs": [{"name": "nightly", "schedule": "0 3 * * *"}]},
    "features": [a_feature("orders")],
}
READ = ("probes", "tickets", "cron_logs", "feature_counts")
MOST_S = 75.0  # the session's own budget, and a busy machine


@dataclass(frozen=True)
class Trouble:
    """One way in which a database may be.

    Attributes:
        after: SQL that makes it so; run as the superuser.
        changes: of the frames in READ that may differ from a database that is well; the others must not.
        lost: it cannot be read at all.
        meanwhile: what goes on while it is read.
    """

    name: str
    after: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    lost: bool = False
    role: str = MONITOR
    meanwhile: Callable[[Database], Any] | None = None
    undo: tuple[str, ...] = (f"ALTER ROLE {MONITOR} RESET ALL", f"ALTER ROLE {MONITOR} CONNECTION LIMIT -1")


def _set(name: str, value: str) -> Trouble:
    return Trouble(f"role setting {name} = {value}", (f"ALTER ROLE {MONITOR} SET {name} = {value}",))


SETTINGS = tuple(
    _set(name, value)
    for name, value in (
        ("datestyle", "German"),
        ("datestyle", "SQL, DMY"),
        ("intervalstyle", "iso_8601"),
        ("intervalstyle", "sql_standard"),
        ("extra_float_digits", "-15"),
        ("bytea_output", "'escape'"),
        ("timezone", "'Asia/Kathmandu'"),
        ("standard_conforming_strings", "off"),
        ("search_path", "nowhere"),
        ("quote_all_identifiers", "on"),
        ("xmloption", "document"),
        ("array_nulls", "off"),
        ("lc_messages", "'C'"),
        ("row_security", "off"),
        ("default_transaction_isolation", "'serializable'"),
        ("default_transaction_deferrable", "on"),
        ("statement_timeout", "'1ms'"),
        ("lock_timeout", "'1ms'"),
        ("idle_in_transaction_session_timeout", "'1s'"),
        ("work_mem", "'64kB'"),
        ("enable_indexscan", "off"),
        ("client_encoding", "'LATIN1'"),
        ("jit", "on"),
        ("plan_cache_mode", "force_generic_plan"),
    )
)


@contextmanager
def _locked(database: Database, table: str) -> Iterator[None]:
    """A migration that holds a table."""
    with database.admin() as admin, admin.transaction():
        admin.execute(f"LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


@contextmanager
def _killing(database: Database) -> Iterator[None]:
    """Somebody ends our connection again and again."""
    over = threading.Event()

    def work() -> None:
        with database.admin() as admin:
            while not over.wait(0.4):
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pdm_monitor'"
                )

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _full(database: Database) -> Iterator[None]:
    """All connections of the role are taken."""
    database.run(f"ALTER ROLE {MONITOR} CONNECTION LIMIT 1")
    with psycopg.connect(database.url(MONITOR)):
        yield


DEEP = "[" * 5000 + "]" * 5000
TROUBLES: tuple[Trouble, ...] = (
    *SETTINGS,
    *(
        Trouble(f"{table} locked by a migration", changes=READ, meanwhile=lambda d, t=table: _locked(d, t))
        for table in ("uptime_logs", "support_tickets", "cron_job_logs", "orders")
    ),
    *(
        Trouble(f"{table} renamed", (f"ALTER TABLE public.{table} RENAME TO gone",), (frame,))
        for table, frame in zip(("uptime_logs", "support_tickets", "cron_job_logs", "orders"), READ, strict=True)
    ),
    *(
        Trouble(f"{table} without its time", (f"ALTER TABLE public.{table} DROP COLUMN {time}",), (frame,))
        for table, time, frame in (
            ("uptime_logs", "checked_at", "probes"),
            ("support_tickets", "created_at", "tickets"),
            ("orders", "created_at", "feature_counts"),
        )
    ),
    *(
        Trouble(
            f"{table} as a view",
            (
                f"ALTER TABLE public.{table} RENAME TO t",
                f"CREATE VIEW public.{table} AS TABLE public.t",
                f"GRANT SELECT ON public.{table} TO {MONITOR}",
            ),
            READ,
        )
        for table in ("uptime_logs", "orders")
    ),
    Trouble("no grants", (), READ, role=BLIND),
    Trouble("policies hide all", ("ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",), ("feature_counts",)),
    Trouble("killed again and again", changes=READ, meanwhile=_killing),
    Trouble("no connection left", changes=READ, lost=True, meanwhile=_full),
    Trouble(
        "may not log in",
        (f"ALTER ROLE {MONITOR} NOLOGIN",),
        READ,
        lost=True,
        undo=(f"ALTER ROLE {MONITOR} LOGIN",),
    ),
    Trouble(
        "an odd time",
        ("INSERT INTO public.support_tickets VALUES ('x', '[]', 3, '2025-03-05', '10000-01-01')",),
        ("tickets",),
    ),
    Trouble(
        "a time that is none",
        ("INSERT INTO public.orders VALUES (1, 1, 'infinity'), (1, 1, '-infinity'), (1, 1, '4713-01-01 BC')",),
    ),
    Trouble(
        "a deep document",
        (f"INSERT INTO public.support_tickets VALUES ('x', '{DEEP}', 3, '2025-03-05')",),
        ("tickets",),
    ),
    Trouble(
        "a number that is none",
        ("INSERT INTO public.support_tickets VALUES ('x', '[]', 'NaN', '2025-03-05')",),
        ("tickets",),
    ),
    Trouble(
        "a huge number",
        ("INSERT INTO public.support_tickets VALUES ('x', '[]', 1e4000, '2025-03-05')",),
        ("tickets",),
    ),
    Trouble(
        "a megabyte of text",
        ("INSERT INTO public.uptime_logs VALUES (repeat('x', 1000000), 1, '[]', '2025-03-05')",),
        ("probes",),
    ),
    Trouble("all null", ("INSERT INTO public.uptime_logs SELECT FROM generate_series(1, 9)",), ("probes",)),
    Trouble("a word that nobody knows", ("UPDATE public.uptime_logs SET status = 'zehn'",), ("probes",)),
    Trouble("read-only", ("ALTER ROLE pdm_monitor SET default_transaction_read_only = on",)),
    Trouble(
        "a function that writes in a view",
        (
            "CREATE TABLE public.w (a int)",
            "CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS "
            "$$INSERT INTO public.w VALUES (1) RETURNING 'up'$$",
            "ALTER TABLE public.uptime_logs RENAME TO t",
            "CREATE VIEW public.uptime_logs AS "
            "SELECT public.f() AS status, response_time, errors, checked_at FROM public.t",
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {MONITOR}",
        ),
        ("probes",),
    ),
)


def collected(database: Database, role: str = MONITOR, url: str = "") -> Collection:
    """What the source `postgres` tells of a database."""
    site = database.site(role, **BLOCKS)
    if url:
        site = site.model_copy(update={"secrets": {"BENCH_URL": SecretStr(url)}})
    return catalogue.collect(site, a_scope(site), only=("postgres",))


def attempt(trouble: Trouble, database: Database, well: Collection) -> Trial:
    """Reads a database in trouble, and holds what came of it against one that is well."""
    database.run(TABLES, *trouble.after)
    began = monotonic()
    with ExitStack() as stack:
        if trouble.meanwhile:
            stack.enter_context(trouble.meanwhile(database))
        found = collected(database, trouble.role)
    seconds = monotonic() - began
    for statement in trouble.undo:
        database.run(statement)
    return Trial("postgres", trouble.name, seconds, "; ".join(_wrong(trouble, found, well, seconds)))


def _wrong(trouble: Trouble, found: Collection, well: Collection, seconds: float) -> Iterator[str]:
    gaps = " ".join(found["gaps"]["reason"].fillna(""))
    if "was not understood (" in gaps:
        yield f"an error of ours: {gaps[:200]}"
    if seconds > MOST_S:
        yield f"it took {seconds:.0f} s"
    (row,) = found.coverage
    if trouble.lost != (row.status is Answer.FAILED) and not trouble.meanwhile:
        yield f"it says {row.status}: {row.detail}"
    for name in READ:
        if name not in trouble.changes and not _same(found[name], well[name]):
            yield f"{name} is not what it was"
        lost = name in trouble.changes and not len(found[name]) and row.status is Answer.OK
        if lost:
            yield f"{name} is gone and nobody says so"


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    with suppress(AssertionError):
        pd.testing.assert_frame_equal(one, other)
        return True
    return False


@contextmanager
def stalling(port: int, after: int) -> Iterator[int]:
    """The port of a way to a server that falls silent after so many bytes of answers, as a lost network does."""
    over = threading.Event()

    def pump(source: socket.socket, target: socket.socket, most: float) -> None:
        with suppress(OSError):
            while most > 0 and (piece := source.recv(4096)):
                target.sendall(piece)
                most -= len(piece)
            over.wait(90)

    def serve(listener: socket.socket) -> None:
        while not over.is_set():
            with suppress(OSError):
                caller = listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", port))
                for pair in ((caller, server, float("inf")), (server, caller, after)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()
            time.sleep(0)
