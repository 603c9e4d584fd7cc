"""Lines of a log that were rejected: when they were written, how many of a window they are, and what would help.

A rejected line may be a failed request, so that it is neither one nor nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from pdmlib.frames.frame import frame
from pdmlib.frames.readings import State, significant
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs import formats
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE
from pdmlib.storage.request_logs.files import Piece
from pdmlib.storage.request_logs.progress import many
from pdmlib.storage.request_logs.reader import DAY, HOUR, IN_HOURS, Held, outer_hours

Hours = Counter[datetime | None]  # rejected lines by the hour that they were written in; None: not known
Days = Mapping[str, Mapping[str, Any]]
# A time anywhere in a line, to the minute, and its zone: as access logs write it, and ISO 8601.
_TIMES = (
    (r"(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}):\d{2} ?([+-]\d{4})?", "%d/%b/%Y:%H:%M"),
    (r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}):\d{2}[.,]?\d* ?(Z|[+-]\d{2}:?\d{2})?", "%Y-%m-%d %H:%M"),
)
_MENDS = {
    "requests.time_zone": "requests: {time_zone: '<the zone that the log is written in>'}",
    "requests.columns.status": "requests: {columns: {status: '<the field of the status>'}}",
    "requests.duration_unit": "requests: {duration_unit: '<s, ms or us>'}",
}
FORMAT = "requests: {log_format: '<as the server that writes these lines has it>'}"


def hours_of(
    connection: duckdb.DuckDBPyConnection,
    batch: Sequence[Piece],
    asked: Requests,
    aside: Mapping[str, Sequence[str]],
    rows: str,
    rejected: Mapping[str, int],
) -> dict[str, Hours]:
    """When the rejected lines of each file were written, as far as they tell it.

    Args:
        aside: lines that the reader could not split, by file.
        rows: the table of the others.
        rejected: how many there are of each file.
    """
    only, found = batch[0], {path: Counter[datetime | None]() for path, count in rejected.items() if count}
    for path, hour, count in connection.execute(
        f"SELECT coalesce(file, $only), date_trunc('hour', moment), count(*) FROM {rows} "
        "WHERE verdict > 2 AND moment IS NOT NULL AND verdict <> 5 GROUP BY ALL",
        {"only": only.path},
    ).fetchall():
        found[path][hour.replace(tzinfo=UTC)] += count
    readable = only.form.dialect not in ("csv", "parquet") and only.form.shape == "lines"
    for path, hours in found.items():
        hours.update(_hour(line, asked) for line in aside.get(path, ()))
        if readable and not path.startswith(REMOTE):
            _add_strange(connection, path, hours, only, asked=asked)
        known = sum(count for hour, count in hours.items() if hour is not None)
        hours[None] = max(0, rejected[path] - known)
    return found


def _add_strange(
    connection: duckdb.DuckDBPyConnection, path: str, hours: Hours, only: Piece, asked: Requests
) -> None:
    """Adds the lines of a text that are not of its format."""
    parts = (f"regexp_extract(line, {engine.literal(pattern)}, ['minute', 'zone'])" for pattern, _ in _TIMES)
    source, odd = formats.lines([path]), formats.suspect(asked, only.form)
    query = f"SELECT {', '.join(parts)}, count(*) FROM {source} WHERE {odd} GROUP BY ALL"
    try:
        for *times, count in connection.execute(query).fetchall():
            text = next((p for p in times if p["minute"]), None)
            hours[_parsed(text["minute"], text["zone"], asked) if text else None] += count
    except duckdb.Error:
        return


def _hour(line: str, asked: Requests) -> datetime | None:
    found = next((seen for pattern, _ in _TIMES if (seen := re.search(pattern, line))), None)
    return _parsed(found[1], found[2], asked) if found else None


def _parsed(text: str, zone: str | None, asked: Requests) -> datetime | None:
    """The hour in which a time lies; one without its zone is understood as the site file says."""
    if not zone and not asked.time_zone:
        return None
    for _, form in _TIMES:
        try:
            moment = datetime.strptime(text.replace("T", " ") if form.startswith("%Y") else text, form)
            offset = datetime.strptime(zone, "%z").tzinfo if zone else ZoneInfo(str(asked.time_zone))
            return moment.replace(tzinfo=offset).astimezone(UTC).replace(minute=0)
        except (ValueError, OverflowError):
            continue
    return None


def added(days: Days, hours: Hours, span: tuple[datetime, datetime], example: str) -> Days:
    """The rejected lines of all days with those of one more file.

    Args:
        span: the first and the last request of the file, between which lines without a time belong.
    """
    found = {day: {**row, "hours": dict(row["hours"])} for day, row in days.items()}
    for hour, count in sorted((h, n) for h, n in hours.items() if h is not None and n):
        row = _row(found, hour.date(), example)
        row["hours"][str(hour.hour)] = row["hours"].get(str(hour.hour), 0) + count
    if hours[None]:
        row = _row(found, span[1].date(), example)
        row["untimed"] += hours[None]
        row["since"] = min(filter(None, (row["since"], span[0].isoformat())))
    return found


def _row(days: dict[str, dict[str, Any]], day: date, example: str) -> dict[str, Any]:
    row = days.setdefault(day.isoformat(), {"hours": {}, "untimed": 0, "since": None, "example": ""})
    row["example"] = example or row["example"]
    return row


def told(held: Held, scope: Scope) -> dict[str, pd.DataFrame]:
    """What of the window was rejected: a row of `not_understood` where it is more than a few, and a gap."""
    found = list(_inside(held.manifest.rejected, scope.window))
    count = sum(n for n, _, _ in found)
    if not count:
        return {}
    example = next(row["example"] for _, row, _ in reversed(found))
    lines = count + lines_in(held, scope.window)
    share = f"{significant(100 * count / lines, 2)} % of them"
    most = "up to " * any(span is not None for _, _, span in found)  # a file's time may be longer than the window
    reason = f"{most}{count:,} lines of the request log were rejected ({most}{share}), such as {example}"
    gap = {"source": SOURCE, "item": "rejected", "state": State.NOT_UNDERSTOOD.value, "reason": reason}
    frames = {"gaps": frame("gaps", [gap])}
    if any(_many(held, part) for part in (scope.window, scope.present)):
        mend = next((line for key, line in _MENDS.items() if key in example), FORMAT)
        what = f"rejected lines, of {lines:,}"
        frames |= unclear(item_of(held.asked), what, count, example=example, mend=mend)
    return frames


def item_of(asked: Requests) -> str:
    """The key of the site file that says how a line is read."""
    return "requests.log_format" if asked.log_format else "requests.format"


def unclear(item: str, what: str, count: int, example: str, mend: str) -> dict[str, pd.DataFrame]:
    """A row of `not_understood` of what is taken for no request."""
    row = {
        "source": SOURCE,
        "item": item,
        "what": what,
        "count": count,
        "example": example,
        "taken_for": "no request",
        "mend": mend,
    }
    return {"not_understood": frame("not_understood", [row])}


def _many(held: Held, window: Window) -> bool:
    """Whether many of a window's lines were rejected, or many of a file of it whose time is not known."""
    timed = 0
    for count, _, span in _inside(held.manifest.rejected, window):
        if span is None:
            timed += count
        elif many(count, count + lines_in(held, span)):
            return True
    return many(timed, timed + lines_in(held, window))


def _inside(days: Days, window: Window) -> Iterator[tuple[int, Mapping[str, Any], Window | None]]:
    """How many lines of a window each day tells of, and between when they were written if that is not exact."""
    hours = outer_hours(window)
    for day, row in sorted(days.items()):
        start = datetime.combine(date.fromisoformat(day), time.min, UTC)
        each = ((start + int(hour) * HOUR, count) for hour, count in row["hours"].items())
        if timed := sum(count for at, count in each if hours.start <= at < hours.end):
            yield timed, row, None
        if row["untimed"]:
            span = Window(datetime.fromisoformat(row["since"]), start + DAY)
            if span.start < window.end and window.start < span.end:
                yield row["untimed"], row, span


def lines_in(held: Held, window: Window) -> int:
    """Lines of requests of whatever kind in the hours that a window touches."""
    found = held.rows(f"SELECT sum(n) FROM {{source}} WHERE {IN_HOURS}", "totals", outer_hours(window))
    return int(found[0][0] or 0) if found else 0
