"""The application's own tables as frames: each reader either sees every row or says why not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.frames.understanding import Unclear, Vocabulary, mend_line
from pdmlib.phases.phase import HOUR
from pdmlib.site.schedules import periods_before
from pdmlib.site.tables import Feature, FeatureKind
from pdmlib.site.terms import CRON_SETTINGS
from pdmlib.sources.fields import vocabulary
from pdmlib.sources.postgres import mapping, monitors
from pdmlib.sources.postgres.mapping import Layout, Reader
from pdmlib.sources.postgres.session import SOURCE, Row, compose, identifier, joined, literal, written
from pdmlib.sources.postgres.visibility import Sight, feature_tables, qualified
from pdmlib.sources.specifications.stripe import CODES


def probes(reader: Reader) -> pd.DataFrame:
    """The application's own uptime probes, from the week before the deployment to an hour after the window.

    What came before tells when something began, what came after whether it is over.
    """
    uptime, scope = reader.site.uptime, reader.scope
    if uptime is None or uptime.in_sentry:
        return frame("probes")
    start, end = scope.near_from, min(scope.as_of, scope.known.end + HOUR)
    layout = reader.layout(uptime)
    several = None if uptime.where else _several(reader, layout)
    rows = reader.select(layout, start, end, also=[several.column] if several else ())
    told = _of_one_monitor(rows, several, reader.unclear, chosen=bool(uptime.where))
    return frame("probes", [_probe(row) for row in told])


def _several(reader: Reader, layout: Layout) -> monitors.Apart | None:
    """What tells the monitors apart that write the table; None where it has one, or cannot be looked at."""
    try:
        return monitors.apart(reader.session, layout.sight, layout.time, tuple(layout.columns.values()))
    except SourceError as error:
        reader.say(f"table:{layout.block.table}:monitors", "error", error.reason)
        return None


def _of_one_monitor(
    rows: list[Row], several: monitors.Apart | None, unclear: Unclear, chosen: bool
) -> Iterator[Row]:
    """Rows of probes; of those that others of the same time contradict no status is understood."""
    timed = [row for row in rows if row["checked_at"] is not None]
    doubtful = monitors.contradicted(
        [row["checked_at"].timestamp() for row in timed],
        [row["status"] for row in timed],
        [row[several.column] for row in timed] if several else None,
        chosen=chosen,
    )
    words = " and ".join(sorted({str(timed[place]["status"]) for place in doubtful}))
    mend = several.mend if several else monitors.UNNAMED
    for place, row in enumerate(timed):
        if place in doubtful:
            example = f"{several.column} {row[several.column]}: {row['status']}" if several else words
            unclear.note("uptime.checked_at", "several monitors at one time", example, mend=mend)
        yield {**row, "status": None if place in doubtful else row["status"]}
    yield from (row for row in rows if row["checked_at"] is None)


def _probe(row: Row) -> Row:
    return {
        "target": "uptime_logs",
        "checked_at": row["checked_at"],
        "status": row["status"],
        "response_ms": row["response_ms"],
        "detail": "; ".join(_items(row["errors"])) or None,
    }


def cron_logs(reader: Reader) -> pd.DataFrame:
    """Rows of the cron log from two days before the window to the grace after it; and each job's newest before."""
    cron, scope = reader.site.cron, reader.scope
    if cron is None or cron.in_sentry:
        return frame("cron_logs")
    grace = timedelta(seconds=cron.start_grace_s + max((job.timeout_s for job in cron.jobs), default=0))
    start, end = scope.window.start - timedelta(days=2), min(scope.as_of, scope.known.end + grace)
    layout = reader.layout(cron)
    rows = [_run(row, layout, reader.unclear) for row in reader.select(layout, start, end)]
    return frame("cron_logs", _runs_before(reader, layout, start, {row["job"] for row in rows}) + rows)


NO_ERROR = ("", "{}", "[]", "null")


def _run(row: Row, layout: Layout, unclear: Unclear) -> Row:
    """A row of the log; an end before its start is none, and says nothing of how the run came out."""
    found = {name: row[name] for name in SCHEMAS["cron_logs"].columns}
    starts, ends = found["started_at"], found["completed_at"]
    is_odd = starts is not None and ends is not None and ends < starts
    if "status" not in layout.columns:
        found["status"] = None if is_odd else _outcome(row, layout)
    if is_odd:
        unclear.note("cron.completed_at", "before its start", ends)
        found["completed_at"] = None
    return found


def _outcome(row: Row, layout: Layout) -> str | None:
    """How a run came out by its end and its error, where no column says it; None where these are not read."""
    if not {"completed_at", "error"} <= layout.columns.keys() or {"completed_at", "error"} & row["odd"]:
        return None
    if row["completed_at"] is None:
        return "started"
    return "completed" if (row["error"] or "").strip() in NO_ERROR else "failed"


def _runs_before(reader: Reader, layout: Layout, start: datetime, known: set[str]) -> list[Row]:
    """The newest start of every job before the rows that are read, and the oldest row of the log.

    They tell a job that stopped from one that never logged: for those not seen in the baseline the
    look goes back over two periods of their schedules.
    """
    cron, begin = reader.site.cron, min(start, reader.scope.baseline.start)
    found = _newest(reader, layout, begin, start)
    heard = {cron and cron.job_of(str(theirs)) for theirs in known | {row["job"] for row in found}}
    silent = [job for job in (cron.expected if cron else ()) if job.name not in heard]
    early = min((periods_before(job, reader.scope.window.start) for job in silent), default=begin)
    try:
        if early < begin:
            names = [name.strip().lower() for job in silent for name in (job.name, *job.aliases)]
            found += _newest(reader, layout, early, end=begin, names=names)
        found += [row for row in _oldest(reader, layout) if row["started_at"] < start and row not in found]
    except SourceError as error:
        reader.say(f"table:{layout.block.table}:before", "error", error.reason)
    return found


def _newest(
    reader: Reader, layout: Layout, start: datetime, end: datetime, names: list[str] | None = None
) -> list[Row]:
    """The newest start of every job in a stretch; of some jobs where they are named."""
    kind, job = layout.type_of(layout.moment), identifier(layout.columns["job"])
    query = compose(
        "SELECT {job}::text AS job, max({value}) AS started_at, 'started' AS status FROM {table} "
        "WHERE {inside} AND {counts} AND {mine} GROUP BY 1 ORDER BY 1 LIMIT 10000",
        job=job,
        value=mapping.value(layout.time, kind, layout.zone),
        table=identifier(qualified(layout.block.table)),
        inside=mapping.inside(layout.time, kind, layout.zone),
        counts=layout.counts,
        mine=written("true") if names is None else compose("lower(btrim({job}::text)) = ANY(%(names)s)", job=job),
    )
    return reader.rows(layout.sight, query, {"start": start, "end": end, "names": names})


def _oldest(reader: Reader, layout: Layout) -> list[Row]:
    """The oldest row of the log: so far back does it tell."""
    query = compose(
        "SELECT {job}::text AS job, {value} AS started_at, 'started' AS status FROM {table} "
        "WHERE {known} AND {counts} ORDER BY {time} LIMIT 1",
        job=identifier(layout.columns["job"]),
        value=mapping.value(layout.time, layout.type_of(layout.moment), layout.zone),
        table=identifier(qualified(layout.block.table)),
        known=mapping.possible(layout.time),
        counts=layout.counts,
        time=identifier(layout.time),
    )
    return reader.rows(layout.sight, query, {})


def cron_settings(reader: Reader) -> pd.DataFrame:
    """Which jobs are switched on."""
    cron = reader.site.cron
    if cron is None or cron.settings_table is None:
        return frame("cron_settings")
    names = {c.name: cron.settings_columns.get(c.name, c.candidates[0]) for c in CRON_SETTINGS.columns}
    sight = reader.ledger.readable(cron.settings_table, names.values())
    query = compose(
        "SELECT {job} AS job, {enabled} AS enabled FROM {table} ORDER BY 1 LIMIT 10000",
        job=identifier(names["job"]),
        enabled=identifier(names["enabled"]),
        table=identifier(qualified(cron.settings_table)),
    )
    return frame("cron_settings", reader.rows(sight, query, {}))


CATEGORIES = "tickets.category"
"""The item of the gap of a table that says of no ticket what it is about."""


def tickets(reader: Reader) -> pd.DataFrame:
    """Support tickets of the baseline and the window."""
    block = reader.site.tickets
    if block is None:
        return frame("tickets")
    layout = reader.layout(block)
    if block.is_sorted and not {"category", "tags"} & layout.columns.keys():
        mend = mend_line("tickets", "columns", value={"category": "<its name>"})
        reader.say(
            CATEGORIES, "error", f"{block.table} has neither category nor tags; say which one it is: {mend}"
        )
    rows = reader.select(layout, reader.scope.baseline.start, reader.scope.known.end)
    marks = Vocabulary(block.categories)
    rows = [{**row, "status": _ticket_status(layout, row)} for row in rows]
    return frame("tickets", [_ticket(reader, row, place, marks) for place, row in enumerate(rows, 1)])


def _ticket_status(layout: Layout, row: Row) -> str | None:
    """What the ticket says; where it says nothing, one that was resolved is closed."""
    said: str | None = row["status"]
    if said or "resolved_at" not in layout.columns or "resolved_at" in row["odd"]:
        return said
    return "closed" if row["resolved_at"] else None if "status" in layout.columns else "open"


def _ticket(reader: Reader, row: Row, place: int, marks: Vocabulary) -> Row:
    """A ticket; one whose category nobody has declared has its words in `tags` and no category."""
    said = [*([row["category"]] if row["category"] else []), *_items(row["tags"])]
    category = next((ours for theirs in said if (ours := marks.of(theirs))), None)
    if said and category is None:
        mend = mend_line("tickets", "categories", "|".join(marks.ours), value=[said[0]])
        reader.unclear.note(CATEGORIES, "unknown word", said[0], mend=mend)
    found = {name: row[name] for name in SCHEMAS["tickets"].columns}
    # The place tells rows apart; it is no number that anybody could look for.
    ticket = f"without a number ({place})" if row["ticket"] is None else str(row["ticket"])
    return {**found, "ticket": ticket, "tags": ", ".join(said) or None, "category": category}


def _items(text: str | None) -> list[str]:
    """The entries of a list stored as text[], as JSON or as words with commas between."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        found = [word.strip() for word in (text or "").split(",")]
    listed = found if isinstance(found, list) else [found]
    return [item if isinstance(item, str) else json.dumps(item) for item in listed if item is not None]


def app_alerts(reader: Reader) -> pd.DataFrame:
    """Alerts that the application raised itself, since the baseline began."""
    block = reader.site.block("app_alerts")
    if block is None:
        return frame("app_alerts")
    layout = reader.layout(block)
    rows = reader.select(layout, reader.scope.baseline.start, reader.scope.known.end)
    return frame("app_alerts", [_alert(row) for row in rows])


def _alert(row: Row) -> Row:
    return {
        "at": row["triggered_at"],
        **{name: row[name] for name in ("alert", "severity", "resolved", "message")},
    }


def integration_checks(reader: Reader) -> pd.DataFrame:
    """The application's checks of its integrations, of the week before too; degraded is no failure."""
    block, scope = reader.site.block("integration_checks"), reader.scope
    if block is None:
        return frame("integration_checks")
    rows = reader.select(reader.layout(block), scope.near_from, scope.known.end)
    return frame("integration_checks", [_check(row) for row in rows])


def _check(row: Row) -> Row:
    return {
        "integration": row["name"],
        "at": row["checked_at"],
        "success": None if row["status"] is None else row["status"] != "down",
        "response_ms": row["response_ms"],
        "error": row["error"],
    }


def payments(reader: Reader) -> pd.DataFrame:
    """Payment attempts of the baseline and the window, as the application stored them; none where Stripe tells.

    An integer amount is taken for minor units; any other for the currency's main unit of a hundred.
    """
    block = reader.site.block("payments")
    if block is None or reader.site.idle("payments"):
        return frame("payments")
    layout = reader.layout(block)
    rows = reader.select(layout, reader.scope.baseline.start, reader.scope.known.end)
    is_minor = "amount" in layout.columns and layout.type_of("amount") in ("smallint", "integer", "bigint")
    # A word for what the bank declines tells that what failed is ours to mend.
    fault = "ours" if "declined" in block.words or any(row["status"] == "declined" for row in rows) else None
    minor = 1 if is_minor else 100
    return frame("payments", [_payment(row, minor, place=n, fault=fault) for n, row in enumerate(rows, 1)])


_REASONS = vocabulary(CODES, {})  # many applications store Stripe's own codes


def _payment(row: Row, minor: int, place: int, fault: str | None) -> Row:
    amount, declined, failed = row["amount"], row["status"] == "declined", row["status"] == "failed"
    return {
        "source": "database",
        "payment": str(row["payment"] or f"#{place}"),
        "created_at": row["created_at"],
        "status": "failed" if declined else row["status"],
        "failure_code": row["failure_code"],
        "fault": "customer" if declined else _REASONS.of(row["failure_code"]) or fault if failed else None,
        "amount_minor": None if amount is None else round(minor * float(amount)),
        "currency": row["currency"],
    }


def activity(reader: Reader) -> pd.DataFrame:
    """Visitors, sessions and pages of each interval that a report names.

    What rests on a column that the table lacks, or that a row leaves empty, is missing.
    """
    block, spans = reader.site.activity, reader.scope.visits
    if block is None:
        return frame("activity")
    layout = reader.layout(block)
    kind, zone = layout.type_of(layout.moment), layout.zone
    query = compose(
        _SESSIONS,
        visitor=compose("{c}::text", c=identifier(layout.columns["visitor"]))
        if "visitor" in layout.columns
        else written("NULL::text"),
        pages=_number(layout, "pages"),
        seconds=_seconds(layout),
        table=identifier(qualified(block.table)),
        time=identifier(layout.time),
        counts=layout.counts,
        a=mapping.bound("s.a", kind, zone),
        b=mapping.bound("s.b", kind, zone),
    )
    found = reader.rows(layout.sight, query, {"starts": [w.start for w in spans], "ends": [w.end for w in spans]})
    return frame("activity", [_interval(layout, row, reader.unclear) for row in found])


# Sessions may be open still, so that a length of nothing is none; pages and visitors are there from the start.
_SESSIONS = """
SELECT s.a AS start, s.b AS "end", t.* FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS s(a, b)
CROSS JOIN LATERAL (
  SELECT count(*) AS sessions, count(DISTINCT visitor) AS visitors, count(*) - count(visitor) AS no_visitor,
         coalesce(sum(pages) FILTER (WHERE pages >= 0), 0) AS page_views,
         count(*) - count(*) FILTER (WHERE pages >= 0 AND pages < 1e9) AS no_pages,
         count(*) FILTER (WHERE pages <= 1) AS bounced,
         avg(seconds) FILTER (WHERE seconds >= 0 AND seconds < 1e9) AS session_s,
         count(seconds) - count(*) FILTER (WHERE seconds >= 0 AND seconds < 1e9) AS no_seconds
  FROM (SELECT {visitor} AS visitor, {pages} AS pages, {seconds} AS seconds
        FROM {table} WHERE {time} >= {a} AND {time} < {b} AND {counts}) AS sessions
) AS t ORDER BY 1, 2
"""


def _number(layout: Layout, ours: str) -> Any:
    if ours not in layout.columns:
        return written("NULL::float8")
    return mapping.number(layout.columns[ours], layout.type_of(ours))


def _seconds(layout: Layout) -> Any:
    if "duration_s" in layout.columns or "ended_at" not in layout.columns:
        return _number(layout, "duration_s")
    ends, starts = identifier(layout.columns["ended_at"]), identifier(layout.time)
    return compose("extract(epoch FROM {b} - {a})::float8", a=starts, b=ends)


def _interval(layout: Layout, row: Row, unclear: Unclear) -> Row:
    """An interval's row; what is counted over rows of which one is empty or impossible is missing."""
    blank = {name: row.pop(f"no_{name}") for name in ("visitor", "pages", "seconds")}
    for ours, name in (("visitor", "visitor"), ("pages", "pages"), ("duration_s", "seconds")):
        if blank[name] and ours in layout.columns:
            unclear.note(f"activity.{ours}", "empty or out of range", "null", count=blank[name])
    if blank["visitor"]:
        row |= {"visitors": None}
    if blank["pages"]:
        row |= {"page_views": None, "bounced": None}
    return {**row, "source": "postgres"}


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
    span = {"start": scope.baseline.start, "split": scope.window.start, "end": scope.known.end}
    rows = _counted_by_sql(reader, feature, span) if feature.sql else _counted_rows(reader, feature, span)
    blank = sum(row["blank"] for row in rows)
    if blank:
        where = f"{feature.value_column or 'amount'} IS NOT NULL"
        mend = mend_line("features", value=[{"name": feature.name, "where": where}])
        reader.unclear.note(f"features.{feature.name}", "no number", "null", mend=mend, count=blank)
    return [_bin(feature, row) for row in rows]


def _bin(feature: Feature, row: Row) -> Row:
    at = pd.Timestamp(row["bin"], unit="s", tz="UTC")
    return {"feature": feature.name, "at": at, "amount": row["amount"], "blank": row["blank"] or None}


def _counted_rows(reader: Reader, feature: Feature, span: Mapping[str, datetime]) -> list[Row]:
    columns = [c for c in (*_times(feature), feature.value_column, feature.first_per) if c]
    sight = reader.ledger.readable(str(feature.table), columns)
    for column in _times(feature):
        mapping.check_time(column, sight.columns[column])
        mapping.check_fresh(reader, sight, column, feature.time_zone)
        _check_zone(reader, feature, sight.table, column=column, kind=sight.columns[column])
    return reader.rows(sight, _query(feature, sight), span)


def _counted_by_sql(reader: Reader, feature: Feature, span: Mapping[str, datetime]) -> list[Row]:
    author = _author(str(feature.sql))
    policies = reader.ledger.by_policy(feature_tables(feature))
    look = compose("SELECT at FROM {author} LIMIT 0", author=author)
    kind = reader.session.kinds(look, span, row_security=policies)["at"]
    _check_zone(reader, feature, "its sql", column="at", kind=kind)
    zoned = compose("timezone({z}, at::timestamp)", z=literal(feature.time_zone or "UTC"))
    query = compose(_BINNED, moment=zoned if mapping.is_naive(kind) else written("at"), rows=author)
    return reader.session.rows(query, span, timeout_s=mapping.TABLE_S, row_security=policies)


def _check_zone(reader: Reader, feature: Feature, table: str, column: str, kind: str) -> None:
    if feature.time_zone or not mapping.is_naive(kind):
        return
    mend = mend_line("features", value=[{"name": feature.name, "time_zone": reader.site.time_zone}])
    item = f"features.{feature.name}.{column}"
    reader.unclear.note(item, "no zone", f"{column} {kind}", taken_for="not read", mend=mend)
    raise SourceError(SOURCE, mapping.no_zone(table, column, kind, mend))


# A quarter in which the window starts is two bins, so that what came before the deployment stays out of it.
_BINNED = """
SELECT greatest(
         floor(extract(epoch FROM {moment}) / 900) * 900,
         CASE WHEN {moment} >= %(split)s THEN extract(epoch FROM %(split)s::timestamptz) END
       )::float8 AS bin,
       sum(amount)::float8 AS amount,
       count(*) - count(amount) AS blank
FROM {rows} WHERE {moment} >= %(start)s AND {moment} < %(end)s GROUP BY 1 ORDER BY 1
"""


def _author(text: str) -> Any:
    return compose("({query}\n) AS author", query=written(text))


def _times(feature: Feature) -> tuple[str, ...]:
    return feature.time_columns or ((feature.time_column,) if feature.time_column else ())


def _query(feature: Feature, sight: Sight) -> Any:
    times = [mapping.value(c, sight.columns[c], feature.time_zone) for c in _times(feature)]
    moment = times[0] if len(times) == 1 else compose("least({times})", times=joined(times))
    where = [mapping.condition(feature.where)]
    if len(times) == 1 and not feature.first_per:
        column = _times(feature)[0]
        where.append(mapping.inside(column, sight.columns[column], feature.time_zone))
    rows = compose(
        "(SELECT {moment} AS at, {amount} AS amount FROM {table} WHERE {where} {grouped}) AS rows",
        moment=compose("min({moment})", moment=moment) if feature.first_per else moment,
        amount=_summed(sight, str(feature.value_column)) if feature.kind is FeatureKind.SUM else written("1"),
        table=identifier(sight.table),
        where=joined(where, " AND "),
        grouped=compose("GROUP BY {per}", per=identifier(feature.first_per)) if feature.first_per else written(""),
    )
    return compose(_BINNED, moment=written("at"), rows=rows)


def _summed(sight: Sight, column: str) -> Any:
    """The number of a row, missing where it is none."""
    kind = sight.columns[column]
    number = identifier(column) if kind in mapping.NUMERIC else mapping.number(column, kind)
    return compose("CASE WHEN ({n})::text NOT IN ('NaN', 'Infinity', '-Infinity') THEN {n} END", n=number)
