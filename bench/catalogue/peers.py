"""What others find in the same databases: PgHero, `supabase inspect db` and splinter, by their own code.

None of it is kept here. Each is read from a checkout: `--pghero` (its `lib` folder, run by Ruby with activerecord,
pg and pg_query), `--supabase` (a folder below which the SQL of `inspect` lies), `--splinter` (its `splinter.sql`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg

from tests.servers import ADMIN, Database

NAMES = ("PgHero", "supabase inspect", "splinter")
Found = Mapping[str, frozenset[str]]
# PgHero looks for pg_stat_statements on the path; what peers ask is no statement of the application.
_OPTIONS = "-csearch_path%3Dpublic,extensions%20-cpg_stat_statements.track%3Dnone%20-clock_timeout%3D2s"
_BOUNDED = b"SET pg_stat_statements.track = 'none'; SET lock_timeout = '2s'"
# Schemas of a platform that its own tool leaves out.
_OTHERS = "ARRAY['pg\\_%','information\\_schema','extensions']"
# Lists of everything with figures and no verdict: that a row is there says nothing.
_LISTS = ("calls", "db_stats", "index_stats", "locks", "outliers", "role_stats", "table_stats", "traffic_profile")
# The ratio from which PgHero's and Heroku's documentation speak of bloat that is worth a look.
_BLOATED = 4.0


@dataclass(frozen=True)
class Peers:
    """The three of them, ready to be asked."""

    pghero: subprocess.Popen[str]
    supabase: Mapping[str, str]
    splinter: bytes

    def ask(self, database: Database) -> Found:
        """What each of them says of a database now: a line for each finding."""
        return {
            "PgHero": frozenset(self._pghero(database)),
            "supabase inspect": frozenset(self._supabase(database)),
            "splinter": frozenset(self._splinter(database)),
        }

    def _pghero(self, database: Database) -> Iterator[str]:
        url = f"postgresql://{ADMIN}:{database.bench.passwords[ADMIN]}@127.0.0.1"
        assert self.pghero.stdin
        assert self.pghero.stdout
        self.pghero.stdin.write(f"{url}:{database.bench.server.port}/{database.name}?options={_OPTIONS}\n")
        self.pghero.stdin.flush()
        for check, rows in json.loads(_line(self.pghero.stdout)).items():
            yield from [f"{check}: {rows}"] if isinstance(rows, str) else (f"{check}: {_words(r)}" for r in rows)

    def _supabase(self, database: Database) -> Iterator[str]:
        with database.admin() as connection:
            connection.execute(_BOUNDED)
            for name, query in self.supabase.items():
                try:
                    cursor = connection.execute(query.encode())
                except psycopg.Error as error:
                    yield f"{name}: failed: {str(error).splitlines()[0]}"
                    continue
                columns = [column.name for column in cursor.description or ()]
                for row in cursor.fetchall():
                    yield from _seen(name, dict(zip(columns, row, strict=True)))

    def _splinter(self, database: Database) -> Iterator[str]:
        with database.admin() as connection:
            connection.execute(_BOUNDED)
            connection.execute("SET pgrst.db_schemas = 'public'")
            try:
                cursor = connection.execute(self.splinter)
            except psycopg.Error as error:
                yield f"all: failed: {str(error).splitlines()[0]}"
                return
            while cursor.nextset():
                pass
            for row in cursor.fetchall():
                yield f"{row[0]}: {row[6]}"


def _line(stream: IO[str]) -> str:
    line = stream.readline()
    assert line, "PgHero ended"
    return line


def _words(row: Mapping[str, Any]) -> str:
    """A row without its figures, which differ at each look."""
    return " ".join(str(value) for value in row.values() if not isinstance(value, int | float | None))


def _seen(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    """A row of `supabase inspect db` that says something: not of a list of everything."""
    text = f"{name}: {row.get('name') or row.get('query') or row.get('blocked_statement') or _words(row)}"
    if name in _LISTS:
        return
    if name == "bloat" and float(row["bloat"] or 0) < _BLOATED:
        return
    if name == "vacuum_stats" and row["expect_autovacuum"] != "yes":
        return
    yield text if name != "unused_indexes" else f"{text} {row['index']}"


@contextmanager
def asked(pghero: Path, supabase: Path, splinter: Path) -> Iterator[Peers]:
    """The peers from their checkouts."""
    script = Path(__file__).with_name("pghero.rb")
    queries = {
        path.stem: path.read_text(encoding="utf-8").replace("$1", _OTHERS).replace("$2", "current_database()")
        for path in sorted(supabase.rglob("*.sql"))
    }
    with subprocess.Popen(
        ["ruby", script, pghero], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Peers(process, queries, splinter.read_bytes())
        assert process.stdin
        process.stdin.close()
