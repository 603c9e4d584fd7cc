"""Measurements put beside what was usual: the same hours of the weeks before, or a rate before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from pdmlib.baseline import PRACTICAL_PCT, Baseline, Change, baseline, change
from pdmlib.case import Case
from pdmlib.readings import Measurement

WEEK = timedelta(days=7)
SEVEN_DAYS = "the seven days before the deployment"


def weeks_before(case: Case, count: Callable[[Case], float | None]) -> Baseline:
    """The baseline of a count over the case's window: the same stretch of each of the four weeks before.

    Args:
        count: the value of a case's window; None where it is not known.
    """
    windows = [case.window.shifted(-k * WEEK) for k in range(1, 9)]
    first, end = case.scope.baseline.start, case.scope.baseline.end
    inside = [w for w in windows if w.start >= first and w.end <= end]
    values = [(w, count(case.at(w))) for w in inside]
    return baseline(case, [(w, math.nan if v is None else v) for w, v in values], case.window)


def rate_before(trials: float, base_events: float, base_trials: float, used: str = SEVEN_DAYS) -> Baseline:
    """The baseline of the events among some trials, from a rate before."""
    if not base_trials or not trials:
        return Baseline("none", (), f"no baseline: nothing was counted in {used}")
    expected = base_events * trials / base_trials
    return Baseline("days", (expected,), used, expected, base_trials / trials, 1.0)


def practical_pct(case: Case, metric: str) -> float:
    """The smallest change of a metric that matters, in percent."""
    return case.site.practical_pct.get(metric, PRACTICAL_PCT)


def counted(case: Case, metric: str, found: Measurement, base: Baseline, better: str = "neither") -> Measurement:
    """A measured count with its baseline, change and trend, and the change in words as evidence."""
    if not isinstance(found.value, int | float):
        return found
    return beside(found, change(float(found.value), base, better, practical_pct(case, metric)))


def beside(found: Measurement, seen: Change, baseline: float | None = None) -> Measurement:
    """A measurement with a change: baseline, percentage, trend, and the words of the change in its evidence."""
    words = "; ".join(part for part in (found.evidence, seen.words) if part)
    base = seen.baseline if baseline is None else baseline
    return replace(found, baseline=base, change_pct=seen.change_pct, trend=seen.trend, evidence=words or None)
