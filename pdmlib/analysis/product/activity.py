"""User activity: visitors, page views, session length and bounces, against what is usual.

Distinct visitors cannot be added up, so every figure is one of the source's own for exactly its
window. What is usual is the same stretch of each of the weeks before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.compare.baseline import Baseline, baseline, change
from pdmlib.analysis.compare.change import beside, counted, practical_pct, rate_before
from pdmlib.analysis.compare.weeks import Weeks
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Limit, Measurement, State, Status, Trend
from pdmlib.phases.phase import Topic
from pdmlib.phases.scope import BASELINE
from pdmlib.phases.window import Window, day_of

SECTION = "activity"
PREFERENCE = ("requests", "analytics", "database", "postgres", "vercel")
WATCH = "Monitor, investigate if persists"
STRETCH = "the stretch of the same length before"
NAMES = {"visitors": "unique_users", "page_views": "page_views"}
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def unique_users(case: Case) -> Measurement:
    """Distinct visitors of the window."""
    return _count(case, "visitors")


def page_views(case: Case) -> Measurement:
    """Pages viewed in the window."""
    return _count(case, "page_views")


def _count(case: Case, column: str) -> Measurement:
    source, now = _row(case, case.window, column)
    if now is None:
        return _nothing(case, "visitor" if column == "visitors" else "pages")
    value = int(now[column])
    base = _base(case, column, source)
    found = Measurement(State.MEASURED, value, source=source, window=case.window)
    return replace(
        counted(case, NAMES[column], found, base=base, better="higher"), judged=base.expected is not None
    )


def _base(case: Case, column: str, source: str) -> Baseline:
    """The same stretch of the weeks before the deployment; of a longer one than they are, that before it."""
    weeks = [case.window.days_earlier(days, case.site.zone) for days in range(7, BASELINE.days + 1, 7)]
    known = [(window, row) for window in weeks if (row := _row(case, window, column, source)[1]) is not None]
    base = baseline(case, [(window, float(row[column])) for window, row in known], case.window)
    _, before = _row(case, case.window.shifted(case.window.start - case.window.end), column, source)
    if base.expected is not None or before is None or case.window.seconds < WEEK.total_seconds():
        return base
    value = float(before[column])
    return Baseline("days", (value,), STRETCH, expected=value, exposure=1.0, weeks=Weeks({1: value}))


def bounce_rate_pct(case: Case) -> Measurement:
    """Sessions with one page, in percent of all sessions, with its Wilson interval."""
    source, now = _row(case, case.window, "bounced")
    if now is None or not now["sessions"]:
        return _nothing(case, "pages")
    sessions, bounced = int(now["sessions"]), int(now["bounced"])
    share = 100 * bounced / sessions
    low, high = (100 * bound for bound in stats.wilson(bounced, sessions))
    _, before = _row(case, _usual(case), "bounced", source)
    found = Measurement(
        State.MEASURED, share, samples=sessions, low=low, high=high, source=source, window=case.window
    )
    if before is None or not before["sessions"]:
        return replace(found, judged=False)
    base = rate_before(sessions, int(before["bounced"]), int(before["sessions"]), "the same stretch before")
    seen = change(bounced, base, "lower", practical_pct(case, "bounce_rate_pct"))
    return beside(found, seen, 100 * int(before["bounced"]) / int(before["sessions"]))


def session_duration_s(case: Case) -> Measurement:
    """Average length of a session."""
    source, now = _row(case, case.window, "session_s")
    if now is None:
        return _nothing(case, "duration_s")
    sessions = None if pd.isna(now["sessions"]) else int(now["sessions"])
    found = Measurement(
        State.MEASURED, float(now["session_s"]), samples=sessions, source=source, window=case.window
    )
    _, before = _row(case, _usual(case), "session_s", source)
    if before is None or not before["session_s"]:
        return found
    base = float(before["session_s"])
    return replace(found, baseline=base, change_pct=100 * (float(now["session_s"]) / base - 1))


def _nothing(case: Case, column: str) -> Measurement:
    """Why there is no value: no source, a column that is not understood, one that is not there, or no session."""
    block = case.site.activity
    if block is None:
        return case.missing("vercel", "activity", "no source counts visitors of this window")
    unclear = case.unclear("postgres", f"activity.{column}")
    if unclear:
        return Measurement.missing(State.NOT_UNDERSTOOD, unclear, "postgres")
    _, row = _row(case, case.window, "sessions", "postgres")
    lacking = f"{block.table} has no column for {column}, or its sessions leave it empty"
    empty = row is None or not row["sessions"]
    return case.missing(
        "postgres", f"table:{block.table}", "no session falls into the window" if empty else lacking
    )


def _row(
    case: Case, window: Window | None, column: str, source: str | None = None
) -> tuple[str, pd.Series | None]:
    """The best source's row of exactly a window that has the column; of one source where one is named."""
    rows = _by_span(case.at(case.scope.window)).get((window.start, window.end)) if window else None
    if rows is not None:
        rows = rows[rows[column].notna() & rows["source"].notna()]
        found = {str(name): place for place, name in reversed(list(enumerate(rows["source"])))}
        for name in (source,) if source else (*PREFERENCE, *sorted({*found} - {*PREFERENCE})):
            if name in found:
                return name, rows.iloc[found[name]]
    return source or "", None


@once
def _by_span(case: Case) -> dict[tuple[datetime, datetime], pd.DataFrame]:
    """Rows by the stretch of time that they tell of."""
    groups = case["activity"].groupby(["start", "end"], sort=False)
    return {(start.to_pydatetime(), end.to_pydatetime()): rows for (start, end), rows in groups}


def _usual(case: Case) -> Window | None:
    """The window to compare with: as many days before, or the same weekday a week ago; None for a few hours."""
    length = case.window.end - case.window.start
    if length >= WEEK:
        return case.window.shifted(-length)
    if DAY - timedelta(hours=1) <= length <= DAY + timedelta(hours=1):
        return day_of(case.window.start - WEEK, case.site.zone).window
    return None


_DROP = (Limit("==", Trend.DOWN, Status.WARN, action=WATCH, of="trend"),)
_RISE = (Limit("==", Trend.UP, Status.WARN, action=WATCH, of="trend"),)

METRICS: tuple[Metric, ...] = (
    Metric(
        "unique_users",
        "Unique users",
        "count",
        section=SECTION,
        measure=unique_users,
        limits=_DROP,
        target="no drop",
        better="higher",
        topic=Topic.DAYS,
    ),
    Metric(
        "page_views",
        "Page views",
        "count",
        adds_up=True,
        section=SECTION,
        measure=page_views,
        limits=_DROP,
        target="no drop",
        better="higher",
        topic=Topic.DAYS,
    ),
    Metric(
        "session_duration_s",
        "Session duration",
        "s",
        section=SECTION,
        measure=session_duration_s,
        topic=Topic.DAYS,
    ),
    Metric(
        "bounce_rate_pct",
        "Bounce rate",
        "%",
        section=SECTION,
        measure=bounce_rate_pct,
        limits=_RISE,
        target="no rise",
        better="lower",
        topic=Topic.DAYS,
    ),
)
