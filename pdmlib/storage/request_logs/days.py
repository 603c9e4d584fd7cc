"""One UTC day of requests: rows merged by request id, and the small tables made of them.

A day's tables are `requests` (one row a request), `buckets` (hour, kind, route, status class,
bucket), `totals` (hour, kind, route, status) and `intervals` (each minute and hour of the counted
kinds, exact); `views` holds page views. Each is one Parquet file that is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from pdmlib.stats import KNOWN_SHARE
from pdmlib.storage import engine
from pdmlib.storage.request_logs.formats import key
from pdmlib.storage.request_logs.histogram import bucket_sql
from pdmlib.storage.request_logs.parse import KEPT

TABLES = ("requests", "buckets", "totals", "intervals")
VIEWS = ("views",)
# A sum of whole microseconds is the same in whatever order the engine adds up.
SUM_US = "CAST(sum(CAST(round(1000 * ms) AS BIGINT)) AS BIGINT)"
FAILED = "(status >= 500 OR status = -1)"


def failures(failed: str, known: str, requests: str) -> str:
    """SQL of the failures among requests: those of unknown status fail as often as the others, if they are few."""
    return (
        f"CASE WHEN {known} > 0 AND {known} >= {KNOWN_SHARE} * {requests} THEN {failed} * {requests} / {known} END"
    )


_ROWS = {
    "requests": "moment, route, kind, status, ms, id, region, release",
    "views": "moment, session, device, is_view, id",
}
_MERGED = {
    "requests": "min(moment), arg_min(route, moment), arg_min(kind, moment), "
    "CASE WHEN max(status) >= 500 THEN max(status) WHEN min(status) = -1 THEN -1 ELSE max(status) END, "
    "max(ms), id, any_value(region), any_value(release)",
    "views": "min(moment), any_value(session), any_value(device), bool_or(is_view), id",
}


@dataclass(frozen=True)
class Merged:
    """What merging new rows into a day gave.

    Attributes:
        source: the table that has the rows of the day until another one is merged.
    """

    source: str
    rows: int
    added: int
    duplicates: int


def days_in(connection: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> list[date]:
    """The UTC days that new rows fall on, in order."""
    query = f"SELECT DISTINCT CAST(moment AS DATE) AS day FROM ({_all(parts)}) WHERE verdict = {KEPT} ORDER BY day"
    return [row[0] for row in connection.execute(query).fetchall()]


def merge(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    day: date,
    parts: Sequence[str],
    old: Path | None,
    target: Path,
) -> Merged:
    """Writes a day's rows: those held and the new ones, each request once, in the order of time."""
    _come_together(connection, table, day, parts=parts, old=old)
    together = _count(connection, "together")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE twice AS "
        "SELECT id FROM together WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1"
    )
    source, total = "together", together
    if _count(connection, "twice"):
        once = f"""SELECT {_ROWS[table]} FROM together ANTI JOIN twice USING (id) UNION ALL
            (SELECT {_MERGED[table]} FROM together SEMI JOIN twice USING (id) GROUP BY id)"""
        connection.execute(f"CREATE OR REPLACE TEMP TABLE once AS {once}")
        source, total = "once", _count(connection, "once")
    engine.save(connection, f"FROM {source} ORDER BY moment", target)
    held = _count(connection, engine.parquet([old])) if old else 0
    return Merged(source, total, total - held, duplicates=together - total)


def _come_together(
    connection: duckdb.DuckDBPyConnection, table: str, day: date, parts: Sequence[str], old: Path | None
) -> None:
    """Makes the view `together`: a day's new rows and those held.

    Requests without an id get one from their content and their count of alike, where they may be read again.
    """
    after = day + timedelta(days=1)
    inside = f"verdict = {KEPT} AND moment >= TIMESTAMP '{day}' AND moment < TIMESTAMP '{after}'"
    names = _ROWS[table]
    alike = key("id", "row_number() OVER (PARTITION BY id)")
    new = f"FROM ({_all(parts)}) WHERE {inside} AND"
    told_apart = names.replace(", id", f", {alike} AS id")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE numbered AS SELECT {told_apart} {new} NOT named AND id IS NOT NULL"
    )
    sources = [f"SELECT {names} {new} (named OR id IS NULL)", "FROM numbered"]
    sources += [f"SELECT {names} FROM {engine.parquet([old])}"] if old else []
    connection.execute(f"CREATE OR REPLACE TEMP VIEW together AS {' UNION ALL '.join(sources)}")


def derive(
    connection: duckdb.DuckDBPyConnection, source: str, targets: Mapping[str, Path], counted: Sequence[str]
) -> None:
    """Writes the small tables of a day, each at its target, from a table of its requests."""
    engine.save(
        connection,
        f"""SELECT date_trunc('hour', moment) AS hour, kind, route,
              CAST(CASE WHEN status = -1 THEN 5 ELSE status // 100 END AS TINYINT) AS class,
              {bucket_sql("ms")} AS bucket, count(*) AS n
            FROM {source} WHERE ms IS NOT NULL GROUP BY ALL ORDER BY hour, bucket""",
        targets["buckets"],
    )
    engine.save(
        connection,
        f"""SELECT date_trunc('hour', moment) AS hour, kind, route, status, count(*) AS n, count(ms) AS timed,
              {SUM_US} AS sum_us
            FROM {source} GROUP BY ALL ORDER BY ALL""",
        targets["totals"],
    )
    kinds = ", ".join(engine.literal(kind) for kind in counted)
    engine.save(
        connection,
        f"""SELECT coalesce(minute, hour) AS start, if(GROUPING(minute) = 0, 60, 3600) AS seconds, {STATISTICS}
            FROM (SELECT ms, status, date_trunc('minute', moment) AS minute, date_trunc('hour', moment) AS hour
              FROM {source} WHERE kind IN ({kinds}))
            GROUP BY GROUPING SETS ((minute), (hour)) ORDER BY seconds, start""",
        targets["intervals"],
    )


# One aggregate for all three: the engine computes what is written alike once.
_QUANTILES = "quantile_cont(ms, [0.5, 0.95, 0.99])"
STATISTICS = f"""
    count(*) AS requests,
    {failures(f"count(*) FILTER (WHERE {FAILED})", "count(status)", "count(*)")} AS failures,
    count(ms) AS timed, {SUM_US} / 1000 / count(ms) AS avg_ms,
    {_QUANTILES}[1] AS p50_ms, {_QUANTILES}[2] AS p95_ms, {_QUANTILES}[3] AS p99_ms"""


def _all(parts: Sequence[str]) -> str:
    """The rows of several tables."""
    return " UNION ALL ".join(f"FROM {part}" for part in parts)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0
