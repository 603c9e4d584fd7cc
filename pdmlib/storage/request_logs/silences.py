"""Where a request log holds nothing: whole hours, and the time from its last line on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd

from pdmlib.frames.frame import frame
from pdmlib.phases.scope import FRESH, Scope
from pdmlib.phases.window import Window
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.reader import DAY, HOUR, IN, IN_HOURS, Held, outer_hours

MINUTE = timedelta(minutes=1)
DUE = 20  # lines: none where so many came in as long a time beside it, is a silence (as in the report's analysis)
DELAY = timedelta(minutes=5)  # after the last line: what came later may not be delivered yet
LINES, REQUESTS = "lines", "requests"


def silences(held: Held, scope: Scope) -> dict[str, pd.DataFrame]:
    """The frame `log_silences` of a report's near time.

    Inside, what fills at least an hour of the clock; at the end, what is longer than a delivery may take.
    """
    near = Window(scope.near_from, scope.known.end)
    rows = [_row(LINES, stretch, goes_on=True) for stretch in _inside(held, near)]
    after = Window(near.end, max(near.end, scope.as_of))
    goes_on = bool(held.rows(f"SELECT 1 FROM {{source}} WHERE {IN} LIMIT 1", "requests", after))
    for item, which in ((LINES, "true"), (REQUESTS, held.counted)):
        last = _last(held, near, which)
        if last is not None and near.end - last >= FRESH:
            rows.append(_row(item, Window(last, near.end), goes_on=goes_on, others=_others(held, last)))
    return {"log_silences": frame("log_silences", rows)} if rows else {}


def quiet_minutes(held: Held, window: Window) -> list[datetime]:
    """Minutes without a request that counts for which the log vouches: it has other lines, or few were due."""
    query = f"""SELECT date_trunc('minute', moment) AS start, count(*), bool_or({held.counted}) FROM {{source}}
        WHERE {IN} GROUP BY start ORDER BY start"""
    rows = held.rows(query, "requests", window)
    lines = {start.replace(tzinfo=UTC): int(count) for start, count, _ in rows}
    found = [start.replace(tzinfo=UTC) for start, _, counted in rows if not counted]
    seen = [*lines, window.end]
    for left, right in pairwise(seen):
        gap = Window(left + MINUTE, right)
        late = right == window.end and right - gap.start > DELAY
        if gap.seconds > 0 and not late and _few_beside(lines, gap):
            found += [gap.start + n * MINUTE for n in range(int(gap.minutes))]
    return found


def _few_beside(lines: Mapping[datetime, int], gap: Window) -> bool:
    """Whether few lines came in as long a time before or after a gap."""
    count = int(gap.minutes)
    before = sum(lines.get(gap.start - n * MINUTE, 0) for n in range(1, count + 1))
    after = sum(lines.get(gap.end + n * MINUTE, 0) for n in range(count))
    return min(before, after or before) < DUE


def _row(item: str, stretch: Window, goes_on: bool, others: int | None = None) -> Mapping[str, Any]:
    found = {"source": SOURCE, "item": item, "start": stretch.start, "end": stretch.end}
    return {**found, "goes_on": goes_on, "others": others}


def _inside(held: Held, near: Window) -> Iterator[Window]:
    """Runs of hours without a line, from the line before to the line after them."""
    rows = held.rows(f"SELECT DISTINCT hour FROM {{source}} WHERE {IN_HOURS}", "totals", outer_hours(near))
    seen = sorted(row[0].replace(tzinfo=UTC) for row in rows)
    if seen and near.start < seen[0]:
        yield Window(near.start, _edges(held, seen[0])[0])
    for left, right in pairwise(seen):
        if right - left > HOUR and (after := _edges(held, right)[0]) < near.end:
            yield Window(_edges(held, left)[1], after)


def _edges(held: Held, hour: datetime) -> tuple[datetime, datetime]:
    """The first and the last line of an hour that holds some."""
    query = f"SELECT min(moment), max(moment) FROM {{source}} WHERE {IN}"
    first, last = held.rows(query, "requests", Window(hour, hour + HOUR))[0]
    return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)


def _last(held: Held, near: Window, which: str) -> datetime | None:
    """The last line of the days that hold one; None where none does."""
    for day in sorted(held.manifest.requests, reverse=True):
        start = datetime.combine(date.fromisoformat(day), time.min, UTC)
        if start >= near.end or start + DAY <= near.start:
            continue
        part = Window(start, min(start + DAY, near.end))
        found = held.rows(f"SELECT max(moment) FROM {{source}} WHERE {which} AND {IN}", "requests", part)
        if found and found[0][0] is not None:
            last: datetime = found[0][0].replace(tzinfo=UTC)
            return max(near.start, last)
    return None


def _others(held: Held, last: datetime) -> int:
    """Lines of the hour before a moment that do not count: of health checks, crawlers, the scheduler."""
    query = f"SELECT count(*) FROM {{source}} WHERE NOT ({held.counted}) AND {IN}"
    found = held.rows(query, "requests", Window(last - HOUR, last))
    return int(found[0][0]) if found else 0
