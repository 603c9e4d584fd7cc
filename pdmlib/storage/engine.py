"""DuckDB, for all that is kept as files: connections, and paths, names and texts as its SQL."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

STORED = "COMPRESSION zstd, PARQUET_VERSION v2"
# How DuckDB 2.0 repeats, in what a thread of its own met, the error that the system gave.
_INNER = re.compile(r'"exception_message":"((?:[^"\\]|\\.)*)"')
INTERRUPTED = "Query interrupted"  # as DuckDB 2.0 ends a query that a signal came into
FLEETING = "COMPRESSION lz4, PARQUET_VERSION v1"  # read once and removed: quick to write


@contextmanager
def session(
    memory_limit: str = "700MB", spill: Path | None = None, zone: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine of its own, for more than fits in memory: bounded, spilling, its rows in no particular order.

    Args:
        zone: that of times which are written without one; absent: UTC.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "preserve_insertion_order": False,
    }
    settings["temp_directory"] = str(spill or Path(tempfile.gettempdir()) / f"pdm-{os.getpid()}")
    with _stopped_by_hand(), duckdb.connect(config=settings) as connection:
        yield _in_zone(connection, zone or "UTC")


@contextmanager
def _stopped_by_hand() -> Iterator[None]:
    """A Ctrl-C during a query is one to whoever asked: DuckDB takes it and fails with words of its own."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != INTERRUPTED:
            raise
        raise KeyboardInterrupt from None


@contextmanager
def beside(connection: duckdb.DuckDBPyConnection, zone: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own to the tables of another: its zone, its temporary tables and its progress."""
    with _stopped_by_hand(), connection.cursor() as own:
        yield _in_zone(own, zone or "UTC")


@contextmanager
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of the one engine of this process, for frames: it starts at once, and rows keep their order."""
    with _stopped_by_hand(), _shared().cursor() as connection:
        yield _in_zone(connection, "UTC")


@cache
def _shared() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def _in_zone(connection: duckdb.DuckDBPyConnection, zone: str) -> duckdb.DuckDBPyConnection:
    connection.execute(f"SET TimeZone = {literal(zone)}")
    # In a notebook without ipywidgets there is no bar, and DuckDB refuses to be told so.
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("SET enable_progress_bar = false")
    return connection


def table(connection: duckdb.DuckDBPyConnection, query: str, given: Sequence[Any] = ()) -> pd.DataFrame:
    """A query's rows as a frame."""
    with warnings.catch_warnings():
        # DuckDB builds its frames by ways that pandas is about to drop.
        warnings.simplefilter("ignore")
        return connection.execute(query, list(given)).df()


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def plain(path: str) -> str:
    """A path that DuckDB takes as it stands, its wildcards escaped."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def files(paths: Iterable[str | Path]) -> str:
    """Paths as an SQL list."""
    return "[" + ", ".join(literal(plain(str(path))) for path in paths) + "]"


def parquet(paths: Iterable[str | Path]) -> str:
    """Parquet files as a table; a column that some of them lack is null there."""
    return f"read_parquet({files(paths)}, union_by_name=true)"


def struct(fields: Mapping[str, str]) -> str:
    """Column names and types as the SQL value that the readers take."""
    return "{" + ", ".join(f"{identifier(name)}: {literal(kind)}" for name, kind in fields.items()) + "}"


def save(connection: duckdb.DuckDBPyConnection, query: str, path: Path, *, options: str = STORED) -> None:
    """Writes a query's rows as one Parquet file."""
    connection.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, {options})")


def reason(error: Exception) -> str:
    """The first line of the engine's or the system's message, without the query."""
    text = " ".join((str(error).splitlines() or [type(error).__name__])[0].split())
    inner = _INNER.search(text)
    return (inner[1].replace('\\"', '"') if inner else text)[:200]
