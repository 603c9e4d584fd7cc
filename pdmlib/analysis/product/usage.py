"""How much a feature is used: amounts of any window, what its own past would expect, and its silence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from pdmlib import stats
from pdmlib.analysis.compare.baseline import PRACTICAL_PCT, Baseline, Change, baseline, change, together, usable
from pdmlib.frames.case import Case, once
from pdmlib.frames.rows import microsecond
from pdmlib.phases.window import Day, Window, days_between
from pdmlib.site.tables import Feature

DAY = timedelta(days=1)
ENOUGH_DAYS = 3  # fewer give no spread that one odd day does not rule


@dataclass(frozen=True)
class Amounts:
    """Amounts of one feature by quarter of an hour, summed over any window.

    Attributes:
        blanks: rows whose amount is not understood, and which the sums leave out.
    """

    moments: np.ndarray
    sums: np.ndarray
    blanks: np.ndarray

    def within(self, window: Window) -> float:
        """The amount in a window; a quarter belongs to the window that holds its start."""
        return self._of(self.sums, window)

    def blank(self, window: Window) -> int:
        """Rows in a window whose amount is not understood."""
        return round(self._of(self.blanks, window))

    def is_nothing(self, window: Window) -> bool:
        """Whether a window is known to hold nothing."""
        return self.within(window) == 0 and not self.blank(window)

    def of_each(self, edges: np.ndarray) -> list[float]:
        """The amount in each of some windows, given where these start and end as `_edges` does."""
        first, last = np.searchsorted(self.moments, edges).T
        return list((self.sums[last] - self.sums[first]).tolist())

    def _of(self, sums: np.ndarray, window: Window) -> float:
        first, last = np.searchsorted(self.moments, _edges(window))
        return float(sums[last] - sums[first])


def _edges(window: Window) -> list[int]:
    return [microsecond(window.start), microsecond(window.end)]


@dataclass(frozen=True)
class Silence:
    """The full days without any use at the end of a window, and how likely that is.

    Attributes:
        expected: the amount that the feature's own rate would bring in these days; None when it has none.
        chance: probability of nothing at that rate.
    """

    days: tuple[Day, ...]
    expected: float | None
    chance: float | None
    used: str


@once
def amounts(case: Case, name: str) -> Amounts | None:
    """Amounts of a feature; None when its source was not seen."""
    if not case.answered("postgres", f"feature:{name}"):
        return None
    counts = case["feature_counts"]
    mine = counts[(counts["feature"] == name) & counts["at"].notna()].sort_values("at")
    moments = mine["at"].astype("int64").to_numpy()
    sums, blanks = (
        np.concatenate([[0.0], mine[column].fillna(0.0).cumsum().to_numpy()]) for column in ("amount", "blank")
    )
    return Amounts(moments, sums, blanks)


def expected(case: Case, found: Amounts, part: Window) -> Baseline:
    """The baseline of a local day or a part of one: the same hours of the days before the deployment."""
    zone = case.site.zone
    start, end = part.start.astimezone(zone), part.end.astimezone(zone)
    until = None if end.time() == time.min else end.time()
    history, edges = _same_hours(zone, case.scope.baseline, start.time(), until)
    return baseline(case, list(zip(history, found.of_each(edges), strict=True)), part)


@lru_cache(maxsize=64)
def _same_hours(
    zone: ZoneInfo, span: Window, start: time, end: time | None
) -> tuple[tuple[Window, ...], np.ndarray]:
    """The hours from start to end (None: midnight) on every local day of a span, and the edges of each."""
    days = days_between(span.start.astimezone(zone).date(), span.end.astimezone(zone).date(), zone)
    found = []
    for day in days:
        first = datetime.combine(day.date, start, zone).timestamp()
        last = datetime.combine(day.date, end, zone).timestamp() if end else day.window.end.timestamp()
        if last > first:
            found.append(Window(*(datetime.fromtimestamp(m, day.window.start.tzinfo) for m in (first, last))))
    return tuple(found), np.array([_edges(window) for window in found]).reshape(-1, 2)


def change_of(case: Case, feature: Feature, found: Amounts) -> Change:
    """The amount of the window against the same weekdays and hours before the deployment."""
    changed: Change = case.kept(("change", feature.name), lambda one: _change_of(one, feature, found))
    return changed


def _change_of(case: Case, feature: Feature, found: Amounts) -> Change:
    parts = [part for day in local_days(case) if (part := day.window.clip(case.window)).seconds > 0]
    base = together([expected(case, found, part) for part in parts], now=map(found.within, parts))
    practical = case.site.practical_pct.get(f"feature_{feature.name}", PRACTICAL_PCT)
    return change(found.within(case.window), base, "higher", practical_pct=practical, looks=case.scope.phase.looks)


def local_days(case: Case) -> tuple[Day, ...]:
    """The local days that the case's window touches."""
    zone, window = case.site.zone, case.window
    last = (window.end - timedelta(seconds=1)).astimezone(zone).date()
    return days_between(min(window.start.astimezone(zone).date(), last), last, zone)


def full_days(case: Case) -> list[Day]:
    """The local days that lie whole in the case's window."""
    inside = case.window
    return [d for d in local_days(case) if d.window.start >= inside.start and d.window.end <= inside.end]


def silence(case: Case, found: Amounts) -> Silence:
    """Full days of nothing up to the window's end; holidays and incident days of nothing tell nothing."""
    days = full_days(case)
    apart = {d.date for d in days if d.date in case.site.holidays or d.date in case.site.incident_days}
    tail = Window(days[-1].window.end, case.window.end) if days else case.window
    run: list[Day] = []
    for day in reversed(days if found.is_nothing(tail) else []):
        if not found.is_nothing(day.window):
            break
        if day.date not in apart:
            run.insert(0, day)
    if not run:
        return Silence((), None, None, "")
    return _likely(case, found, tuple(run), [d for d in days if d.date < run[0].date and d.date not in apart])


def _likely(case: Case, found: Amounts, run: tuple[Day, ...], earlier: list[Day]) -> Silence:
    base = together([expected(case, found, day.window) for day in run])
    if base.expected is not None:
        spread = 1.0 if math.isnan(base.dispersion) else base.dispersion
        return Silence(run, base.expected, stats.chance_of_none(base.expected, spread), base.used)
    if len(earlier) < ENOUGH_DAYS:
        return Silence(run, None, None, base.used)
    counts = [found.within(day.window) for day in earlier]
    due, spread = sum(counts) / len(counts) * len(run), stats.dispersion([counts])
    chance = stats.chance_of_none(due, 1.0 if math.isnan(spread) else spread)
    return Silence(run, due, chance, f"the {len(earlier)} days of this window before")


def conversion(case: Case, completed: Amounts, attempted: Amounts) -> float | None:
    """Share of attempts that were completed before the deployment, at most 1; None without attempts."""
    zone, span = case.site.zone, case.scope.baseline
    days = days_between(span.start.astimezone(zone).date(), span.end.astimezone(zone).date(), zone)
    known = [day.window for day in days if usable(case, day.window)]
    tried = sum(attempted.within(window) for window in known)
    return min(1.0, sum(completed.within(window) for window in known) / tried) if tried else None


def last_use(case: Case, name: str) -> date | None:
    """The local day of a feature's last use before the window's end; None when there was none."""
    counts = case["feature_counts"]
    moments = counts.loc[(counts["feature"] == name) & (counts["amount"] > 0), "at"]
    moments = moments[moments < case.window.end]
    return None if moments.empty else moments.max().astimezone(case.site.zone).date()
