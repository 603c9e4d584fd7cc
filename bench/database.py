"""A whole pass over a database of 15,000 tables: every look and every check, first and again.

`python -m bench.database [tables]`. The server is an embedded one; each table has a primary key, a second index, a
sequence and a hundred rows. The limit is 30 s for all checks together.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
from pydantic import SecretStr

from pdmlib.demo.database import Server, binaries, initialise, own
from pdmlib.frames.frame import frame
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.phases.window import now
from pdmlib.site.site import Site
from pdmlib.site.vendors import Postgres, Sources
from pdmlib.sources.postgres import source
from pdmlib.sources.postgres.checks import BUDGET_S, CHECKS
from pdmlib.sources.postgres.checks.result import Look
from pdmlib.sources.postgres.session import session
from pdmlib.sources.postgres.visibility import ledger

TABLES, BATCH = 15_000, 100
_ADDRESS = "BENCH_DATABASE_URL"
_MAKE = """
DO $$ BEGIN FOR n IN {first}..{last} LOOP
  EXECUTE format('CREATE TABLE public.t%s (id serial PRIMARY KEY, owner int, note text, at timestamptz)', n);
  EXECUTE format('CREATE INDEX ON public.t%s (owner)', n);
  EXECUTE format('INSERT INTO public.t%s (owner, note) SELECT g, g::text FROM generate_series(1, 100) AS g', n);
END LOOP; END $$
"""


@contextmanager
def a_large_database(tables: int) -> Iterator[Site]:
    """A server with so many tables, and the site that reads it as a monitoring role."""
    with tempfile.TemporaryDirectory(prefix="pdm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        own(folder)
        programs = binaries(Path(tempfile.gettempdir()))
        initialise(programs, folder)
        server = Server(programs, folder)
        server.until_ready()
        try:
            with server.superuser() as connection:
                password = _fill(connection, tables)
            address = f"postgresql://pdm_monitor:{password}@127.0.0.1:{server.port}/postgres"
            source = Postgres(url_env=_ADDRESS, sslmode="disable")
            yield Site(
                site="large",
                title="Large",
                time_zone="UTC",
                sources=Sources(postgres=source),
                secrets={_ADDRESS: SecretStr(address)},
            )
        finally:
            server.stop()


def _fill(connection: psycopg.Connection, tables: int) -> str:
    password = secrets.token_hex(8)
    connection.execute("CREATE EXTENSION pg_stat_statements")
    connection.execute(f"CREATE ROLE pdm_monitor LOGIN BYPASSRLS PASSWORD '{password}'".encode())
    connection.execute("GRANT pg_monitor TO pdm_monitor")
    for first in range(1, tables + 1, BATCH):
        connection.execute(_MAKE.format(first=first, last=min(first + BATCH - 1, tables)).encode())
    connection.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO pdm_monitor")
    connection.execute("ANALYZE")
    return password


def by_check(site: Site) -> dict[str, float]:
    """Seconds of each check alone."""
    scope = scope_of(site.zone, phase_named("hour1"), now() - timedelta(minutes=30), now())
    taken = {}
    with session(site) as opened:
        look = Look(opened, site, scope, ledger=ledger(opened, site), timings=frame("query_timings"))
        for check in CHECKS:
            start = time.perf_counter()
            check.run(look)
            taken[check.name] = time.perf_counter() - start
    return taken


def whole(site: Site) -> tuple[float, int]:
    """Seconds of a whole pass as `pdm collect` makes it, and how many of its parts were not read."""
    scope = scope_of(site.zone, phase_named("hour1"), now() - timedelta(minutes=30), now())
    start = time.perf_counter()
    found = source.collect(site, scope)
    seconds = time.perf_counter() - start
    results = found["database_findings"]
    reasons = results["unknown_reason"].fillna("").str.contains("timeout|used up")
    return seconds, len(found.get("gaps", ())) + int(reasons.sum())


def main() -> None:
    """Prints the slowest checks, and the whole pass."""
    tables = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else TABLES
    with a_large_database(tables) as site:
        first, again = by_check(site), by_check(site)
        print(f"| check, {tables} tables | first, s | again, s |\n|---|---|---|")
        for name in sorted(first, key=lambda n: -first[n])[:8]:
            print(f"| {name} | {first[name]:.2f} | {again[name]:.2f} |")
        print(
            f"| all {len(CHECKS)} (limit {BUDGET_S:.0f}) | {sum(first.values()):.2f} | {sum(again.values()):.2f} |"
        )
        (seconds, unread), (warm, _) = whole(site), whole(site)
        print(f"| a whole pass, {unread} parts unread | {seconds:.2f} | {warm:.2f} |")


if __name__ == "__main__":
    main()
