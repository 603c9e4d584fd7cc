"""Secrets in the statements and the schema of a database, in over forty forms: none is in a file that is written.

A form is what an application, a migration or a person may run. Each holds a secret of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg
import pytest

from tests.acceptance.test_database import Site
from tests.servers import MONITOR, Database

pytestmark = pytest.mark.slow

# `{s}` is the secret, `{d}` the same in digits, `{x}` in hexadecimal.
FORMS = (
    "SELECT 1 WHERE 'a' = '{s}'",
    r"SELECT 2 WHERE 'a' = E'ab\'{s}'",
    r"SELECT 3 WHERE 'a' = E'ab\\' AND 'b' = '{s}'",
    "SELECT 4 WHERE 'a' = 'it''s {s}'",
    "SELECT 5 WHERE 'a' = $${s}$$",
    "SELECT 6 WHERE 'a' = $tag$it's {s}$tag$",
    "SELECT 7 /* a /* nested {s} */ comment {s} */ WHERE 'a' = 'b'",
    "SELECT 8 -- {s}\n WHERE 'a' = 'b'",
    "SELECT 9 WHERE 'a' = U&'{s}'",
    "SELECT 10 WHERE 'a' = U&'!0041{s}' UESCAPE '!'",
    "SELECT 11 WHERE '\\x00'::bytea = X'{x}'::text::bytea",
    "SELECT 12 WHERE 'a' = N'{s}'",
    "SELECT 13 WHERE 'a' = 'one'\n  ' and {s}'",
    "SELECT 14 WHERE 'a' = '; -- {s}'",
    "SELECT 15 WHERE 'a' LIKE '%{s}%'",
    "SELECT 16 WHERE 'a' IN ('{s}', 'b{s}')",
    "SELECT 17 WHERE 'a' = ANY ('{{{s},b}}')",
    "SELECT 18 WHERE 'a' = ANY (ARRAY['{s}'])",
    'SELECT 19 WHERE \'{{"k": 1}}\'::jsonb @> \'{{"token": "{s}"}}\'',
    "SELECT 20 WHERE 4 = {d}",
    "SELECT text '{s}' AS twenty_one",
    "SELECT set_config('app.token', '{s}', false)",
    "SET app.token = '{s}'",
    "SET app.token TO {s}",
    'SET LOCAL app.token = "{s}"',
    "CREATE ROLE somebody_{n} PASSWORD '{s}'; DROP ROLE somebody_{n}",
    "INSERT INTO public.people (name) VALUES ('{s}')",
    "UPDATE public.people SET name = '{s}' WHERE id = 0",
    "DELETE FROM public.people WHERE name = '{s}'",
    "PREPARE p AS SELECT $1::text; EXECUTE p('{s}')",
    "DO $body$ BEGIN PERFORM '{s}'; END $body$",
    "COMMENT ON TABLE public.people IS '{s}'",
    "NOTIFY people, '{s}'",
    "CREATE FUNCTION public.known() RETURNS text LANGUAGE sql AS $f$ SELECT '{s}' $f$",
    "CREATE POLICY held ON public.people USING (name = '{s}')",
    "CREATE VIEW public.some AS SELECT id FROM public.people WHERE name = '{s}'",
    "CREATE TRIGGER told BEFORE UPDATE ON public.people FOR EACH ROW EXECUTE FUNCTION public.told('{s}')",
    "ALTER TABLE public.people ALTER name SET DEFAULT '{s}'",
    "ALTER TABLE public.people ADD hashed text GENERATED ALWAYS AS (md5(name || '{s}')) STORED",
    "ALTER DATABASE {database} SET app.signing = '{s}'",
    "CREATE INDEX some_people ON public.people (id) WHERE name = '{s}'",
    "CREATE INDEX hashed_people ON public.people (md5(name || '{s}'))",
)
SCHEMA = (
    "CREATE TABLE public.people (id int PRIMARY KEY, name text)",
    "CREATE FUNCTION public.told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
)
CALLS = 25  # of each: enough for a verdict and for a row of the table


def secrets(number: int) -> dict[str, str]:
    word = f"c4nary{number:02}zq"
    return {"s": word, "d": f"77001234{number:02}99", "x": word.encode().hex(), "n": str(number)}


def run(database: Database) -> None:
    """Every form as a person runs it; those that can be run again are, as those of an application."""
    with database.admin() as connection:
        for number, form in enumerate(FORMS):
            statement = form.format(**secrets(number), database=database.name)
            for _ in range(CALLS):
                with suppress(psycopg.Error):
                    connection.execute(statement.encode())


@contextmanager
def at_work(database: Database, statement: str) -> Iterator[None]:
    """Another session that runs a statement, however long it takes, and is cancelled at the end."""
    with database.admin() as connection, suppress(psycopg.errors.QueryCanceled), ThreadPoolExecutor(1) as pool:
        running = pool.submit(connection.execute, statement.encode())
        try:
            yield
        finally:
            connection.cancel_safe()
        running.result()


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file that was written, tables of Parquet as their values."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            yield path, str(duckdb.sql(f"SELECT COLUMNS(*)::text FROM read_parquet('{path}')").fetchall())
        elif path.is_file() and not path.is_symlink():
            yield path, path.read_bytes().decode(errors="replace")


def test_there_are_more_than_forty_forms() -> None:
    assert len(FORMS) == len(set(FORMS)) == 42


def test_no_secret_of_a_statement_or_of_the_schema_reaches_a_file(database: Database, tmp_path: Path) -> None:
    database.run(*SCHEMA)
    site = Site(database, tmp_path, MONITOR)
    site.run("collect")
    time.sleep(1)
    deployed = datetime.now(UTC).replace(microsecond=0)
    run(database)
    with at_work(database, f"SELECT pg_sleep(600), '{'x' * 1000}c4nary99zq{'y' * 1000}c4nary99zq'"):
        time.sleep(1.5)
        report = site.report(deployed)
    rows = [row["query"] for row in report["tables"]["queries"]]
    assert len(rows) >= 12, rows  # the server itself takes some forms for one statement
    assert any("policy public.people.held" in str(r["object"]) for r in report["tables"]["database_findings"])
    looked = dict(texts(site.out))
    assert any("pg_sleep" in text for text in looked.values())
    assert {path.suffix for path in looked} >= {".parquet", ".json", ".html", ".md", ".ipynb"}
    planted = [value for number in (*range(len(FORMS)), 99) for value in (secrets(number)[k] for k in "sdx")]
    assert {(str(path), value) for path, text in looked.items() for value in planted if value in text} == set()
