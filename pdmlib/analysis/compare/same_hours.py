"""Before against after on the same hours of the week, and what of the change each route explains.

The change of what adds up (response time, failed requests) is split for each item into a part by its
own level and a part by its volume: (l1 - l0) (n0 + n1) / 2 and (n1 - n0) (l0 + l1) / 2, which add up
exactly. Source: Shapley's value of two factors; Shorrocks 2013, Journal of Economic Inequality 11.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.rows import json_rows

DIMENSIONS = ("all", "route", "region", "release")
EXPLAINED = ("route", "region")


@once
def before_after(case: Case) -> list[dict[str, Any]]:
    """Rows of `before_after`: all requests, then routes, regions and releases, those that explain most first.

    Requests are per hour; `time_own_pct` .. `errors_volume_pct` are parts of all changes of their dimension,
    whose sizes add up to 100; those of releases are None, as a deployment replaces them.
    """
    table = case["same_hours"]
    table = table[table["dimension"].isin(DIMENSIONS)]
    if table.empty:
        return []
    rows = pd.DataFrame(
        {
            "dimension": table["dimension"],
            "item": table["item"],
            "hours": table["hours"],
            "requests_per_hour_before": table["requests_before"] / table["hours_before"],
            "requests_per_hour": table["requests"] / table["hours"],
            "p95_before": table["p95_ms_before"],
            "p95_before_low": table["p95_low_ms_before"],
            "p95_before_high": table["p95_high_ms_before"],
            "p95": table["p95_ms"],
            "p95_low": table["p95_low_ms"],
            "p95_high": table["p95_high_ms"],
            "error_rate_before_pct": 100 * table["failures_before"] / table["requests_before"],
            "error_rate_pct": 100 * table["failures"] / table["requests"],
        }
    )
    rows = rows.join(_shares(table, "time", "timed", "sum_ms")).join(
        _shares(table, "errors", "requests", "failures")
    )
    shares = [f"{what}_{part}_pct" for what in ("time", "errors") for part in ("own", "volume")]
    rows = rows.assign(
        rank=rows["dimension"].map(DIMENSIONS.index),
        moved=-rows[shares].abs().sum(axis=1),
        busy=-table["requests"],
    )
    rows = rows.sort_values(["rank", "moved", "busy", "item"])
    return json_rows(rows.drop(columns=["rank", "moved", "busy"]))


def _shares(table: pd.DataFrame, what: str, volume: str, amount: str) -> pd.DataFrame:
    """What each item's own level and its volume add to the change of an amount, in percent of all changes."""
    n0 = (table[f"{volume}_before"] / table["hours_before"]).fillna(0)
    n1 = (table[volume] / table["hours"]).fillna(0)
    l0, l1 = table[f"{amount}_before"] / table[f"{volume}_before"], table[amount] / table[volume]
    l0, l1 = l0.fillna(l1), l1.fillna(l0)
    effects = pd.DataFrame(
        {f"{what}_own_pct": (l1 - l0) * (n0 + n1) / 2, f"{what}_volume_pct": (n1 - n0) * (l0 + l1) / 2}
    )
    effects = effects.where(table["dimension"].isin(EXPLAINED), float("nan"))
    total = effects.abs().sum(axis=1).groupby(table["dimension"]).transform("sum")
    return 100 * effects.div(total.where(total > 0), axis=0)


def on_same_hours(case: Case, route: str) -> str:
    """A route's change on the same hours of the week in words; empty where no source compares them."""
    row = next((r for r in before_after(case) if (r["dimension"], r["item"]) == ("route", route)), None)
    if row is None or row["p95"] is None or row["p95_before"] is None:
        return ""
    words = f" On the same {row['hours']} hours of the week its p95 went "
    words += f"from {row['p95_before']:.0f} to {row['p95']:.0f} ms"
    if row["error_rate_pct"] is not None and row["error_rate_before_pct"] is not None:
        words += f" and its error rate from {row['error_rate_before_pct']:.2f} to {row['error_rate_pct']:.2f} %"
    if row["time_own_pct"] is not None:
        own, volume = row["time_own_pct"], row["time_volume_pct"]
        words += (
            f"; of all change in response time {abs(own):.0f} % is that it is {'slower' if own > 0 else 'faster'}"
        )
        if abs(volume) >= 1:
            words += f" and {abs(volume):.0f} % that it is asked {'more' if volume > 0 else 'less'}"
    return words + "."
