"""The days of a phase, each beside the seven before it and against its own kind of day."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pdmlib.analysis.compare.baseline import Baseline, Change, baseline, change, level_change
from pdmlib.analysis.compare.change import practical_pct
from pdmlib.analysis.traffic.populations import population, populations, spanned, timing
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Trend
from pdmlib.phases.window import Day, Window, day_of, days_between

WHOLE_PCT = 90.0  # of a day: with less counted it is no day to compare with
Compare = Callable[..., Change]


@dataclass(frozen=True)
class DayFacts:
    """What was measured of one day; NaN where nothing was.

    Attributes:
        coverage_pct: share of the whole day that was counted.
        whole: the day is over and nearly all of it was counted.
    """

    day: Day
    coverage_pct: float
    requests: float
    failures: float
    avg_ms: float
    p95_ms: float
    whole: bool

    @property
    def error_rate_pct(self) -> float:
        """Failed requests in percent of all."""
        return 100 * self.failures / self.requests if self.requests else math.nan


COLUMNS: tuple[tuple[str, str, str, Compare], ...] = (
    ("requests", "requests_total", "neither", change),
    ("error_rate_pct", "error_rate_pct", "lower", level_change),
    ("latency_avg_ms", "latency_avg_ms", "lower", level_change),
    ("latency_p95_ms", "latency_p95_ms", "lower", level_change),
)


@once
def daily(case: Case) -> list[dict[str, Any]]:
    """Rows of `daily`: the phase's days so far and the seven before them.

    `<metric>_7day` is that of the seven days before, whatever weekdays they were, and
    `<metric>_vs_7day_pct` the difference to it; of a p95 the median, since percentiles cannot be pooled.
    `<metric>_trend` is judged against days of the same kind and has an arrow only for change.
    """
    facts = _facts(case)
    shown = {day.date for day in case.scope.review_days}
    return [_row(case, facts, place) for place, one in enumerate(facts) if one.day.date in shown]


def _facts(case: Case) -> list[DayFacts]:
    zone, scope = case.site.zone, case.scope
    first, last = day_of(scope.baseline.start, zone).date, scope.review_days[-1].date
    days = [day for day in days_between(first, last, zone) if day.window.start < scope.as_of]
    whole = case.at(scope.window)
    counted = next((p.source for p in populations(whole)), "")
    timed = next((s for s in timing(case) if any(_has(case, s, d) for d in days[-8:])), "")
    return [_of_day(case, day, counted, timed) for day in days]


def _has(case: Case, source: str, day: Day) -> bool:
    return spanned(case.at(day.window), source) is not None


def _of_day(case: Case, day: Day, counted: str, timed: str) -> DayFacts:
    passed = Window(day.window.start, min(day.window.end, case.scope.as_of))
    now = case.at(passed)
    found, times = population(now, counted), spanned(now, timed)
    coverage = 0.0 if found is None else found.coverage_pct(day.window)
    failures = None if found is None else found.failures
    return DayFacts(
        day,
        coverage,
        math.nan if found is None else found.requests,
        failures=math.nan if failures is None else failures,
        avg_ms=math.nan if times is None else float(times["avg_ms"]),
        p95_ms=math.nan if times is None else float(times["p95_ms"]),
        whole=passed == day.window and (found is None or coverage >= WHOLE_PCT),
    )


def _row(case: Case, facts: Sequence[DayFacts], place: int) -> dict[str, Any]:
    one = facts[place]
    week = one.day.date - timedelta(days=7)
    before = [f for f in facts[:place] if f.day.date >= week and f.whole]
    usual = _usual(before)
    values = _values(one)
    row: dict[str, Any] = {"date": one.day.date.isoformat()}
    for name, metric, better, compare in COLUMNS:
        row[name] = _known(values[name])
        row[f"{name}_7day"] = _known(usual[name])
        row[f"{name}_vs_7day_pct"] = (
            _known(100 * (values[name] / usual[name] - 1)) if one.whole and usual[name] else None
        )
        row[f"{name}_trend"] = (
            _trend(case, facts, one, name=name, metric=metric, better=better, compare=compare)
            if one.whole
            else Trend.UNKNOWN
        )
    return {**row, "coverage_pct": one.coverage_pct, "complete": one.whole}


def _values(one: DayFacts) -> dict[str, float]:
    return {
        "requests": one.requests,
        "error_rate_pct": one.error_rate_pct,
        "latency_avg_ms": one.avg_ms,
        "latency_p95_ms": one.p95_ms,
    }


def _usual(days: Sequence[DayFacts]) -> dict[str, float]:
    """What the days before held: requests of a day, a rate of sums, a pooled mean, the median of p95s."""
    counted = [f for f in days if not math.isnan(f.requests)]
    failed = [f for f in counted if not math.isnan(f.failures)]
    timed = [f for f in counted if not math.isnan(f.avg_ms)]
    return {
        "requests": _ratio(sum(f.requests for f in counted), len(counted)),
        "error_rate_pct": 100 * _ratio(sum(f.failures for f in failed), sum(f.requests for f in failed)),
        "latency_avg_ms": _ratio(sum(f.avg_ms * f.requests for f in timed), sum(f.requests for f in timed)),
        "latency_p95_ms": _median([f.p95_ms for f in days if not math.isnan(f.p95_ms)]),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def _trend(
    case: Case, facts: Sequence[DayFacts], one: DayFacts, name: str, metric: str, better: str, compare: Compare
) -> Trend:
    value = _values(one)[name]
    if math.isnan(value):
        return Trend.UNKNOWN
    history = [(f.day.window, _values(f)[name]) for f in facts if f.whole and f is not one]
    base: Baseline = baseline(case, history, one.day.window)
    seen = compare(value, base, better, practical_pct(case, metric))
    return seen.trend


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
