"""One look at the database's counters: pg_stat_statements, gauges, and what the schema is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.index_text import kept
from pdmlib.frames.statement_text import LIMIT, redacted, without_strings
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import now
from pdmlib.site.site import Site
from pdmlib.sources.postgres.session import PREPARED, SOURCE, Row, Session, compose, identifier, joined, written

TEXT_S = 5.0
TEXTS = 1000
_COLUMNS = {
    "calls": ("calls",),
    "total_ms": ("total_exec_time", "total_time"),
    "mean_ms": ("mean_exec_time", "mean_time"),
    "stddev_ms": ("stddev_exec_time", "stddev_time"),
    "rows": ("rows",),
    "hit_blocks": ("shared_blks_hit",),
    "read_blocks": ("shared_blks_read",),
    "temp_blocks": ("temp_blks_written",),
    "wal_bytes": ("wal_bytes",),
}
_OURS = ("explain (analyze, buffers, format json)", f"explain (verbose, format json) execute {PREPARED}")
# Checkpoints that came by the clock, and those that the amount of written log or a person asked for.
_PG17 = 170000
_CHECKPOINTS = {
    True: "SELECT key AS metric, value::float8 AS value FROM pg_stat_checkpointer, LATERAL (VALUES "
    "('checkpoints_timed', num_timed), ('checkpoints_req', num_requested)) AS v (key, value)",
    False: "SELECT key AS metric, value::float8 AS value FROM pg_stat_bgwriter, LATERAL (VALUES "
    "('checkpoints_timed', checkpoints_timed), ('checkpoints_req', checkpoints_req)) AS v (key, value)",
}
# Parts of the schema that people write strings into.
_WITH_STRINGS = ("view", "policy", "trigger", "generated", "statistics")
_RENAMED = {"client_backends": "connections"}

Say = Callable[[str, str, str], None]


def taken_at(site: Site, scope: Scope) -> datetime:
    """The time of a look: now, or where the vendors are stand-ins the moment that they are asked about."""
    return scope.seen_at if site.stand_in else now()


def entries(session: Session, say: Say) -> list[Row]:
    """Every entry of pg_stat_statements of this database but our own, most time first, the heaviest with texts.

    The texts are as the server keeps them: they may hold people's data and go no further than this room.

    Raises:
        SourceError: the extension is not installed, or not readable.
    """
    schema = session.can.statements_schema
    if schema is None:
        raise SourceError(
            SOURCE, "the extension pg_stat_statements is not installed: CREATE EXTENSION pg_stat_statements;"
        )
    found = session.rows(_counters(session, schema))
    hidden = sum(row["queryid"] is None for row in found)
    found = [row for row in found if row["queryid"] is not None]
    if hidden:
        role = session.can.grantee
        say(
            "statements:hidden",
            "error",
            f"{hidden} statements of other roles are hidden: GRANT pg_monitor TO {role};",
        )
    texts = _texts(session, schema, found, say)
    return [
        {**row, "query": texts.get(row["queryid"])}
        for row in found
        if not (texts.get(row["queryid"]) or "").lower().startswith(_OURS)
    ]


def statements(found: Sequence[Row], at: datetime) -> pd.DataFrame:
    """The frame `statements` of one look, with redacted texts."""
    texts = {row["query"]: redacted(row["query"]) for row in found if row["query"] is not None}
    return frame("statements", [{**row, "at": at, "query": texts.get(row["query"])} for row in found])


def total_ms(session: Session) -> dict[tuple[str, str], float]:
    """The time that each entry of pg_stat_statements took up to now, by role and id."""
    rows = session.rows(_counters(session, session.can.statements_schema or ""))
    return {(row["role"], row["queryid"]): row["total_ms"] for row in rows}


def _counters(session: Session, schema: str) -> Any:
    have = {row["name"] for row in session.named("statement_columns", {"schema": schema})}
    parts = []
    for ours, theirs in _COLUMNS.items():
        column = next((c for c in theirs if c in have), None)
        value = compose("{c}::float8", c=identifier(column)) if column else written("NULL::float8")
        parts.append(compose("{v} AS {n}", v=value, n=identifier(ours)))
    return compose(
        """
        SELECT pg_get_userbyid(userid)::text AS role, queryid::text AS queryid, {toplevel} AS toplevel,
               {since} AS since, {parts}
        FROM {function}(false)
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
        ORDER BY total_ms DESC, 1, 2
        """,
        toplevel=written("toplevel" if "toplevel" in have else "true"),
        since=written("stats_since" if "stats_since" in have else "NULL::timestamptz"),
        parts=joined(parts),
        function=identifier(f"{schema}.pg_stat_statements"),
    )


def _texts(session: Session, schema: str, found: list[Row], say: Say) -> dict[str, str]:
    """Texts of the statements with most time, and of the slowest: the file behind them is read once."""
    slowest = sorted(found, key=lambda row: -(row["mean_ms"] or 0))
    wanted = {row["queryid"] for row in (*found[:TEXTS], *slowest[: TEXTS // 4])}
    query = compose(
        "SELECT queryid::text AS queryid, min(left(query, {limit})) AS query FROM {f}(true) "
        "WHERE queryid::text = ANY (%(ids)s) AND query <> '<insufficient privilege>' GROUP BY 1 ORDER BY 1",
        limit=written(str(LIMIT)),
        f=identifier(f"{schema}.pg_stat_statements"),
    )
    try:
        rows = session.rows(query, {"ids": sorted(wanted)}, timeout_s=TEXT_S)
    except SourceError as error:
        say("statements:texts", "error", f"texts of statements: {error.reason}")
        return {}
    return {row["queryid"]: row["query"] for row in rows}


def gauges(session: Session, at: datetime, say: Say) -> pd.DataFrame:
    """Counters of the database and its tables, the epoch of its statistics, and its schema's parts."""
    found: list[Row] = []
    readers = (_database, _statistics, _tables, _schema)
    for name, read in zip(("database", "statements", "tables", "schema"), readers, strict=True):
        try:
            found += read(session)
        except SourceError as error:
            say(f"database_gauges:{name}", "error", error.reason)
    return frame("database_gauges", [{**row, "at": at} for row in found])


def own_cost(session: Session, at: datetime) -> pd.DataFrame:
    """What this look itself asked of the server."""
    cost = session.cost
    values = (
        ("own_queries", cost.queries, "count"),
        ("own_ms", 1000 * cost.seconds, "ms"),
        ("own_rows", cost.rows, "count"),
    )
    return frame("database_gauges", [{"metric": m, "at": at, "value": v, "unit": u} for m, v, u in values])


def _database(session: Session) -> list[Row]:
    rows = [*session.named("database", timeout_s=5), *session.rows(_CHECKPOINTS[session.can.version >= _PG17])]
    return [{"metric": _RENAMED.get(row["metric"], row["metric"]), "value": row["value"]} for row in rows]


def _statistics(session: Session) -> list[Row]:
    schema, have = session.can.statements_schema, session.can.statements_version
    if schema is None or have is None or tuple(map(int, have.split("."))) < (1, 9):
        return []
    query = compose(
        "SELECT i.dealloc::float8 AS statements_dealloc, "
        "extract(epoch FROM i.stats_reset)::float8 AS statements_reset, "
        "(SELECT count(*) FROM {f}(false))::float8 AS statements_entries FROM {i} AS i",
        f=identifier(f"{schema}.pg_stat_statements"),
        i=identifier(f"{schema}.pg_stat_statements_info"),
    )
    return [{"metric": metric, "value": value} for metric, value in session.rows(query)[0].items()]


def _tables(session: Session) -> list[Row]:
    rows = session.named("table_counters")
    return [
        {"metric": metric, "object": row["object"], "value": value}
        for row in rows
        for metric, value in row.items()
        if metric != "object" and value is not None
    ]


def _schema(session: Session) -> list[Row]:
    enums = frozenset(row["name"] for row in session.named("enums"))
    rows = session.named("drift", timeout_s=5)
    return [{**row, "detail": _shown(row["metric"], row["detail"], enums)} for row in rows]


def _shown(kind: str, detail: str | None, enums: frozenset[str]) -> str | None:
    """How a part of the schema is kept: without strings that may be people's data."""
    if detail is None:
        return None
    if kind == "index":
        return kept(detail, enums)
    return without_strings(detail) if kind in _WITH_STRINGS else detail
