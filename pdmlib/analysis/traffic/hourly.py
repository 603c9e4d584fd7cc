"""Requests, errors and percentiles over the hours of a window, for charts."""

from __future__ import annotations

import pandas as pd

from pdmlib.analysis.traffic.populations import counting, failures_of_all, tiled, timing
from pdmlib.analysis.traffic.tiling import tile
from pdmlib.frames.case import Case

HOUR_S = 3600.0
NEEDED = {"p50_ms": 10, "p95_ms": 20, "p99_ms": 100, "avg_ms": 1}
MOST_TOLD = 0.9  # of what any interval tells of a window: a single quarter of an hour is no course of two hours
SHORT_S = 6 * HOUR_S  # of a window that is so short the hours are too few points


def hourly(case: Case) -> pd.DataFrame:
    """Series for charts: at, end, requests, errors, error_rate_pct, p50, p95, p99, timed, complete.

    `timed` is how many requests the percentiles are of, as far as the source tells.

    One row an hour; in windows of up to six hours, one for each of the finest intervals known.
    """
    spans = _series_spans(case)
    counts = _series_counts(case, spans["seconds"].max() if len(spans) else 0.0)
    rows = spans if len(spans) else counts
    if len(spans) and len(counts):
        rows = spans.merge(counts[["at", "requests", "errors"]], on="at", how="left", suffixes=("", "_counted"))
        # What the reading counts is drawn, and a scaled sample only where nothing was counted.
        for name in ("requests", "errors"):
            rows[name] = rows[f"{name}_counted"].fillna(rows[name])
    return _with_rate(rows)


def counted(case: Case) -> pd.DataFrame:
    """The same of requests and errors alone, where they are counted finer than response times are known."""
    counts = _series_counts(case)
    return _with_rate(counts) if len(counts) else hourly(case)


def _with_rate(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(error_rate_pct=100 * rows["errors"] / rows["requests"].where(rows["requests"] > 0))
    columns = ["at", "end", "requests", "errors", "error_rate_pct", "p50", "p95", "p99", "timed", "complete"]
    return rows[columns].sort_values("at", ignore_index=True)


def _series_spans(case: Case) -> pd.DataFrame:
    table = case["latencies"]
    table = table.assign(seconds=(table["end"] - table["start"]).dt.total_seconds())
    inside = (table["start"] >= case.window.start) & (table["end"] <= case.window.end) & table["route"].isna()
    table = table[inside & (table["seconds"] <= HOUR_S)]
    source = next((s for s in timing(case) if (table["source"] == s).any()), None)
    table = table[table["source"] == source]
    covered = table.groupby("seconds")["seconds"].sum()
    told = covered[covered >= MOST_TOLD * covered.max()].index
    length = told.min() if case.window.seconds <= SHORT_S else table["seconds"].max()
    table = table[table["seconds"] == length].assign(at=table["start"], end_at=table["end"])
    table = tile(table, case.window).drop(columns=["at", "end_at"])  # not the last hour beside those of the clock
    names = {"start": "at", "failures": "errors", "p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99"}
    timed = table["timed"].fillna(table["samples"])
    return table.rename(columns=names).assign(timed=timed, complete=table["complete"].fillna(True))


def _series_counts(case: Case, least_s: float = 0.0) -> pd.DataFrame:
    """Counts in equal buckets, at least so long that they fall into those of response times as a whole."""
    counts = next((c for c in (tiled(case, source) for source in counting(case)) if len(c)), tiled(case, ""))
    longest = counts["interval_s"].max() if len(counts) else HOUR_S
    length = max(least_s, longest if case.window.seconds <= SHORT_S else max(longest, HOUR_S))
    told = counts["status"].notna()
    known = {"failures": counts["failures"].where(told), "known": counts["requests"].where(told, 0.0)}
    counts = counts.assign(at=counts["at"].dt.floor(f"{length:.0f}s"), **known)
    sums = counts.groupby("at", as_index=False)[["requests", "failures", "known"]].sum(min_count=1)
    rows = sums.assign(errors=failures_of_all(sums))[["at", "requests", "errors"]]
    rows = rows.assign(end=rows["at"] + pd.Timedelta(seconds=length))
    return rows.assign(p50=float("nan"), p95=float("nan"), p99=float("nan"), timed=float("nan"), complete=True)
