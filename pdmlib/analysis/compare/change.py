"""Measurements put beside what was usual: the same hours of the weeks before, or a rate before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache

from pdmlib.analysis.compare.baseline import PRACTICAL_PCT, Baseline, Change, baseline, change, together
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Measurement
from pdmlib.phases.window import Window

DAY = timedelta(days=1)
SEVEN_DAYS = "the seven days before the deployment"


def weeks_before(case: Case, count: Callable[[Case], float | None]) -> Baseline:
    """The baseline of a count over the case's window: the same weekdays and hours of the weeks before.

    A window of days is compared day by day, so that a holiday in one week costs that day alone.

    Args:
        count: the value of a case's window, one that adds up; None where it is not known.
    """

    @cache
    def value(window: Window) -> float:
        found = count(case.at(window))
        return math.nan if found is None else found

    pieces = _pieces(case.window)
    return together([_before(case, piece, value) for piece in pieces], now=map(value, pieces))


def _pieces(window: Window) -> list[Window]:
    """A window cut into days of 24 hours, the last one shorter."""
    days = max(1, math.ceil(window.seconds / DAY.total_seconds()))
    starts = [window.start + n * DAY for n in range(days)]
    return [Window(start, min(window.end, start + DAY)) for start in starts]


def _before(case: Case, piece: Window, value: Callable[[Window], float]) -> Baseline:
    first, end = case.scope.baseline.start, case.scope.baseline.end
    days = math.ceil((piece.end - first) / DAY)
    earlier = [piece.days_earlier(k, case.site.zone) for k in range(1, days + 1)]
    return baseline(case, [(w, value(w)) for w in earlier if w.start >= first and w.end <= end], piece)


def rate_before(trials: float, base_events: float, base_trials: float, used: str = SEVEN_DAYS) -> Baseline:
    """The baseline of the events among some trials, from a rate before."""
    if not base_trials or not trials:
        return Baseline("none", (), f"no baseline: nothing was counted in {used}")
    expected = base_events * trials / base_trials
    return Baseline("days", (expected,), used, expected=expected, exposure=base_trials / trials, dispersion=1.0)


def practical_pct(case: Case, metric: str) -> float:
    """The smallest change of a metric that matters, in percent."""
    return case.site.practical_pct.get(metric, PRACTICAL_PCT)


def counted(case: Case, metric: str, found: Measurement, base: Baseline, better: str = "neither") -> Measurement:
    """A measured count with its baseline, change and trend, and the change in words as evidence."""
    if not isinstance(found.value, int | float):
        return found
    seen = change(
        float(found.value), base, better, practical_pct=practical_pct(case, metric), looks=case.scope.phase.looks
    )
    return beside(found, seen)


def beside(found: Measurement, seen: Change, baseline: float | None = None, judged: bool = True) -> Measurement:
    """A measurement with a change: baseline, percentage, trend, and the words of the change in its evidence.

    Args:
        judged: False where the limits are of a baseline that is not known.
    """
    words = "; ".join(part for part in (found.evidence, seen.words) if part)
    return replace(
        found,
        baseline=seen.baseline if baseline is None else baseline,
        change_pct=seen.change_pct,
        trend=seen.trend,
        evidence=words or None,
        judged=judged,
    )
