"""Frames of a report from the store: counts, response times, page views, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pdmlib import stats
from pdmlib.errors import CallError, SourceError, one_of
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.readings import FEWEST_EVENTS, State
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.site.log_formats import HOW_TO_TIME
from pdmlib.site.site import Site
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs import days, manifests, rejects, unread
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.histogram import Percentile, percentiles
from pdmlib.storage.request_logs.ingest import store_of
from pdmlib.storage.request_logs.matching import same_hours
from pdmlib.storage.request_logs.percentiles import buckets_in, exact, pooled, row_of, totals_in
from pdmlib.storage.request_logs.reader import (
    DAY,
    HOUR,
    IN,
    IN_HOURS,
    Held,
    hours_and_edges,
    missing_days,
    requests_in,
    silent_hours,
    whole_minutes,
)
from pdmlib.storage.request_logs.route_hours import route_hours
from pdmlib.storage.request_logs.silences import quiet_minutes, silences

EXACT_REQUESTS = 1_000_000  # up to here the times themselves are read, above it their histograms
ROUTES_AT_MOST = 500  # rows a table can show
REST = "[other]"
TOLD = 12
# Times that a store is read anew which an ingest changed meanwhile: one that follows adds every two seconds.
AGAIN = 3
BREAKDOWNS = ("release", "region", "route", "kind")
NO_FAULT = 200  # the status of a count of none, which is none of failures either
FINEST_S = 3600  # of a window: up to an hour it is told by the minute
# Of an hour: the share of failures from which on its minutes are told, and how many such hours are.
LOUD_SHARE, LOUD_HOURS = 0.01, 72
SERVER_ERROR, CRASHED = 500, -1  # statuses of failures: from the first on, and of a function without an answer
INTERVAL = "requests, failures, timed, avg_ms, p50_ms, p95_ms, p99_ms"
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def collect(site: Site, scope: Scope, store_folder: Path) -> dict[str, pd.DataFrame]:
    """What the store holds of a report's time, as frames of source `requests`.

    `request_counts` by hour (by minute for windows of an hour, about the deployment, and where failures begin or
    end) and by route for the window and the seven days before; `latencies` of each of the scope's spans, of each
    hour of the site's clock, of what the window cuts of such hours, of the busiest minute, and by route;
    `same_hours` for before against after; `route_hours` of the routes that matter; `activity` of each span; `gaps`
    for hours and days that nothing is held of. `confidence` says whether percentiles are `exact` or of a
    `histogram`, within 1 % of a request.

    Raises:
        SourceError: the store is damaged.
    """
    if site.requests is None:
        return {}
    folder = store_of(site, store_folder)
    manifest = manifests.load(folder)
    for _ in range(AGAIN):
        try:
            return _collected(site.requests, scope, folder, manifest)
        except SourceError:
            before, manifest = manifest, manifests.load(folder)
            if manifest == before:
                raise
    return _collected(site.requests, scope, folder, manifest)


def _collected(
    asked: Requests, scope: Scope, folder: Path, manifest: manifests.Manifest
) -> dict[str, pd.DataFrame]:
    if not manifest.requests and not manifest.views:
        return {"gaps": frame("gaps", [_gap(None, f"no request log was ingested into {folder}")])}
    with engine.session(asked.memory_limit) as connection:
        held = Held(connection, folder, manifest, asked)
        parts = [_views(held, scope)] if manifest.views else []
        if manifest.requests:
            level = stats.level_for_looks(scope.phase.looks)
            parts += [_counts(held, scope), _latencies(held, scope, level), same_hours(held, scope, level)]
            parts += [
                route_hours(held, scope),
                silences(held, scope),
                _gaps(held, scope),
                rejects.told(held, scope),
                unread.told(held, scope),
            ]
        return merge(parts)


def _counts(held: Held, scope: Scope) -> dict[str, pd.DataFrame]:
    rate = held.asked.sample_rate
    hourly = held.rows(
        f"""SELECT hour, 3600, NULL, status, sum(n) FROM {{source}}
            WHERE {held.counted} AND hour >= $start AND hour <= $end - INTERVAL 1 HOUR
            GROUP BY hour, status ORDER BY ALL""",
        "totals",
        held.reach(scope),
    )
    rows = [*hourly, *_none_counted(held, held.reach(scope))]
    for window in _short(scope):
        rows += [(at, 60, None, NO_FAULT, 0) for at in quiet_minutes(held, whole_minutes(window))]
    for window in _minute_windows(scope, _loud(hourly)):
        rows += held.rows(
            f"""SELECT date_trunc('minute', moment) AS start, 60, NULL, status, count(*) FROM {{source}}
                WHERE {held.counted} AND moment >= $start AND moment < $end
                GROUP BY ALL ORDER BY ALL""",
            "requests",
            whole_minutes(window),
        )
    table = pd.DataFrame(rows, columns=["at", "interval_s", "route", "status", "requests"])
    by_route = [_route_counts(held, window) for window in dict.fromkeys((scope.window, scope.before))]
    table = pd.concat([table, *[t for t in by_route if len(t)]], ignore_index=True)
    table = table.assign(source=SOURCE, requests=table["requests"].astype("float64") / rate, sample_rate=rate)
    return {"request_counts": frame("request_counts", table)}


def _none_counted(held: Held, reach: Window) -> list[tuple[Any, ...]]:
    """A count of none for each hour in which the log has other lines alone: there it vouches for none."""
    return held.rows(
        f"""SELECT hour, 3600, NULL, {NO_FAULT}, 0 FROM {{source}} WHERE {IN_HOURS}
            GROUP BY hour HAVING NOT bool_or({held.counted}) ORDER BY hour""",
        "totals",
        reach,
    )


def _route_counts(held: Held, window: Window) -> pd.DataFrame:
    """Requests of each route and status of a window; routes beyond the busiest 500 together as [other]."""
    inner, edges = hours_and_edges(window)
    found: dict[tuple[str, int | None], int] = {}
    if inner.seconds:
        query = f"SELECT route, status, sum(n) FROM {{source}} WHERE {held.counted} AND {IN_HOURS} GROUP BY ALL"
        _add(found, held.rows(query, "totals", inner))
    for edge in edges:
        query = f"SELECT route, status, count(*) FROM {{source}} WHERE {held.counted} AND {IN} GROUP BY ALL"
        _add(found, held.rows(query, "requests", edge))
    kept = _busiest((route, n) for (route, _), n in found.items())
    folded: dict[tuple[str, int | None], int] = {}
    _add(folded, ((route if route in kept else REST, status, n) for (route, status), n in found.items()))
    rows = [
        (window.start, window.seconds, route, status, n) for (route, status), n in sorted(folded.items(), key=str)
    ]
    return pd.DataFrame(rows, columns=["at", "interval_s", "route", "status", "requests"])


def _add(found: dict[tuple[str, int | None], int], rows: Any) -> None:
    for route, status, n in rows:
        found[route, status] = found.get((route, status), 0) + int(n)


def _busiest(pairs: Any) -> set[str]:
    sums: dict[str, int] = {}
    for route, n in pairs:
        sums[route] = sums.get(route, 0) + n
    return set(sorted(sums, key=lambda route: (-sums[route], route))[:ROUTES_AT_MOST])


def _latencies(held: Held, scope: Scope, level: float) -> dict[str, pd.DataFrame]:
    gaps = missing_days(held, held.reach(scope))
    named = {scope.window, scope.before, scope.latest}
    rows = _interval_rows(held, scope)
    for window in dict.fromkeys((*scope.spans, *_cut_hours(scope))):
        rows += _span_rows(held, window, by_route=window in named, lost=gaps, level=level)
    table = pd.DataFrame(rows)
    if table.empty:
        return {}
    rate = held.asked.sample_rate
    table = table.assign(
        source=SOURCE,
        samples=table["requests"],
        requests=table["requests"] / rate,
        failures=pd.to_numeric(table["failures"]) / rate,
        sample_rate=rate,
    )
    return {"latencies": frame("latencies", table)}


def _span_rows(
    held: Held, window: Window, by_route: bool, lost: Sequence[Window], level: float
) -> list[dict[str, Any]]:
    count = requests_in(held, window)
    if not count:
        return []
    small = count <= EXACT_REQUESTS
    found = (exact if small else pooled)(held, window, by_route, level)
    complete = not any(day.start < window.end and window.start < day.end for day in lost)
    confidence = "exact" if small else "histogram"
    kept = _busiest((row["route"], row["requests"]) for row in found if row["route"] is not None)
    return [
        {**row, "start": window.start, "end": window.end, "confidence": confidence, "complete": complete}
        for row in found
        if row["route"] is None or row["route"] in kept
    ]


def _interval_rows(held: Held, scope: Scope) -> list[dict[str, Any]]:
    """Each whole hour of the site's clock, and the busiest minute of each span that is judged."""
    rows = [row for window, past in _clocks(held.reach(scope), scope.zone) for row in _hours(held, window, past)]
    for window in dict.fromkeys((scope.window, scope.latest, scope.previous, scope.before)):
        rows += held.rows(
            f"SELECT start, seconds, {INTERVAL} FROM {{source}} "
            "WHERE seconds = 60 AND start >= $start AND start < $end ORDER BY requests DESC, start LIMIT 1",
            "intervals",
            whole_minutes(window),
        )
    found = []
    for start, seconds, *rest in rows:
        begin = start.replace(tzinfo=UTC)
        times = {
            "start": begin,
            "end": begin + timedelta(seconds=seconds),
            "confidence": "exact",
            "complete": True,
        }
        found.append({**row_of(None, *rest), **times})
    return found


def _clocks(reach: Window, zone: ZoneInfo) -> Iterator[tuple[Window, timedelta]]:
    """Days that a window holds whole hours of a zone's clock of, and how long past those of UTC these begin."""
    start = reach.start
    while start < reach.end:
        past = _past(start, zone)
        end = start.replace(hour=0, minute=0, second=0, microsecond=0) + DAY + past
        whole = hours_and_edges(Window(start, min(end, reach.end)).shifted(-past))[0].shifted(past)
        if whole.seconds:
            yield whole, past
        start = end


def _past(moment: datetime, zone: ZoneInfo) -> timedelta:
    """How long after an hour of UTC an hour of a zone's clock begins: none in most, 30 or 45 min in some."""
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return -offset % HOUR


def _hours(held: Held, window: Window, past: timedelta) -> list[tuple[Any, ...]]:
    """The hours of a window: as they were kept, or from the requests where they are none of UTC."""
    if not past:
        query = f"""SELECT start, seconds, {INTERVAL} FROM {{source}}
            WHERE seconds = 3600 AND start >= $start AND start < $end ORDER BY start"""
        return held.rows(query, "intervals", window)
    minutes = f"INTERVAL {past // MINUTE} MINUTES"
    query = f"""SELECT date_trunc('hour', moment - {minutes}) + {minutes} AS start, 3600, {days.STATISTICS}
        FROM {{source}} WHERE {held.counted} AND {IN} GROUP BY 1 ORDER BY 1"""
    return held.rows(query, "requests", window)


def _cut_hours(scope: Scope) -> Iterator[Window]:
    """What the window and the seven days before the deployment have of hours of the site's clock that they cut."""
    for window in (scope.window, scope.before):
        first, last = _begun(window.start, scope.zone) + HOUR, _begun(window.end, scope.zone)
        cuts = sorted({window.start, window.end, *(moment for moment in (first, last) if window.contains(moment))})
        parts = (Window(start, end) for start, end in pairwise(cuts))
        yield from (part for part in parts if part.seconds < HOUR.total_seconds())


def _begun(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the hour of a zone's clock began that holds a moment."""
    return moment - (moment - EPOCH - _past(moment, zone)) % HOUR


def percentiles_of(
    site: Site, window: Window, store_folder: Path, route: str | None = None
) -> tuple[Percentile, ...]:
    """p50, p95 and p99 of a window with their 95 % intervals, from histograms; empty when nothing is held."""
    if site.requests is None:
        return ()
    folder = store_of(site, store_folder)
    with engine.session(site.requests.memory_limit) as connection:
        held = Held(connection, folder, manifests.load(folder), site.requests)
        buckets = buckets_in(held, window, route)
        return percentiles(buckets["bucket"].to_numpy(), buckets["n"].to_numpy())


def breakdown(site: Site, window: Window, store_folder: Path, by: str = "release") -> pd.DataFrame:
    """Requests, failures and exact response times of a window by `release`, `region`, `route` or `kind`.

    One row a value that occurs, busiest first, NaN for requests that name none; of counted kinds,
    but of all when broken down by kind.

    Raises:
        CallError: `by` is none of these.
    """
    if by not in BREAKDOWNS:
        raise CallError(one_of(by, BREAKDOWNS, "a breakdown"))
    columns = [by, "requests", "failures", "avg_ms", "p50_ms", "p95_ms", "p99_ms"]
    if site.requests is None:
        return pd.DataFrame(columns=columns)
    folder = store_of(site, store_folder)
    with engine.session(site.requests.memory_limit) as connection:
        held = Held(connection, folder, manifests.load(folder), site.requests)
        which = "true" if by == "kind" else held.counted
        rows = held.rows(
            f"""SELECT {by}, {days.STATISTICS} FROM {{source}} WHERE {which} AND {IN}
                GROUP BY {by} ORDER BY count(*) DESC, {by}""",
            "requests",
            window,
        )
    return pd.DataFrame([{by: value, **row_of(None, *rest)} for value, *rest in rows], columns=columns)


def _views(held: Held, scope: Scope) -> dict[str, pd.DataFrame]:
    """Distinct visitors and sessions of each span; a session's time is from its first to its last event."""
    rows = []
    for window in scope.visits:
        found = held.rows(
            f"""WITH sessions AS (
                  SELECT session, count(*) FILTER (WHERE is_view) AS seen,
                    epoch(max(moment) - min(moment)) AS took
                  FROM {{source}} WHERE {IN} AND session IS NOT NULL GROUP BY session),
                inside AS (SELECT count(DISTINCT device) AS visitors, count(*) FILTER (WHERE is_view) AS views,
                    count(*) AS events FROM {{source}} WHERE {IN})
                SELECT visitors, (SELECT count(*) FROM sessions), views, (SELECT avg(took) FROM sessions),
                  (SELECT count(*) FROM sessions WHERE seen = 1) FROM inside WHERE events > 0""",
            "views",
            window,
        )
        names = ("visitors", "sessions", "page_views", "session_s", "bounced")
        rows += [
            {
                "source": SOURCE,
                "start": window.start,
                "end": window.end,
                **dict(zip(names, row, strict=True)),
            }
            for row in found
        ]
    return {"activity": frame("activity", rows)}


def _gaps(held: Held, scope: Scope) -> dict[str, pd.DataFrame]:
    """What nothing is held of: the window as a whole, days of window and baseline, hours of the window."""
    window = scope.window
    if not requests_in(held, window):
        newest = max(held.manifest.requests)
        text = f"no request log of {window} was ingested; the newest day held is {newest}"
        return {"gaps": frame("gaps", [_gap(None, text)])}
    totals = totals_in(held, window)
    if not len(totals):
        span = f"{window.start:%H:%M:%S} to {window.end:%H:%M:%S} UTC of {window.start:%Y-%m-%d}"
        none = f"the request log holds no request from {span}"
        return {"gaps": frame("gaps", [_gap("request_counts", none), _gap("latencies", none)])}
    rows = [*_untimed(held, scope, totals), *_statusless(totals)]
    lost_days = missing_days(held, held.reach(scope))
    if lost_days:
        runs = [
            f"{run.start:%Y-%m-%d}" + (f" to {run.end - DAY:%Y-%m-%d}" if run.end - run.start > DAY else "")
            for run in _runs(lost_days)
        ]
        rows.append(_gap("days", f"no request log was ingested of {len(lost_days)} days: {_listed(runs)}"))
    hours = silent_hours(held, window)
    if hours:
        runs = [f"{run.start:%Y-%m-%d %H:%M} to {run.end:%m-%d %H:%M}" for run in _runs(hours)]
        rows.append(_gap("hours", f"the request log holds nothing of {len(hours)} hours: {_listed(runs)} UTC"))
    return {"gaps": frame("gaps", rows)}


def _statusless(totals: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Says of how many requests nobody knows whether they failed."""
    requests, unknown = totals["n"].sum(), totals.loc[totals["status"].isna(), "n"].sum()
    if not unknown:
        return []
    told = f"the status of {unknown:,} of {requests:,} requests of the log is not known"
    if stats.of_all(0, requests - unknown, requests) is None:
        return [_gap("request_counts", f"{told}: more than 5 %, so that there is no error rate")]
    return [_gap("request_counts", f"{told}; they count neither as failed nor as well")]


def _untimed(held: Held, scope: Scope, totals: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Says that no request of the window has a response time, and how to log them where none of the log has."""
    if totals["timed"].sum():
        return []
    reach, asked = held.reach(scope), held.asked
    ((timed,),) = held.rows(f"SELECT sum(timed) FROM {{source}} WHERE {IN_HOURS}", "totals", reach) or ((0,),)
    if timed:
        return [
            _gap("latencies", "no request of this time has a response time in the log, though others of it have")
        ]
    how = HOW_TO_TIME
    if asked.format.startswith("vercel") and not asked.log_format:
        how = "name the field that holds them as requests.columns.duration_ms, or take the trace drain"
    return [_gap("latencies", f"the request log has no response times; {how}")]


def _gap(item: str | None, reason: str) -> Mapping[str, Any]:
    return {"source": SOURCE, "item": item, "state": State.NO_DATA.value, "reason": reason}


def _runs(spans: Sequence[Window]) -> list[Window]:
    """Spans in order, those that meet or overlap as one."""
    runs: list[Window] = []
    for span in spans:
        if runs and runs[-1].end >= span.start:
            runs[-1] = Window(runs[-1].start, max(runs[-1].end, span.end))
        else:
            runs.append(span)
    return runs


def _listed(names: Sequence[str]) -> str:
    more = len(names) - TOLD
    return ", ".join(names[:TOLD]) + (f" and {more} more" if more > 0 else "")


def _short(scope: Scope) -> list[Window]:
    judged = dict.fromkeys((scope.window, scope.present, scope.latest, scope.previous))
    return [w for w in judged if 0 < w.seconds <= FINEST_S]


def _minute_windows(scope: Scope, loud: Sequence[datetime]) -> list[Window]:
    """What is told by the minute: short windows, the hours about the deployment, where failures begin or end."""
    deployed = scope.deployed_at.replace(minute=0, second=0, microsecond=0)
    hours = [deployed - HOUR, deployed, *loud]
    span = Window(min(scope.before.start, scope.window.start), scope.known.end)
    inside = [Window(hour, hour + HOUR).clip(span) for hour in hours if span.start <= hour < span.end]
    return _runs(sorted([*_short(scope), *inside], key=lambda window: window.start))


def _loud(hourly: Sequence[tuple[Any, ...]]) -> list[datetime]:
    """Hours in which many requests failed and of which a neighbour is not such, and these; the newest alone."""
    requests, failed = Counter[datetime](), Counter[datetime]()
    for hour, _, _, status, n in hourly:
        requests[hour] += n
        failed[hour] += n * (status is not None and (status >= SERVER_ERROR or status == CRASHED))
    many = (hour for hour, n in failed.items() if n >= max(FEWEST_EVENTS, LOUD_SHARE * requests[hour]))
    hours = {hour.replace(tzinfo=UTC) for hour in many}
    edges = {hour + n * HOUR for hour in hours for n in (-1, 0, 1) if {hour - HOUR, hour + HOUR} - hours}
    return sorted(edges)[-LOUD_HOURS:]
