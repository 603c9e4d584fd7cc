"""Silences of the site's own request log: whether requests were due in them, and what that means.

A log that ends is one of two things: users who stay away, or a log that is not delivered any more. Neither is
health. A stretch that was as silent on the days before, such as a night, is usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import mean, variance

import numpy as np
import pandas as pd

from pdmlib import stats
from pdmlib.analysis.traffic.silence import SURELY_DUE
from pdmlib.analysis.traffic.tiling import Buckets, ending
from pdmlib.frames.case import Case, once
from pdmlib.frames.states import Probe
from pdmlib.phases.window import Window

SOURCE = "requests"
LINES, REQUESTS = "lines", "requests"  # items of the frame `log_silences`
RARE = 0.001  # chance of none: a report is made many times a day, and this is asked each time
ENOUGH_DAYS = 3  # fewer tell nothing of how much days differ
LONGEST_BACK = timedelta(days=28)  # as the baseline
HOUR = timedelta(hours=1)
SATURDAY = 5  # as `weekday()` counts, from Monday as 0


@dataclass(frozen=True)
class Silence:
    """A stretch without a line of the log in which some were due.

    Attributes:
        due: how many requests the same hours of the days before had, else as long a time before.
        told: of the log it holds nothing (`lines`), or none of the requests that count (`requests`).
        goes_on: a later line is held.
        others: lines of the hour before that are of no request which counts.
    """

    window: Window
    due: float
    told: str
    goes_on: bool
    others: int


@once
def silences(case: Case) -> tuple[Silence, ...]:
    """The silences of the near time in which requests were surely due, in the order of time."""
    rows = case["log_silences"].sort_values(["start", "item"])
    found = []
    for row in rows.itertuples():
        window = Window(row.start.to_pydatetime(), row.end.to_pydatetime())
        due = surely_due(case, window)
        if due is not None:
            others = 0 if pd.isna(row.others) else int(row.others)
            found.append(Silence(window, due, str(row.item), bool(row.goes_on), others=others))
    return tuple(found)


def unheard_s(case: Case) -> float:
    """Seconds of the case's window of which the log vouches for nothing, though requests were due."""
    lost = (one.window.clip(case.window).seconds for one in _whole(case) if one.told == LINES)
    return float(sum(max(0.0, seconds) for seconds in lost))


def _whole(case: Case) -> tuple[Silence, ...]:
    return silences(case.at(case.scope.window))


@once
def ended(case: Case) -> Silence | None:
    """The silence at the end of all that is looked at; None where requests came, or none were due."""
    last = [one for one in _whole(case) if one.window.end == case.scope.known.end and one.told == REQUESTS]
    return last[-1] if last else None


@once
def delivered(case: Case) -> bool | None:
    """Whether the log was delivered in the silence at its end; None where that is not known.

    It was where it has other lines. It was not where another source counts requests, or where it has none of the
    other lines that it always had though probes find the application up.
    """
    last = ended(case)
    if last is None:
        return True
    lines = [one for one in _raw(case, LINES) if one.end == last.window.end]
    if not lines:
        return True
    if _elsewhere(case, last.window) is not None:
        return False
    usual = last.others * lines[0].seconds / HOUR.total_seconds()
    return False if _probes_pass(case, lines[0]) and stats.chance_of_none(usual) < RARE else None


def _raw(case: Case, item: str) -> Iterator[Window]:
    rows = case["log_silences"]
    for row in rows[rows["item"] == item].itertuples():
        yield Window(row.start.to_pydatetime(), row.end.to_pydatetime())


@once
def evidence(case: Case) -> str:
    """What else is known of the silence at the end of the log, in words; empty where nothing is."""
    last = ended(case)
    if last is None:
        return ""
    elsewhere = _elsewhere(case, last.window)
    parts = [] if elsewhere is None else [f"{elsewhere[0]} counts {elsewhere[1]:,.0f} requests since"]
    if _probes_pass(case, last.window):
        parts.append("probes since found the application up")
    return ", and ".join(parts)


def _elsewhere(case: Case, window: Window) -> tuple[str, float] | None:
    """Another source that counts requests in a stretch of time, and how many."""
    counts = ending(case["request_counts"])
    inside = (counts["source"] != SOURCE) & (counts["at"] >= window.start) & (counts["end_at"] <= window.end)
    sums = counts[inside & counts["route"].isna()].groupby("source")["requests"].sum()
    sums = sums[sums > 0]
    return (str(sums.index[0]), float(sums.iloc[0])) if len(sums) else None


def _probes_pass(case: Case, window: Window) -> bool:
    """Whether the application was looked at in a stretch of time and never found down."""
    until = Window(window.start, max(window.end, case.scope.looked_until))
    status = case.within("probes", "checked_at", until)["status"].dropna()
    return len(status) > 0 and bool(status.isin((Probe.UP, Probe.DEGRADED)).all())


def surely_due(case: Case, window: Window) -> float | None:
    """How many requests were due in a stretch without any; None where none may have come by chance or habit."""
    known = _earlier(case, window)
    if len(known) >= ENOUGH_DAYS:
        due = mean(known)
        differ = max(1.0, variance(known) / due) if due else 1.0
        return due if due and stats.chance_of_none(due, differ) < RARE else None
    due = mean(known) if known else _just_before(case, window)
    return due if due >= SURELY_DUE else None


def _earlier(case: Case, window: Window) -> list[float]:
    """Requests of the same stretch of the clock on earlier days of the log, working days and weekends apart."""
    first = _first(case)
    days = range(1, LONGEST_BACK.days + 1)
    earlier = [window.days_earlier(day, case.site.zone) for day in days]
    known = [one for one in earlier if first and first <= one.start and one.end <= window.start]
    alike = [one for one in known if _weekend(case, one.start) == _weekend(case, window.start)]
    return [_requests(case, one) for one in (alike if len(alike) >= ENOUGH_DAYS else known)]


def _weekend(case: Case, moment: datetime) -> bool:
    return moment.astimezone(case.site.zone).weekday() >= SATURDAY


def _just_before(case: Case, window: Window) -> float:
    """Requests of as long a time before a stretch, or at the same rate of what is held of it."""
    first = _first(case)
    before = Window(window.start - (window.end - window.start), window.start)
    if first is None or first >= before.end:
        return 0.0
    part = Window(max(before.start, first), before.end)
    return _requests(case, part) * before.seconds / part.seconds


@once
def _buckets(case: Case) -> Buckets:
    table = case["request_counts"]
    table = table[(table["source"] == SOURCE) & table["route"].isna()]
    return Buckets.of(ending(table))


def _first(case: Case) -> datetime | None:
    """When the log begins, to the hour."""
    starts = _buckets(case.at(case.scope.window)).starts
    return datetime.fromtimestamp(int(starts.min()) / 1e6, UTC) if starts.size else None


def _requests(case: Case, window: Window) -> float:
    whole = case.at(case.scope.window)
    return float(np.nansum(_buckets(whole).filling(window, over=case.scope.as_of).requests))
