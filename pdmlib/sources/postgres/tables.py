"""The application's own tables as frames: each reader either sees every row or says why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.phases.scope import PRESENT, Scope
from pdmlib.site.site import Site
from pdmlib.site.tables import Feature, FeatureKind
from pdmlib.sources.postgres.session import Row, Session, compose, identifier, joined, literal, written
from pdmlib.sources.postgres.visibility import BY_POLICY, Ledger, Sight, feature_tables, qualified

ROWS = 100_000
TABLE_S = 8.0
QUARTER_S = 900
_TEXT = 500


@dataclass(frozen=True)
class Reader:
    """What the readers of application tables share.

    Attributes:
        say: adds a gap (item, state, reason).
    """

    session: Session
    site: Site
    scope: Scope
    ledger: Ledger
    say: Callable[[str, str, str], None]

    def rows(self, sight: Sight, query: Any, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of a query on one table, policies let in where they show every row."""
        policies = sight.state == BY_POLICY
        return self.session.rows(query, parameters, timeout_s=TABLE_S, row_security=policies)

    def select(
        self,
        table: str,
        columns: Mapping[str, str],
        time_column: str,
        start: datetime,
        end: datetime,
        optional: tuple[str, ...] = (),
        zone: str | None = "UTC",
    ) -> list[Row]:
        """Rows of a table whose time lies in `[start, end)`, newest first where the cap cuts.

        Args:
            columns: our name -> the table's column.
            optional: columns of ours that the table may lack.
            zone: of times stored without one.

        Raises:
            SourceError: the table or a column cannot be read whole.
        """
        needed = [c for ours, c in columns.items() if ours not in optional]
        sight = self.ledger.readable(table, [time_column, *needed])
        have = {ours: c for ours, c in columns.items() if c in sight.columns}
        parts = [
            compose("{v} AS {n}", v=_value(c, sight.columns[c], zone), n=identifier(n)) for n, c in have.items()
        ]
        query = compose(
            "SELECT {parts} FROM {table} WHERE {inside} ORDER BY {time} DESC LIMIT {cap}",
            parts=joined(parts),
            table=identifier(qualified(table)),
            inside=_inside(time_column, sight.columns[time_column], zone),
            time=identifier(time_column),
            cap=written(str(ROWS + 1)),
        )
        found = self.rows(sight, query, {"start": start, "end": end})
        if len(found) > ROWS:
            self.say(f"table:{table}:cap", "error", f"{table}: more than {ROWS} rows, the oldest were not read")
        return found[:ROWS]


def probes(reader: Reader) -> pd.DataFrame:
    """The application's own uptime probes, from the window before to an hour after it, which tells what is over.

    An incident is held against the week before the deployment and what came after.
    """
    uptime, scope = reader.site.uptime, reader.scope
    if uptime is None:
        return frame("probes")
    columns = {"checked_at": "checked_at", "status": "status", "response_ms": "response_time", "detail": "errors"}
    start, end = min(scope.previous.start, scope.window.start), min(scope.as_of, scope.window.end + PRESENT)
    if scope.phase.name == "incident":
        start, end = min(start, scope.before.start), scope.after.end
    rows = reader.select(uptime.table, columns, "checked_at", start, end, ("response_ms", "detail"))
    return frame("probes", [{**row, "target": "uptime_logs", "detail": _words(row.get("detail"))} for row in rows])


def cron_logs(reader: Reader) -> pd.DataFrame:
    """Rows of the cron log from two days before the window to the grace after it; and each job's newest before."""
    cron, scope = reader.site.cron, reader.scope
    if cron is None:
        return frame("cron_logs")
    grace = timedelta(seconds=cron.start_grace_s + max((job.timeout_s for job in cron.jobs), default=0))
    columns = {
        "job": "job_name",
        "started_at": "started_at",
        "completed_at": "completed_at",
        "status": "status",
        "duration_ms": "duration_ms",
        "error": "error_message",
        "attempts": "attempts",
    }
    start, end = scope.window.start - timedelta(days=2), min(scope.as_of, scope.window.end + grace)
    optional = ("completed_at", "duration_ms", "error", "attempts")
    rows = reader.select(cron.table, columns, "started_at", start, end, optional)
    return frame("cron_logs", _runs_before(reader, cron.table, start) + rows)


def _runs_before(reader: Reader, table: str, start: datetime) -> list[Row]:
    """The newest start of every job in the baseline: it tells a job that stopped from one that never logged."""
    sight = reader.ledger.readable(table, ["job_name", "started_at"])
    query = compose(
        "SELECT job_name::text AS job, max({value}) AS started_at, 'started' AS status FROM {table} "
        "WHERE {inside} GROUP BY 1 ORDER BY 1 LIMIT 10000",
        value=_value("started_at", sight.columns["started_at"], "UTC"),
        table=identifier(qualified(table)),
        inside=_inside("started_at", sight.columns["started_at"], "UTC"),
    )
    return reader.rows(sight, query, {"start": min(start, reader.scope.baseline.start), "end": start})


def cron_settings(reader: Reader) -> pd.DataFrame:
    """Which jobs are switched on."""
    cron = reader.site.cron
    if cron is None or cron.settings_table is None:
        return frame("cron_settings")
    sight = reader.ledger.readable(cron.settings_table, ["job_name", "enabled"])
    query = compose(
        "SELECT job_name AS job, enabled FROM {table} ORDER BY 1 LIMIT 10000",
        table=identifier(qualified(cron.settings_table)),
    )
    return frame("cron_settings", reader.rows(sight, query, {}))


def tickets(reader: Reader) -> pd.DataFrame:
    """Support tickets of the baseline and the window."""
    block = reader.site.tickets
    if block is None:
        return frame("tickets")
    columns = {
        "ticket": "ticket_number",
        "created_at": "created_at",
        "resolved_at": "resolved_at",
        "priority": "priority",
        "status": "status",
        "rating": "customer_rating",
        "summary": "escalation_reason",
        "tags": "tags",
    }
    start, end = reader.scope.baseline.start, reader.scope.window.end
    optional = ("resolved_at", "priority", "status", "rating", "summary", "tags")
    rows = reader.select(block.table, columns, "created_at", start, end, optional)
    return frame("tickets", [_ticket(row, block.categories) for row in rows])


def _words(text: str | None) -> str | None:
    return "; ".join(_items(text)) or None


def _ticket(row: Row, categories: Mapping[str, tuple[str, ...]]) -> Row:
    tags = _items(row.get("tags"))
    category = next((name for name, marks in categories.items() if set(marks) & set(tags)), None)
    return {**row, "tags": ", ".join(tags) or None, "category": category}


def _items(text: str | None) -> list[str]:
    """The entries of a list stored as text[], as JSON or as words with commas between."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        found = [word.strip() for word in (text or "").split(",")]
    return [str(item) for item in found] if isinstance(found, list) else [str(found)]


def app_alerts(reader: Reader) -> pd.DataFrame:
    """Alerts that the application raised itself, since the baseline began."""
    table = reader.site.tables.app_alerts
    if table is None:
        return frame("app_alerts")
    columns = {
        "alert": "alert_name",
        "severity": "severity",
        "at": "triggered_at",
        "resolved": "resolved",
        "message": "message",
    }
    start, end = reader.scope.baseline.start, reader.scope.window.end
    rows = reader.select(table, columns, "triggered_at", start, end, ("severity", "resolved", "message"))
    return frame("app_alerts", rows)


def integration_checks(reader: Reader) -> pd.DataFrame:
    """The application's checks of its integrations in the window."""
    table = reader.site.tables.integration_checks
    if table is None:
        return frame("integration_checks")
    columns = {
        "integration": "integration_name",
        "at": "check_time",
        "success": "success",
        "response_ms": "response_time_ms",
        "error": "error_message",
    }
    window = reader.scope.window
    rows = reader.select(table, columns, "check_time", window.start, window.end, ("response_ms", "error"))
    return frame("integration_checks", rows)


def payments(reader: Reader) -> pd.DataFrame:
    """Payment attempts of the baseline and the window, as the application stored them.

    An integer amount is taken for minor units; any other for the currency's main unit of a hundred.
    """
    table = reader.site.tables.payments
    if table is None:
        return frame("payments")
    columns = {
        "payment": "id",
        "created_at": "created_at",
        "status": "status",
        "failure_code": "failure_code",
        "amount_minor": "amount",
        "currency": "currency",
    }
    start, end = reader.scope.baseline.start, reader.scope.window.end
    optional = ("failure_code", "amount_minor", "currency")
    rows = reader.select(table, columns, "created_at", start, end, optional)
    minor = reader.ledger[table].columns.get("amount", "").endswith("int") or "integer" in (
        reader.ledger[table].columns.get("amount", "")
    )
    found = frame("payments", [{**row, "source": "database"} for row in rows])
    return found if minor else found.assign(amount_minor=(100 * found["amount_minor"]).round())


def activity(reader: Reader) -> pd.DataFrame:
    """Visitors, sessions and pages of each interval that a report names."""
    block, spans = reader.site.activity, reader.scope.spans
    if block is None:
        return frame("activity")
    sight = reader.ledger.readable(
        block.sessions_table, ["started_at", "visitor_id", "pages_visited", "duration_seconds"]
    )
    query = compose(
        """
        SELECT s.a AS start, s.b AS "end", t.* FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[])
          AS s(a, b)
        CROSS JOIN LATERAL (
          SELECT count(DISTINCT visitor_id) AS visitors, count(*) AS sessions,
                 sum(pages_visited)::float8 AS page_views,
                 avg(duration_seconds)::float8 AS session_s, count(*) FILTER (WHERE pages_visited <= 1) AS bounced
          FROM {table} WHERE started_at >= {a} AND started_at < {b}
        ) AS t ORDER BY 1, 2
        """,
        table=identifier(qualified(block.sessions_table)),
        a=_bound("s.a", sight.columns["started_at"], block.time_zone),
        b=_bound("s.b", sight.columns["started_at"], block.time_zone),
    )
    found = reader.rows(sight, query, {"starts": [w.start for w in spans], "ends": [w.end for w in spans]})
    return frame(
        "activity", [{**row, "page_views": row["page_views"] or 0, "source": "postgres"} for row in found]
    )


def feature_counts(reader: Reader) -> pd.DataFrame:
    """Amounts of every feature by the quarter of an hour; a feature that is not seen whole is a gap."""
    found: list[Row] = []
    for feature in reader.site.features:
        try:
            found += _counted(reader, feature)
        except SourceError as error:
            reader.say(f"feature:{feature.name}", "error", error.reason)
    return frame("feature_counts", found)


def _counted(reader: Reader, feature: Feature) -> list[Row]:
    scope = reader.scope
    span = {"start": scope.baseline.start, "split": scope.window.start, "end": scope.window.end}
    if feature.sql:
        query = compose(_BINNED, moment=written("at"), amount=written("sum(amount)"), rows=_author(feature.sql))
        policies = reader.ledger.by_policy(feature_tables(feature))
        rows = reader.session.rows(query, span, timeout_s=TABLE_S, row_security=policies)
    else:
        columns = [c for c in (*_times(feature), feature.value_column, feature.first_per) if c]
        sight = reader.ledger.readable(str(feature.table), columns)
        rows = reader.rows(sight, _query(feature, sight), span)
    return [
        {"feature": feature.name, "at": pd.Timestamp(row["bin"], unit="s", tz="UTC"), "amount": row["amount"]}
        for row in rows
    ]


# A quarter in which the window starts is two bins, so that what came before the deployment stays out of it.
_BINNED = """
SELECT greatest(
         floor(extract(epoch FROM {moment}) / 900) * 900,
         CASE WHEN {moment} >= %(split)s THEN extract(epoch FROM %(split)s::timestamptz) END
       )::float8 AS bin,
       ({amount})::float8 AS amount
FROM {rows} WHERE {moment} >= %(start)s AND {moment} < %(end)s GROUP BY 1 ORDER BY 1
"""


def _author(text: str) -> Any:
    return compose("({query}\n) AS author", query=written(text))


def _times(feature: Feature) -> tuple[str, ...]:
    return feature.time_columns or ((feature.time_column,) if feature.time_column else ())


def _query(feature: Feature, sight: Sight) -> Any:
    times = [_value(c, sight.columns[c], feature.time_zone) for c in _times(feature)]
    moment = times[0] if len(times) == 1 else compose("least({times})", times=joined(times))
    where = [compose("({where}\n)", where=written(feature.where))] if feature.where else []
    if len(times) == 1 and not feature.first_per:
        column = _times(feature)[0]
        where.append(_inside(column, sight.columns[column], feature.time_zone))
    summed = feature.kind is FeatureKind.SUM
    rows = compose(
        "(SELECT {moment} AS at, {amount} AS amount FROM {table} WHERE {where} {grouped}) AS rows",
        moment=compose("min({moment})", moment=moment) if feature.first_per else moment,
        amount=identifier(str(feature.value_column)) if summed else written("1"),
        table=identifier(sight.table),
        where=joined(where or [written("true")], " AND "),
        grouped=compose("GROUP BY {per}", per=identifier(feature.first_per)) if feature.first_per else written(""),
    )
    return compose(_BINNED, moment=written("at"), amount=written("sum(amount)"), rows=rows)


def _value(column: str, kind: str, zone: str | None) -> Any:
    """A column as we read it: times in UTC and finite, lists and JSON as JSON text, numbers as floats."""
    name = identifier(column)
    if kind.startswith("timestamp without") or kind == "date":
        finite = "CASE WHEN isfinite({c}) THEN timezone({zone}, {c}::timestamp) END"
        return compose(finite, c=name, zone=literal(zone or "UTC"))
    if kind.startswith("timestamp"):
        return compose("CASE WHEN isfinite({c}) THEN {c} END", c=name)
    if kind.endswith("[]") or kind in ("json", "jsonb"):
        return compose("to_jsonb({c})::text", c=name)
    if kind in ("numeric", "real"):
        return compose("{c}::float8", c=name)
    if kind in ("boolean", "smallint", "integer", "bigint", "double precision"):
        return name
    return compose("left({c}::text, {n})", c=name, n=written(str(_TEXT)))


def _inside(column: str, kind: str, zone: str | None) -> Any:
    _check_time(column, kind)
    return compose(
        "{c} >= {a} AND {c} < {b}",
        c=identifier(column),
        a=_bound("%(start)s", kind, zone),
        b=_bound("%(end)s", kind, zone),
    )


def _check_time(column: str, kind: str) -> None:
    if not kind.startswith(("timestamp", "date")):
        raise SourceError("postgres", f"column {column} is of type {kind}, and a time is needed")


def _bound(moment: str, kind: str, zone: str | None) -> Any:
    """An edge of a window in the column's own terms, so that an index on the column serves."""
    if kind.startswith("timestamp with time zone"):
        return written(f"{moment}::timestamptz")
    return compose("timezone({zone}, {m}::timestamptz)", zone=literal(zone or "UTC"), m=written(moment))
