"""Statistics of any window: exact from its rows, or pooled from the small tables of its hours."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pdmlib.requests import days
from pdmlib.requests.held import IN, IN_HOURS, Held, hours_and_edges
from pdmlib.requests.histogram import bucket_sql, percentiles
from pdmlib.window import Window


def exact(held: Held, window: Window, by_route: bool) -> list[dict[str, Any]]:
    """Statistics of a window from its rows: of all routes (route None), and of each when asked."""
    sets = "((), (route))" if by_route else "(())"
    rows = held.rows(
        f"""SELECT {"route" if by_route else "NULL"}, {"GROUPING(route)" if by_route else "1"}, {days.STATISTICS}
            FROM {{source}} WHERE {held.counted} AND {IN} GROUP BY GROUPING SETS {sets} ORDER BY ALL""",
        "requests",
        window,
    )
    return [row_of(None if whole else route, *rest) for route, whole, *rest in rows if rest[0]]


def pooled(held: Held, window: Window, by_route: bool) -> list[dict[str, Any]]:
    """Statistics of a window from its hours' small tables, and from its rows where it cuts an hour."""
    totals, buckets = tables(held, window)
    groups: list[tuple[str | None, pd.DataFrame, pd.DataFrame]] = [(None, totals, buckets)]
    if by_route:
        of_route = dict(list(buckets.groupby("route")))
        groups += [(str(r), t, of_route.get(r, buckets.iloc[:0])) for r, t in totals.groupby("route")]
    return [_pooled_row(route, t, b) for route, t, b in groups]


def _pooled_row(route: str | None, totals: pd.DataFrame, buckets: pd.DataFrame) -> dict[str, Any]:
    known = totals["status"].notna()
    failed = totals["status"].ge(500) | totals["status"].eq(-1)
    timed = int(totals["timed"].sum())
    found = percentiles(buckets["bucket"].tolist(), buckets["n"].tolist()) if timed else ()
    quantiles: tuple[float | None, ...] = tuple(p.ms for p in found)
    return row_of(
        route,
        float(totals["n"].sum()),
        float(totals.loc[failed.fillna(False), "n"].sum()) if known.any() else None,
        timed,
        int(totals["sum_us"].sum()) / 1000 / timed if timed else None,
        *(quantiles or (None, None, None)),
    )


def tables(held: Held, window: Window) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Totals (route, status) and buckets (route, bucket) of a window."""
    inner, edges = hours_and_edges(window)
    totals: list[tuple[Any, ...]] = []
    buckets: list[tuple[Any, ...]] = []
    if inner.seconds:
        where = f"WHERE {held.counted} AND {IN_HOURS} GROUP BY ALL"
        totals += held.rows(
            f"SELECT route, status, sum(n), sum(timed), sum(sum_us) FROM {{source}} {where}", "totals", inner
        )
        buckets += held.rows(f"SELECT route, bucket, sum(n) FROM {{source}} {where}", "buckets", inner)
    for edge in edges:
        where = f"WHERE {held.counted} AND {IN}"
        totals += held.rows(
            f"SELECT route, status, count(*), count(ms), {days.SUM_US} FROM {{source}} {where} GROUP BY ALL",
            "requests",
            edge,
        )
        buckets += held.rows(
            f"SELECT route, {bucket_sql('ms')} AS bucket, count(*) FROM {{source}} {where} AND ms IS NOT NULL "
            "GROUP BY ALL",
            "requests",
            edge,
        )
    first = (
        pd.DataFrame(totals, columns=["route", "status", "n", "timed", "sum_us"])
        .fillna({"sum_us": 0})
        .astype({"status": "Int64", "n": "int64", "timed": "int64", "sum_us": "int64"})
    )
    second = pd.DataFrame(buckets, columns=["route", "bucket", "n"])
    return first, second.astype({"bucket": "int64", "n": "int64"})


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
    return {"route": route, "requests": float(requests), "failures": failures, **values}


def bucket_counts(held: Held, window: Window, route: str | None) -> tuple[list[int], list[int]]:
    """Buckets of a window and how many times lie in each, of one route or of all."""
    inner, edges = hours_and_edges(window)
    which, more = ("AND route = $route", {"route": route}) if route is not None else ("", {})
    rows: list[tuple[int, int]] = []
    if inner.seconds:
        query = (
            f"SELECT bucket, sum(n) FROM {{source}} WHERE {held.counted} AND {IN_HOURS} {which} GROUP BY bucket"
        )
        rows += held.rows(query, "buckets", inner, **more)
    for edge in edges:
        query = f"""SELECT {bucket_sql("ms")} AS bucket, count(*) FROM {{source}}
            WHERE {held.counted} AND {IN} AND ms IS NOT NULL {which} GROUP BY bucket"""
        rows += held.rows(query, "requests", edge, **more)
    return [bucket for bucket, _ in rows], [int(count) for _, count in rows]
