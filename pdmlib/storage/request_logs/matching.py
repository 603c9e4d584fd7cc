"""The window beside the seven days before the deployment, on the hours of the week that both hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd

from pdmlib import stats
from pdmlib.frames.frame import frame
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.storage.request_logs import days
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.histogram import bucket_sql, percentiles
from pdmlib.storage.request_logs.reader import IN, IN_HOURS, Held, hours_and_edges, requests_in

HourOfWeek = tuple[int, int, int]
SCANNED_REQUESTS = 20_000_000
ITEMS_AT_MOST = 500  # rows a table can show
_THESE = "IN (SELECT unnest(CAST($hours AS TIMESTAMP[])))"
_CELLS = ["dimension", "item", "requests", "failures", "timed", "sum_us"]
_KNOWN = "coalesce(sum(n) FILTER (WHERE status IS NOT NULL), 0)"
_BUCKETS = ["dimension", "item", "bucket", "n"]


def same_hours(held: Held, scope: Scope, level: float) -> dict[str, pd.DataFrame]:
    """Frame `same_hours`: the window and the seven days before the deployment, on whole hours of the week of both.

    An hour counts when the log holds a request of it. Percentiles are pooled from histograms, within 1 %
    of an observed request. Regions and releases are read from the rows, up to 20 million of them.
    """
    windows = (scope.window, scope.before)
    hours = [_hours(held, hours_and_edges(window)[0], scope.zone) for window in windows]
    shared = set(hours[0].values()) & set(hours[1].values())
    if not shared:
        return {}
    chosen = [[hour for hour, place in found.items() if place in shared] for found in hours]
    scanned = sum(requests_in(held, window) for window in windows) <= SCANNED_REQUESTS
    now, before = (_side(held, w, h, scanned=scanned, level=level) for w, h in zip(windows, chosen, strict=True))
    both = now.join(before.add_suffix("_before"), how="outer")
    both = both.assign(busy=both["requests"].fillna(0) + both["requests_before"].fillna(0))
    both = both.sort_values("busy", ascending=False).groupby(level="dimension").head(ITEMS_AT_MOST).sort_index()
    counts = [f"{name}{side}" for name in ("requests", "failures", "timed") for side in ("", "_before")]
    both[counts] = both[counts].fillna(dict.fromkeys(["requests", "requests_before"], 0)) / held.asked.sample_rate
    both = both.assign(source=SOURCE, hours=len(chosen[0]), hours_before=len(chosen[1]))
    return {"same_hours": frame("same_hours", both.drop(columns="busy").reset_index())}


def _hours(held: Held, inner: Window, zone: ZoneInfo) -> dict[datetime, HourOfWeek]:
    """The whole hours of a window that hold a request of any kind, and each one's place in the site's week."""
    if not inner.seconds:
        return {}
    rows = held.rows(f"SELECT DISTINCT hour FROM {{source}} WHERE {IN_HOURS} ORDER BY hour", "totals", inner)
    local = {hour: hour.replace(tzinfo=UTC).astimezone(zone) for (hour,) in rows}
    return {hour: (at.weekday(), at.hour, at.minute) for hour, at in local.items()}


def _side(held: Held, window: Window, hours: Sequence[datetime], scanned: bool, level: float) -> pd.DataFrame:
    inner, _ = hours_and_edges(window)
    cells, buckets = _of_routes(held, inner, hours)
    if scanned:
        more = _of_rows(held, inner, hours)
        cells, buckets = (pd.concat(pair, ignore_index=True) for pair in zip((cells, buckets), more, strict=True))
    table = cells.set_index(["dimension", "item"])
    p95 = {key: _p95(rows, level) for key, rows in buckets.groupby(["dimension", "item"])}
    names = ["p95_ms", "p95_low_ms", "p95_high_ms"]
    index = pd.MultiIndex.from_tuples(p95, names=table.index.names) if p95 else table.index[:0]
    found = table.join(pd.DataFrame(list(p95.values()), index=index, columns=names, dtype="float64"))
    return found.assign(sum_ms=found["sum_us"] / 1000 / held.asked.sample_rate).drop(columns="sum_us")


def _p95(buckets: pd.DataFrame, level: float) -> tuple[float, float | None, float | None]:
    (found,) = percentiles(buckets["bucket"].to_numpy(), buckets["n"].to_numpy(), (0.95,), level)
    return found.ms, found.low_ms, found.high_ms


def _of_routes(held: Held, inner: Window, hours: Sequence[datetime]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells and buckets of each route and of all, from the hours' small tables."""
    which = f"WHERE {held.counted} AND {IN_HOURS} AND hour {_THESE}"
    named = "if(GROUPING(route) = 1, 'all', 'route'), if(GROUPING(route) = 1, '', route)"
    cells = held.rows(
        f"""SELECT {named}, sum(n),
              {days.failures(f"coalesce(sum(n) FILTER (WHERE {days.FAILED}), 0)", _KNOWN, "sum(n)")},
              sum(timed), sum(sum_us)
            FROM {{source}} {which} GROUP BY GROUPING SETS ((), (route))""",
        "totals",
        inner,
        hours=list(hours),
    )
    buckets = held.rows(
        f"""SELECT {named}, bucket, sum(n) FROM {{source}} {which}
            GROUP BY GROUPING SETS ((bucket), (route, bucket))""",
        "buckets",
        inner,
        hours=list(hours),
    )
    return _numbers(cells, _CELLS), _numbers(buckets, _BUCKETS)


def _of_rows(held: Held, inner: Window, hours: Sequence[datetime]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells and buckets of each region and release, in one pass over the rows."""
    rows = held.rows(
        f"""SELECT if(GROUPING(region) = 0, 'region', 'release'),
              if(GROUPING(region) = 0, region, release) AS item, bucket, count(*),
              count(*) FILTER (WHERE {days.FAILED}), count(ms), {days.SUM_US}, count(status)
            FROM (SELECT *, {bucket_sql("ms")} AS bucket FROM {{source}}
              WHERE {held.counted} AND {IN} AND date_trunc('hour', moment) {_THESE})
            GROUP BY GROUPING SETS ((region, bucket), (release, bucket)) HAVING item IS NOT NULL""",
        "requests",
        inner,
        hours=list(hours),
    )
    table = _numbers(rows, ["dimension", "item", "bucket", "requests", "failures", "timed", "sum_us", "known"])
    sums = table.groupby(["dimension", "item"])[[*_CELLS[2:], "known"]].sum(min_count=1).reset_index()
    told = zip(sums["failures"], sums["known"], sums["requests"], strict=True)
    sums["failures"] = pd.Series([stats.of_all(*counts) for counts in told], sums.index, dtype="float64")
    timed = table.dropna(subset="bucket").rename(columns={"timed": "n"})
    return sums[_CELLS], timed[_BUCKETS]


def _numbers(rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype(dict.fromkeys(columns[2:], "float64"))
