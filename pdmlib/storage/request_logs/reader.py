"""The store as queries see it: rows of a window, and which days and hours are held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pdmlib.errors import SourceError
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs import manifests
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.manifests import Manifest

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
IN = "moment >= $start AND moment < $end"
IN_HOURS = "hour >= $start AND hour < $end"


@dataclass(frozen=True)
class Held:
    """The store as queries see it."""

    connection: duckdb.DuckDBPyConnection
    folder: Path
    manifest: Manifest
    asked: Requests

    def rows(self, query: str, table: str, window: Window, **more: Any) -> list[tuple[Any, ...]]:
        """Rows of a query over a table's days of a window; `{source}` is the table, $start and $end its bounds."""
        paths = manifests.held(self.folder, self.manifest, table, start=window.start, end=window.end)
        if not paths:
            return []
        given = {"start": _naive(window.start), "end": _naive(window.end), **more}
        try:
            return self.connection.execute(query.replace("{source}", engine.parquet(paths)), given).fetchall()
        except duckdb.Error as error:
            raise SourceError(SOURCE, f"{self.folder}: {engine.reason(error)}") from None

    @property
    def counted(self) -> str:
        """SQL of whether a request's kind is one that counts."""
        return "kind IN (" + ", ".join(engine.literal(kind) for kind in self.asked.counted) + ")"

    def reach(self, scope: Scope) -> Window:
        """From the baseline's start (or the earliest span's) to the last span's end."""
        spans = scope.spans
        return Window(min(scope.baseline.start, *(s.start for s in spans)), max(s.end for s in spans))


def requests_in(held: Held, window: Window) -> int:
    """How many requests the hours that a window touches hold; at least those of the window."""
    hours = (
        Window(_floor(window.start), _floor(window.end - timedelta(microseconds=1)) + HOUR)
        if window.seconds
        else window
    )
    query = f"SELECT coalesce(sum(n), 0) FROM {{source}} WHERE {held.counted} AND {IN_HOURS}"
    found = held.rows(query, "totals", hours)
    return int(found[0][0]) if found else 0


def missing_days(held: Held, reach: Window) -> list[Window]:
    """UTC days of which nothing is held."""
    first, count = reach.start.replace(hour=0, minute=0, second=0, microsecond=0), 0
    lost = []
    while first + count * DAY < reach.end:
        start = first + count * DAY
        if start.date().isoformat() not in held.manifest.requests:
            lost.append(Window(start, start + DAY))
        count += 1
    return lost


def silent_hours(held: Held, window: Window) -> list[Window]:
    """Hours of the window's held days without one request of any kind."""
    rows = held.rows(f"SELECT DISTINCT hour FROM {{source}} WHERE {IN_HOURS}", "totals", outer_hours(window))
    seen = {row[0].replace(tzinfo=UTC) for row in rows}
    hour, lost = _floor(window.start), []
    while hour < window.end:
        if hour not in seen and hour.date().isoformat() in held.manifest.requests:
            lost.append(Window(hour, hour + HOUR))
        hour += HOUR
    return lost


def hours_and_edges(window: Window) -> tuple[Window, tuple[Window, ...]]:
    """The whole hours of a window, and what it has of the hours at its edges."""
    start = _floor(window.start + HOUR - timedelta(microseconds=1))
    end = _floor(window.end)
    if start >= end:
        return Window(window.start, window.start), (window,)
    edges = (Window(window.start, start), Window(end, window.end))
    return Window(start, end), tuple(edge for edge in edges if edge.seconds)


def whole_minutes(window: Window) -> Window:
    """The whole minutes of a window."""
    start = window.start
    if start.second or start.microsecond:
        start = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    end = window.end.replace(second=0, microsecond=0)
    return Window(start, max(start, end))


def outer_hours(window: Window) -> Window:
    """The hours that a window touches."""
    return Window(_floor(window.start), max(_floor(window.start), window.end))


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
