"""Faults of the server: sessions, locks, log, slots, transactions' ages, restarts."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import psycopg

from bench.catalogue.fault import Fault
from bench.catalogue.shop import connected
from bench.catalogue.work import held
from tests.servers import Database


def _many(number: int) -> Callable[[Database], AbstractContextManager[None]]:
    @contextmanager
    def during(database: Database) -> Iterator[None]:
        with ExitStack() as stack:
            for _ in range(number):
                stack.enter_context(connected(database))
            yield

    return during


def _waiting(root: str, *queue: str, seconds: float) -> Callable[[Database], AbstractContextManager[None]]:
    """A session that holds a lock, and a queue of sessions behind it."""

    def wait(database: Database, statement: str) -> None:
        with suppress(psycopg.Error), connected(database) as mine:
            mine.execute(b"RESET ROLE")
            mine.execute(statement.encode())

    @contextmanager
    def during(database: Database) -> Iterator[None]:
        with connected(database) as holder:
            holder.execute(b"BEGIN")
            holder.execute(root.encode())
            others = [threading.Thread(target=wait, args=(database, line)) for line in queue]
            for other in others:
                other.start()
                time.sleep(0.2)
            time.sleep(seconds)
            yield
            holder.execute(b"ROLLBACK")
            for other in others:
                other.join()

    return during


def _running(statement: str, seconds: float) -> Callable[[Database], AbstractContextManager[None]]:
    """A statement that has run for so many seconds when the application works, and is cancelled at the end."""

    def run(connection: psycopg.Connection[Any]) -> None:
        with suppress(psycopg.Error):
            connection.execute(statement.encode())

    @contextmanager
    def during(database: Database) -> Iterator[None]:
        with connected(database) as mine:
            other = threading.Thread(target=run, args=(mine,))
            other.start()
            time.sleep(seconds)
            yield
            mine.cancel_safe()
            other.join()

    return during


@contextmanager
def _elsewhere(database: Database) -> Iterator[None]:
    """A statement that runs for seconds in another database of the server, and a transaction that stays open."""
    other = Database(database.bench, "postgres")
    with held("SELECT 1")(other), _running("SELECT pg_sleep(600)", 2)(other):
        yield


def _restart(database: Database) -> None:
    database.bench.restart()


def _crash(database: Database) -> None:
    with database.admin() as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    for _ in range(400):
        with suppress(psycopg.OperationalError):
            database.run("SELECT 1")
            return
        time.sleep(0.05)


_LOG = (
    "CREATE TABLE IF NOT EXISTS public.churn (id int, body text)",
    "INSERT INTO public.churn SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 40000) AS g",
    "DROP TABLE public.churn",
)
_EPOCH = ("started again", "were reset", "was reset", "statistics_epoch")

SERVER = (
    Fault(
        name="connections nearly exhausted",
        during=_many(46),
        found=r"(warn|fail) connections",
        cause="top holder",
        touches=("connections",),
    ),
    Fault(
        name="a queue behind one session",
        during=_waiting(
            "UPDATE public.customers SET region = region WHERE id = 20000",
            *("UPDATE public.customers SET region = region WHERE id = 20000",) * 3,
            seconds=6,
        ),
        found=r"(warn|fail) blocking pid",
        cause="blocks 3 sessions",
        touches=("blocking", "customers", "slow_now"),
    ),
    Fault(
        name="a migration waits with a queue behind it",
        made=("CREATE TABLE public.plans (id int)",),
        during=_waiting(
            "SELECT count(*) FROM public.plans",
            "ALTER TABLE public.plans ADD COLUMN more text",
            "SELECT max(id) FROM public.plans",
            seconds=2,
        ),
        found=r"fail blocking pid",
        cause="DDL waits",
        touches=("blocking", "plans", "slow_now"),
    ),
    Fault(
        name="a statement runs for seconds",
        during=_running("SELECT pg_sleep(600)", 2),
        found=r"warn slow_now pid",
        touches=("slow_now", "pg_sleep"),
    ),
    Fault(
        name="checkpoints by the amount of log",
        does=("ALTER SYSTEM SET max_wal_size = '32MB'", "SELECT pg_reload_conf()", *_LOG * 12),
        found=r"(info|warn) checkpoints",
        cause="because much was written",
        touches=("checkpoints", "churn"),
        undone=("ALTER SYSTEM RESET max_wal_size", "SELECT pg_reload_conf()"),
    ),
    Fault(
        name="replication slot without a consumer",
        does=("SELECT pg_create_physical_replication_slot('forgotten', true)", *_LOG),
        found=r"(warn|fail) replication_slots forgotten",
        cause="drop the slot",
        touches=("forgotten", "churn"),
        undone=("SELECT pg_drop_replication_slot('forgotten')",),
    ),
    Fault(
        name="near the wraparound of transactions",
        does=("UPDATE pg_database SET datfrozenxid = '3094967296'::xid WHERE datname = current_database()",),
        found=r"(warn|fail) horizon",
        cause="VACUUM",
        touches=("horizon",),
    ),
    Fault(name="another database is busy", during=_elsewhere, nothing=True),
    Fault(name="restart", acts=_restart, nothing=True, touches=_EPOCH),
    Fault(name="crash of a backend", acts=_crash, nothing=True, touches=_EPOCH),
)
