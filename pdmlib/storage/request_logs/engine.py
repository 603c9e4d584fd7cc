"""One DuckDB session: bounded in memory, in UTC, spilling where it is told to; names and paths quoted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import duckdb

from pdmlib.errors import SourceError
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE


@contextmanager
def session(memory_limit: str = "700MB", spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory; rows come in no particular order unless a query asks for one."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "preserve_insertion_order": False,
    }
    settings["temp_directory"] = str(spill or Path(tempfile.gettempdir()) / f"pdm-{os.getpid()}")
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        yield connection


def reach(connection: duckdb.DuckDBPyConnection, paths: Iterable[str]) -> None:
    """Makes object storage readable when one of the paths lies there; the engine keeps none of its bytes.

    Raises:
        SourceError: its client is not installed here.
    """
    if any(path.startswith(REMOTE) for path in paths):
        connection.execute("SET enable_external_file_cache = false")
        connection.register_filesystem(objects().Storage())


def objects() -> ModuleType:
    """The module that speaks to object storage.

    Raises:
        SourceError: its client is not installed here.
    """
    try:
        return import_module("pdmlib.storage.request_logs.s3")
    except ImportError:
        raise SourceError(SOURCE, "s3:// needs pip install pdmlib[s3]") from None


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


def struct(fields: Mapping[str, str]) -> str:
    """Column names and types as the SQL value that the readers take."""
    return "{" + ", ".join(f"{identifier(name)}: {literal(kind)}" for name, kind in fields.items()) + "}"


def save(
    connection: duckdb.DuckDBPyConnection, query: str, path: Path, compression: str = "zstd", version: str = "v2"
) -> None:
    """Writes a query's rows as one Parquet file."""
    connection.execute(
        f"COPY ({query}) TO {literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION {compression}, PARQUET_VERSION {version})"
    )


def reason(error: duckdb.Error) -> str:
    """The first line of the engine's message, without the query."""
    return str(error).splitlines()[0][:200]
