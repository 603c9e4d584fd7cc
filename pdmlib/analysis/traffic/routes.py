"""Routes: each one's requests and percentiles, and whether it became slower or fails more since the deployment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.traffic.populations import failures, failures_of_all, timing
from pdmlib.frames.case import Case, once
from pdmlib.frames.rows import json_rows
from pdmlib.phases.phase import HOUR
from pdmlib.phases.window import Window

PRACTICAL_RISE, PRACTICAL_FACTOR = 1.3, 2.0  # times the p95, times the share of failures: what a user notices
# Standard errors, and the two-sided level they are: hundreds of routes are tested at once.
SURE, SURE_LEVEL = 4.0, 6.3e-5
FEWEST, FEWEST_FAILED = 50, 10  # requests that a p95 needs, failures that a rate needs
FEWEST_SEEN = 20  # requests of which one in twenty is one: of fewer there is no p95


@once
def routes_failing_from(case: Case, failing_pct: float) -> list[dict[str, Any]]:
    """Rows of `routes`: each route's requests, errors and percentiles, p95 against the seven days before.

    `share_of_change_pct` is the part of all time added since the deployment that is spent in the route.

    Args:
        failing_pct: the error rate below which no route is called failing.
    """
    both = before_and_since(case)
    if both.empty:
        return []
    added = (both["avg_ms"] - both["avg_ms_before"]) * both["requests"]
    gained = added.clip(lower=0)
    records = both.to_dict("records")
    rows = pd.DataFrame(
        {
            "route": both["route"],
            "requests": both["requests"].round(),
            "error_rate_pct": 100 * both["failures"] / both["requests"],
            "p50": both["p50_ms"],
            "p95": both["p95_ms"],
            "p99": both["p99_ms"],
            "change_pct": 100 * (both["p95_ms"] / both["p95_ms_before"] - 1),
            "before_p95": both["p95_ms_before"],
            "share_of_change_pct": 100 * gained / gained.sum() if gained.sum() > 0 else float("nan"),
            "before_error_rate_pct": 100 * both["failures_before"] / both["requests_before"],
            "regressed": [_slower(row) for row in records],
            "failing": [_fails_more(row, failing_pct) for row in records],
            "samples": both["timed"],
        }
    )
    return json_rows(rows.sort_values(["requests", "route"], ascending=[False, True]))


@once
def before_and_since(case: Case) -> pd.DataFrame:
    """Each route of the window, a row each, beside its own figures of the seven days before (`_before`)."""
    source, now = _route_rows(case, case.window)
    _, before = _route_rows(case, case.scope.before, source)
    return now.merge(before, on="route", how="left", suffixes=("", "_before"))


def rises(case: Case) -> list[float]:
    """How many times its p95 of before each route's is, of those that have requests enough for one."""
    rows = before_and_since(case)
    known = (rows[["timed", "timed_before"]].fillna(0) >= FEWEST_SEEN).all(axis=1) & (rows["p95_ms_before"] > 0)
    return [float(times) for times in (rows["p95_ms"] / rows["p95_ms_before"])[known].dropna()]


@once
def loads(case: Case) -> tuple[pd.Series, pd.Series]:
    """Requests by route, in the seven days before the deployment and in the window, of one source."""
    source, now = _route_rows(case, case.window)
    _, before = _route_rows(case, case.scope.before, source)
    by_route = [rows.groupby("route")["requests"].sum() for rows in (before, now)]
    return by_route[0], by_route[1]


def _route_rows(case: Case, window: Window, source: str | None = None) -> tuple[str | None, pd.DataFrame]:
    table = case["latencies"]
    table = table[(table["start"] == window.start) & (table["end"] == window.end) & table["route"].notna()]
    for name in (source,) if source else timing(case):
        rows = table[table["source"] == name]
        if len(rows):
            return name, _with_counts(case, window, rows)
    return source, table.iloc[:0]


def _with_counts(case: Case, window: Window, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with requests, failures and samples of `request_counts`, where the source counts apart from timing.

    All that was sampled is timed where the source tells of no difference.
    """
    counts = case["request_counts"]
    counts = counts[
        (counts["at"] == window.start) & (counts["interval_s"] == window.seconds) & counts["route"].notna()
    ]
    counts = counts.assign(failures=failures(counts), samples=counts["requests"] * counts["sample_rate"])
    counts = counts.assign(known=counts["requests"].where(counts["status"].notna(), 0.0))
    sums = counts.groupby(["source", "route"])[["requests", "failures", "samples", "known"]].sum()
    sums = sums.assign(failures=failures_of_all(sums)).drop(columns="known")
    found = rows.set_index(["source", "route"])
    filled = {c: found[c].astype("float64").fillna(sums[c]) for c in sums.columns}
    filled["failures"] -= _in_maintenance(case, window).reindex(found.index, fill_value=0.0)
    return found.assign(**filled, timed=found["timed"].astype("float64").fillna(filled["samples"])).reset_index()


def _in_maintenance(case: Case, window: Window) -> pd.Series:
    """Failures of each source and route in hours that meet declared maintenance, of which none is a fault."""
    hours = case["route_hours"].set_index(["source", "route"])
    begun, met = hours["at"].between(window.start, window.end - HOUR), pd.Series(False, index=hours.index)
    for span in case.site.maintenance_in(window):
        met |= (hours["at"] < span.end) & (hours["at"] + HOUR > span.start)
    return hours.loc[begun & met, "failures"].groupby(level=[0, 1]).sum()


def _slower(row: dict[str, Any]) -> bool:
    """Whether a route's p95 rose by 30 % and four standard errors.

    The standard error of the logarithm of a p95 is taken from the spread between p50 and p95 as
    if durations were lognormal; requests sampled count, not those extrapolated.
    """
    spreads = [_p95_variance(row, suffix) for suffix in ("", "_before")]
    if any(s is None for s in spreads):
        return False
    rise = math.log(row["p95_ms"] / row["p95_ms_before"])
    return rise >= math.log(PRACTICAL_RISE) and rise >= SURE * math.sqrt(sum(s for s in spreads if s))


def p95_interval(row: Mapping[str, Any], suffix: str, level: float) -> tuple[float | None, float | None]:
    """The interval of a route's p95: the source's own, else from its standard error as `_slower` takes it."""
    low, high = (row[f"p95_{edge}_ms{suffix}"] for edge in ("low", "high"))
    if not pd.isna(low) and not pd.isna(high):
        return float(low), float(high)
    variance = _p95_variance(row, suffix)
    if variance is None:
        return None, None
    spread, p95 = stats.normal(level) * math.sqrt(variance), float(row[f"p95_ms{suffix}"])
    return p95 * math.exp(-spread), p95 * math.exp(spread)


def _fails_more(row: dict[str, Any], failing_pct: float) -> bool:
    """Whether a route's share of failed requests doubled, surely, to that percentage or more.

    Surely is by four standard errors.
    What was looked at counts, not what is extrapolated from it.
    """
    counts = [row[f"{name}{side}"] for side in ("", "_before") for name in ("failures", "requests", "samples")]
    if any(pd.isna(count) for count in counts) or not (row["requests"] and row["requests_before"]):
        return False
    rate, before = (row[f"failures{side}"] / row[f"requests{side}"] for side in ("", "_before"))
    if 100 * rate < failing_pct or rate < PRACTICAL_FACTOR * before or rate * row["samples"] < FEWEST_FAILED:
        return False
    seen, past = row["samples"], row["samples_before"]
    return stats.rate_ratio(rate * seen, seen, before * past, past, level=SURE_LEVEL)[0] > 1


def _p95_variance(row: Mapping[str, Any], suffix: str) -> float | None:
    p50, p95, count = row[f"p50_ms{suffix}"], row[f"p95_ms{suffix}"], row[f"timed{suffix}"]
    if pd.isna(p50) or pd.isna(p95) or pd.isna(count) or count < FEWEST or p50 <= 0 or p95 <= p50:
        return None
    sigma = math.log(p95 / p50) / 1.645
    return float((0.95 * 0.05 / count) * (sigma / 0.1031) ** 2)
