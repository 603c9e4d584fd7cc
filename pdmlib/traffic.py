"""Requests of a window: how many, how many failed, from which source, and how sure.

Buckets of several lengths may overlap, since vendors give finer ones for newer times: a
window is tiled without overlap, the length that reaches furthest first and finer ones at its edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from pdmlib.case import Case
from pdmlib.window import Window

PREFERENCE = ("requests", "vercel")
TIMED = ("requests", "sentry", "vercel")
CRASHED = -1


@dataclass(frozen=True)
class Population:
    """Requests of one window as one source counts them.

    Attributes:
        requests, failures: extrapolated to all requests; failures None when the source tells none.
        sampled: requests that the source really looked at; None when its sample rate is unknown.
        covered: the part of the window between the first and the last bucket.
        shortest_s: length of the finest bucket used; None for a count of the whole window.
    """

    source: str
    requests: float
    failures: float | None
    sampled: int | None
    covered: Window
    shortest_s: float | None = None

    def coverage_pct(self, window: Window) -> float:
        """Share of the window that the buckets reach over."""
        return round(100 * self.covered.seconds / window.seconds, 2) if window.seconds else 0.0


def populations(case: Case) -> Iterator[Population]:
    """What each source counts in the case's window, best source first: raw logs, platform, traces."""
    for source in PREFERENCE:
        exact = spanned(case, source)
        if exact is not None and not pd.isna(exact["requests"]):
            yield _of_span(case, source, exact)
        buckets = tiled(case, source)
        if len(buckets):
            yield _of_buckets(source, buckets)
    exact = spanned(case, "sentry")
    if exact is not None and not (pd.isna(exact["requests"]) and pd.isna(exact["samples"])):
        yield _of_span(case, "sentry", exact)


def spanned(case: Case, source: str) -> pd.Series | None:
    """The row of `latencies` of exactly the case's window, all routes; None when there is none."""
    table, window = case["latencies"], case.window
    rows = table[
        (table["source"] == source)
        & (table["start"] == window.start)
        & (table["end"] == window.end)
        & table["route"].isna()
    ]
    return rows.iloc[0] if len(rows) else None


def tiled(case: Case, source: str) -> pd.DataFrame:
    """Rows of `request_counts` that tile the case's window without overlap, with their `end_at`."""
    table = case["request_counts"]
    return tile(all_routes(table[table["source"] == source]), case.window)


def all_routes(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of all routes together where a source gives them, else those of each route."""
    whole = table["route"].isna()
    return table[whole] if whole.any() else table


def tile(table: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Rows of buckets (`at`, `interval_s`) that tile a window without overlap, with their `end_at`."""
    table = table.assign(end_at=table["at"] + pd.to_timedelta(table["interval_s"], unit="s"))
    parts = list(_tiles(table, window.start, window.end))
    return pd.concat(parts, ignore_index=True) if parts else table.iloc[:0]


def _tiles(table: pd.DataFrame, start: datetime, end: datetime) -> Iterator[pd.DataFrame]:
    inside = table[(table["at"] >= start) & (table["end_at"] <= end)]
    if inside.empty:
        return
    lengths = inside.groupby("interval_s").agg(first=("at", "min"), last=("end_at", "max"))
    reach = (lengths["last"] - lengths["first"]).sort_index()
    best = float(reach.idxmax())
    first, last = lengths.loc[best, "first"], lengths.loc[best, "last"]
    finer = inside[inside["interval_s"] < best]
    yield from _tiles(finer, start, first)
    yield inside[inside["interval_s"] == best]
    yield from _tiles(finer, last, end)


def failed(table: pd.DataFrame) -> pd.Series:
    """Which rows of `request_counts` count failures: a status of 500 or more, or a crash."""
    return (table["status"] >= 500).fillna(False) | (table["status"] == CRASHED).fillna(False)


def _of_buckets(source: str, buckets: pd.DataFrame) -> Population:
    rates = buckets["sample_rate"]
    sampled = None if rates.isna().any() else round(float((buckets["requests"] * rates).sum()))
    return Population(
        source,
        float(buckets["requests"].sum()),
        float(buckets.loc[failed(buckets), "requests"].sum()) if buckets["status"].notna().any() else None,
        sampled,
        Window(buckets["at"].min().to_pydatetime(), buckets["end_at"].max().to_pydatetime()),
        float(buckets["interval_s"].min()),
    )


def _of_span(case: Case, source: str, row: pd.Series) -> Population:
    requests, rate, samples = row["requests"], row["sample_rate"], row["samples"]
    if pd.isna(requests):
        requests = samples / rate
    if pd.isna(samples) and not pd.isna(rate):
        samples = requests * rate
    known = not (pd.isna(samples) or pd.isna(rate))
    failures = None if pd.isna(row["failures"]) else float(row["failures"])
    return Population(source, float(requests), failures, round(samples) if known else None, case.window)
