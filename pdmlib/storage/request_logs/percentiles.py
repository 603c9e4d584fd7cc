"""Statistics of any window: exact from its rows, or pooled from the small tables of its hours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.phases.window import Window
from pdmlib.storage.request_logs import days
from pdmlib.storage.request_logs.histogram import Percentile, bucket_sql, percentiles
from pdmlib.storage.request_logs.reader import IN, IN_HOURS, Held, hours_and_edges


def exact(held: Held, window: Window, by_route: bool, level: float) -> list[dict[str, Any]]:
    """Statistics of a window from its rows: of all routes (route None), and of each when asked.

    The intervals are those of the histogram: to the outer edges of the buckets that hold the bounding requests.
    """
    sets = "((), (route))" if by_route else "(())"
    rows = held.rows(
        f"""SELECT {"route" if by_route else "NULL"}, {"GROUPING(route)" if by_route else "1"}, {days.STATISTICS}
            FROM {{source}} WHERE {held.counted} AND {IN} GROUP BY GROUPING SETS {sets} ORDER BY ALL""",
        "requests",
        window,
    )
    found = [row_of(None if whole else route, *rest) for route, whole, *rest in rows if rest[0]]
    buckets = _by_route(buckets_in(held, window), by_route)
    return [{**row, **_bounds(_pooled(buckets.get(row["route"]), level))} for row in found]


def pooled(held: Held, window: Window, by_route: bool, level: float) -> list[dict[str, Any]]:
    """Statistics of a window from its hours' small tables, and from its rows where it cuts an hour."""
    buckets = _by_route(buckets_in(held, window), by_route)
    totals = _by_route(totals_in(held, window), by_route)
    return [_pooled_row(route, table, _pooled(buckets.get(route), level)) for route, table in totals.items()]


def _by_route(table: pd.DataFrame, by_route: bool) -> dict[str | None, pd.DataFrame]:
    """A table whole (under None), and that of each route when asked."""
    found: dict[str | None, pd.DataFrame] = {None: table}
    if by_route:
        found |= {str(route): rows for route, rows in table.groupby("route")}
    return found


def _pooled(buckets: pd.DataFrame | None, level: float) -> tuple[Percentile, ...]:
    if buckets is None:
        return ()
    return percentiles(buckets["bucket"].to_numpy(), buckets["n"].to_numpy(), level=level)


def _bounds(found: Sequence[Percentile]) -> dict[str, float | None]:
    """Intervals of percentiles under the names that the frame `latencies` has for them."""
    edges = ("low_ms", "high_ms")
    return {f"p{100 * p.quantile:.0f}_{edge}": getattr(p, edge) for p in found for edge in edges}


def _pooled_row(route: str | None, totals: pd.DataFrame, found: Sequence[Percentile]) -> dict[str, Any]:
    requests, known = (float(rows["n"].sum()) for rows in (totals, totals[totals["status"].notna()]))
    failed = (totals["status"].ge(500) | totals["status"].eq(-1)).fillna(False)
    timed = int(totals["timed"].sum())
    row = row_of(
        route,
        requests,
        stats.of_all(float(totals.loc[failed, "n"].sum()), known, requests),
        timed,
        int(totals["sum_us"].sum()) / 1000 / timed if timed else None,
        *([p.ms for p in found] or (None, None, None)),
    )
    return {**row, **_bounds(found)}


def totals_in(held: Held, window: Window) -> pd.DataFrame:
    """Requests, timed ones and the sum of their times (us) of a window by route and status."""
    inner, edges = hours_and_edges(window)
    rows: list[tuple[Any, ...]] = []
    if inner.seconds:
        rows += held.rows(
            f"""SELECT route, status, sum(n), sum(timed), sum(sum_us) FROM {{source}}
                WHERE {held.counted} AND {IN_HOURS} GROUP BY ALL""",
            "totals",
            inner,
        )
    for edge in edges:
        rows += held.rows(
            f"""SELECT route, status, count(*), count(ms), {days.SUM_US} FROM {{source}}
                WHERE {held.counted} AND {IN} GROUP BY ALL""",
            "requests",
            edge,
        )
    table = pd.DataFrame(rows, columns=["route", "status", "n", "timed", "sum_us"]).fillna({"sum_us": 0})
    return table.astype({"status": "Int64", "n": "int64", "timed": "int64", "sum_us": "int64"})


def buckets_in(held: Held, window: Window, route: str | None = None) -> pd.DataFrame:
    """How many times of a window lie in each bucket (route, bucket, n); of one route when asked."""
    inner, edges = hours_and_edges(window)
    which, more = ("AND route = $route", {"route": route}) if route is not None else ("", {})
    rows: list[tuple[Any, ...]] = []
    if inner.seconds:
        rows += held.rows(
            f"""SELECT route, bucket, sum(n) FROM {{source}}
                WHERE {held.counted} AND {IN_HOURS} {which} GROUP BY ALL""",
            "buckets",
            inner,
            **more,
        )
    for edge in edges:
        rows += held.rows(
            f"""SELECT route, {bucket_sql("ms")} AS bucket, count(*) FROM {{source}}
                WHERE {held.counted} AND {IN} AND ms IS NOT NULL {which} GROUP BY ALL""",
            "requests",
            edge,
            **more,
        )
    return pd.DataFrame(rows, columns=["route", "bucket", "n"]).astype({"bucket": "int64", "n": "int64"})


def row_of(
    route: str | None,
    requests: float,
    failures: float | None,
    timed: int,
    avg: float | None,
    *quantiles: float | None,
) -> dict[str, Any]:
    """Statistics under the names that the frame `latencies` has for them."""
    p50, p95, p99 = quantiles
    values = {"avg_ms": avg, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
    return {"route": route, "requests": float(requests), "failures": failures, "timed": timed, **values}
