"""Slices: what a frame holds by route, region, release, hour, weekday or any of its own words.

Requests and failures add up and are added; a percentile does not, so that of an hour of the day is the median of
those hours' own p95, and said to be so. Intervals are of 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.compare.same_hours import before_after
from pdmlib.analysis.traffic.clock import HOUR_S, SHORT_OF, by_the_hour, hours_of, parts_of, timed_by_the_hour
from pdmlib.analysis.traffic.populations import populations
from pdmlib.analysis.traffic.routes import before_and_since, p95_interval
from pdmlib.analysis.traffic.tiling import ending
from pdmlib.frames.case import Case
from pdmlib.frames.rewind import MADE
from pdmlib.frames.rows import json_rows
from pdmlib.frames.schemas import SCHEMAS

TRAFFIC = ("latencies", "request_counts", "same_hours")  # frames of requests, which one slice tells of together
LOGGED = ("region", "release")  # what only a site's own request log tells
CLOCK: Mapping[str, str] = {"hour": "%H:00", "weekday": "%A", "day": "%Y-%m-%d"}
WEEK = pd.date_range("2024-01-01", periods=7).day_name().tolist()  # that day was a Monday
# Of a day that the deployment cuts.
ON_TWO_SIDES = " (the deployment's day has its hours before the deployment in the columns `_before`)"
# Columns of counts of which the rows of a frame add up; distinct users or visitors do not.
SUMMED = ("requests", "failures", "errors", "events", "amount", "sent", "delivered", "bounced", "pending")
# Other frames with rows of several lengths for the same time, and what these count; of activity all is distinct.
INTERVALS: Mapping[str, str] = {"error_counts": "errors", "email_counts": "sent"}
DISTINCT = ("activity",)
ALONE = "of the window alone, none of before it"


class _Hours(NamedTuple):
    """What a window holds of one key of the clock: requests, those of known outcome, their times, its length."""

    counted: pd.DataFrame
    failed: pd.DataFrame
    timed: pd.DataFrame
    held: pd.DataFrame


class Slice(NamedTuple):
    """The rows of a slice, and in a sentence what they are of."""

    rows: list[dict[str, Any]]
    said: str


def ways(name: str) -> tuple[str, ...]:
    """By what a frame can be sliced."""
    if name in TRAFFIC:
        return ("route", *LOGGED, *CLOCK)
    words = (column for column, kind in SCHEMAS[name].columns.items() if kind in ("text", "bool"))
    return (*words, *(CLOCK if name in MADE else ()))


def sliced(case: Case, name: str, by: str) -> Slice:
    """A frame by one of `ways`."""
    if name not in TRAFFIC:
        return _counted(case, name, by)
    if by == "route":
        return _by_route(case)
    return _by_log(case, by) if by in LOGGED else _by_clock(case, by)


def _by_route(case: Case) -> Slice:
    rows = [_route(case, row) for row in before_and_since(case).to_dict("records")]
    rows.sort(key=lambda row: -(row["requests"] or 0))
    said = "Each route in the window, beside the seven days before the deployment"
    return Slice(json_rows(pd.DataFrame(rows)), f"{said}; 95 % intervals.")


def _route(case: Case, row: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"route": row["route"]}
    for suffix, end in (("", ""), ("_before", "_before")):
        found[f"requests{end}"] = row[f"requests{suffix}"]
        low, high = p95_interval(row, suffix, case.level)
        found |= {f"p95_ms{end}": row[f"p95_ms{suffix}"], f"p95_low{end}": low, f"p95_high{end}": high}
        found |= _rate(case, [row[f"{count}{suffix}"] for count in ("failures", "requests", "samples")], end)
    return found


def _rate(case: Case, counts: Sequence[Any], end: str = "") -> dict[str, float | None]:
    """The error rate in percent with its interval, which rests on what was really looked at.

    Args:
        counts: failures, requests, and requests that were looked at.
    """
    names = [f"error_rate{part}{end}" for part in ("_pct", "_low", "_high")]
    if any(pd.isna(count) for count in counts) or not all(counts[1:]):
        return dict.fromkeys(names)
    failures, requests, looked_at = counts
    share = failures / requests
    bounds = stats.proportion(share * looked_at, looked_at, case.level)
    return dict(zip(names, (100 * share, *(100 * bound for bound in bounds)), strict=True))


def _by_log(case: Case, by: str) -> Slice:
    rows = [row for row in before_after(case) if row["dimension"] == by]
    said = f"Each {by} on the hours of the week that both sides hold, from the site's request log."
    return Slice(rows, said if rows else _why_not(case, by))


def _why_not(case: Case, by: str) -> str:
    """Why no request is known by what only a log tells."""
    if case.site.requests is None:
        return f"No source tells requests by {by}: it needs the site's request log."
    gap = case.collection.gap("requests")
    if gap or not before_after(case):
        why = gap[1] if gap else "its window and the seven days before the deployment share no hour of the week"
        return f"The site's request log tells nothing by {by} here: {why}."
    field = f"requests.columns.{by} of the site file says which field of it does"
    return f"The site's request log names no {by} on the hours of the week that both sides hold; {field}."


def _by_clock(case: Case, by: str) -> Slice:
    sides = [case.at(window) for window in (case.window, case.scope.before)]
    if any(by_the_hour(side, "requests").astride >= SHORT_OF for side in sides):
        zone = case.site.time_zone
        return Slice(
            [], f"Requests are only known by hours that an hour of {zone} cuts: nobody can tell which is whose."
        )
    now, before = (_hours(side, by) for side in sides)
    rows = [
        {by: key, **_of_clock(case, now.get(key)), **_of_clock(case, before.get(key), "_before")}
        for key in _in_order(by, {*now, *before} if by != "day" else {*now})
    ]
    said = (
        f"Requests and failures of each {by} ({case.site.time_zone}) added up, beside the seven days before the "
        f"deployment; `hours`: how much of the window falls on it{ON_TWO_SIDES if by == 'day' else ''}; p95 is "
        "the median of the single hours' p95, since percentiles do not add up."
    )
    return Slice(rows, _untold(sides[0]) + said if rows else "No source counts requests by the hour here.")


def _untold(case: Case) -> str:
    """How many of the window's requests are in no row, where these come to less than the report says."""
    parts, whole = by_the_hour(case, "requests"), next(populations(case), None)
    if whole is None or whole.source != parts.source:
        return ""
    missing = whole.requests - parts.rows["requests"].sum()
    if missing < SHORT_OF:
        return ""
    return (
        f"{missing:,.0f} of {whole.requests:,.0f} requests are known only with longer stretches, and in no row. "
    )


def _hours(case: Case, by: str) -> dict[str, _Hours]:
    """Key of the clock -> what the window holds of it."""
    failed = by_the_hour(case, "failures").rows
    looked = failed["requests"] * failed["sample_rate"].fillna(1.0)  # of a sample what was really looked at
    tables = (
        by_the_hour(case, "requests").rows,
        failed.assign(requests=looked, failures=failed["failures"] * failed["sample_rate"].fillna(1.0)),
        timed_by_the_hour(case),
        hours_of(case),
    )
    keyed = [table.assign(key=_clock(case, table["at"], by)) for table in tables]
    keys = {key for table in keyed[:3] for key in table["key"]}
    return {key: _Hours(*(table[table["key"] == key] for table in keyed)) for key in keys}


def _of_clock(case: Case, found: _Hours | None, end: str = "") -> dict[str, float | None]:
    if found is None:
        names = ("hours", "requests", "p95_median_ms", "error_rate_pct", "error_rate_low", "error_rate_high")
        return {f"{name}{end}": None for name in names}
    looked, failed = (found.failed[name].sum(min_count=1) for name in ("requests", "failures"))
    requests, p95 = found.counted["requests"].sum(min_count=1), found.timed["p95_ms"].median()
    return {
        f"hours{end}": float(found.held["seconds"].sum() / HOUR_S),
        f"requests{end}": None if pd.isna(requests) else float(requests),
        f"p95_median_ms{end}": None if pd.isna(p95) else float(p95),
        **_rate(case, (failed, looked, looked), end),
    }


def _clock(case: Case, moments: pd.Series, by: str) -> pd.Series:
    return pd.to_datetime(moments, utc=True).dt.tz_convert(case.site.zone).dt.strftime(CLOCK[by])


def _in_order(by: str, keys: set[str]) -> list[str]:
    order: Callable[[str], Any] = WEEK.index if by == "weekday" else str
    return sorted(keys, key=order)


def _counted(case: Case, name: str, by: str) -> Slice:
    """Rows of any other frame, those of the window where it tells when, counted; and what adds up."""
    table, when = (case.within(name, MADE[name]), ALONE) if name in MADE else (case[name], "as collected")
    if by in CLOCK and name in INTERVALS:
        parts = parts_of(case, _intervals(table, INTERVALS[name]))
        if parts.astride >= SHORT_OF:
            return Slice([], _cut(case, f"Rows of `{name}`"))
        table, when = parts.rows, f"of the whole hours {ALONE}"
    if table.empty:
        unread = "none was, or none was read: the coverage of the report says which sources answered"
        return Slice([], f"There are no rows of `{name}` {when}: {unread}.")
    keys = _clock(case, table[MADE[name]], by) if by in CLOCK else table[by]
    kinds = SCHEMAS[name].columns
    sums = [column for column in SUMMED if kinds.get(column) in ("int", "float") and name not in DISTINCT]
    groups = table.assign(**{by: keys}).groupby(by, dropna=False)
    rows = groups[sums].sum(min_count=1).assign(rows=groups.size())[["rows", *sums]].reset_index()
    order = {key: place for place, key in enumerate(_in_order(by, set(rows[by])))} if by in CLOCK else None
    rank = -rows["rows"] if order is None else rows[by].map(order)
    told = json_rows(rows.assign(rank=rank).sort_values("rank", kind="stable").drop(columns="rank"))
    return Slice(told, f"Rows of `{name}` {when}, by {by}; one row is {SCHEMAS[name].grain.partition(';')[0]}.")


def _intervals(table: pd.DataFrame, counted: str) -> pd.DataFrame:
    """Rows of intervals as those of requests are told: at, end_at, and as requests what they count."""
    spans = table.assign(at=table["start"], end_at=table["end"]) if "start" in table else ending(table)
    return spans.assign(requests=table[counted].astype("float64"))


def _cut(case: Case, what: str) -> str:
    zone = case.site.time_zone
    return f"{what} are only known by hours that an hour of {zone} cuts: nobody can tell which is whose."
