"""When a change of response times or failures began, as a moment with an interval.

A change point only dates what a limit has found: alone it would find changes in every noisy series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pdmlib.analysis.traffic.hourly import NEEDED, hourly
from pdmlib.analysis.traffic.populations import populations
from pdmlib.frames.case import Case, once
from pdmlib.phases.window import Window

Floats = np.ndarray[Any, np.dtype[np.float64]]

RARE = 1000.0  # times the most of any hour: of so many each is rare, as a Poisson count is
FEWEST = 24  # hours on each side together: with fewer there is nothing to date
# Natural logarithm of the odds: a thousand to one that there was a change at all, since there are hundreds of
# hours to begin in; and half of the 95 % quantile of chi-squared with one degree, for the interval (Wilks 1938).
CHANGED, WITHIN = math.log(1000), 1.92
HOUR = timedelta(hours=1)
ALIKE = 1.5  # times: so much worse since the deployment, and what was there before it is not all of it
TINY = 1e-300  # nought times its logarithm is nought
SMALLEST = 1e-12  # of a spread, what rounding leaves of it


@dataclass(frozen=True)
class Onset:
    """When something began: the likeliest moment, and the earliest and latest that are about as likely."""

    moment: datetime
    earliest: datetime
    latest: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether it may have begun at a moment."""
        return self.earliest <= moment <= self.latest


def after_deployment(case: Case, onset: Onset | None) -> datetime:
    """The moment of what surely began after the deployment; else the deployment."""
    deployed = case.scope.deployed_at
    return onset.moment if onset and onset.earliest > deployed else deployed


@once
def onset_of(case: Case, reading: str) -> Onset | None:
    """When the present level of a reading began, in the week before the deployment or since; None if unknown.

    Only response times and the rate of failing requests have such a series.
    """
    if reading != "error_rate_pct" and not reading.startswith("latency_"):
        return None
    span = Window(min(case.scope.before.start, case.window.start), case.window.end)
    hours = hourly(case.at(span))
    hours = hours[hours["at"] >= span.start]
    if reading == "error_rate_pct":
        known = hours[hours["requests"].gt(0) & hours["errors"].notna()]
        trials = _floats(known["requests"])
        events = np.minimum(_floats(known["errors"]), trials)  # a tracker may count several errors a request
        found = _dated(known["at"], of_rates(events, trials), events / trials)
        return _if_lasted(case, known["at"], events / trials, found, now=_failing_now(case))
    column = reading.removeprefix("latency_").removesuffix("_ms")
    if column not in ("p50", "p95", "p99"):
        return None
    # The percentile of a few requests is one of them: at night a sample of one in twenty has no more.
    known = hours[(hours[column] > 0) & ~(hours["timed"] < NEEDED[f"{column}_ms"])]
    logs = np.log(_floats(known[column]))
    levels = _beside_usual(known["at"], logs)
    return _if_lasted(case, known["at"], logs, _dated(known["at"], _of_levels(levels), levels))


def onset_of_counts(at: pd.Series, counts: Floats) -> Onset | None:
    """When a count of each hour changed for good; None where it did not surely, or is as it was."""
    if not len(counts) or counts.max() <= 0:
        return None
    of = np.full(len(counts), RARE * counts.max())
    return _dated(at, of_rates(counts, of), counts / of)


def onset_of_route(case: Case, route: str, failed: float | None) -> Onset | None:
    """When a route's failures of now began, or its slowness; None if unknown, which it is where no log tells.

    Args:
        failed: the share of its requests that fail now; None: it is slow.
    """
    hours = case["route_hours"]
    hours = hours[hours["route"] == route].sort_values("at")
    if failed is not None:
        known = hours[hours["requests"].gt(0) & hours["failures"].notna()]
        trials = _floats(known["requests"] * known["sample_rate"])
        levels = _floats(known["failures"] / known["requests"])
        gains = of_rates(levels * trials, trials)
    else:
        known = hours[hours["timed"] >= NEEDED["p50_ms"]]
        levels = np.log(_floats(known["avg_ms"]))
        gains = _of_levels(_beside_usual(known["at"], levels))
    return _if_lasted(case, known["at"], levels, _cut(known["at"], gains), now=failed)


def _failing_now(case: Case) -> float | None:
    """The share of the window's requests that failed; None where it is not known."""
    found = next(populations(case), None)
    return found.failures / found.requests if found and found.failures is not None and found.requests else None


def _if_lasted(
    case: Case, at: pd.Series, levels: Floats, onset: Onset | None, now: float | None = None
) -> Onset | None:
    """An onset; one before the deployment only where that went on up to it, about as bad as since.

    Half of the hours up to the deployment tell, so that a burst that was over excuses nothing that began with it.

    Args:
        now: the level of now; absent: that of the hours since the deployment.
    """
    deployed = case.scope.deployed_at
    if onset is None or onset.latest >= deployed:
        return onset
    usual = levels[(at < onset.moment).to_numpy()]
    between = levels[((at >= onset.moment) & (at < deployed)).to_numpy()]
    since = [now] if now is not None else levels[(at >= deployed).to_numpy()]
    if not (len(usual) and len(between) and len(since)):
        return None
    base = float(np.median(usual))
    return onset if ALIKE * abs(np.median(between) - base) >= abs(np.mean(since) - base) else None


def _floats(column: pd.Series) -> Floats:
    return np.asarray(column, dtype=np.float64)


def _beside_usual(at: pd.Series, logs: Floats) -> Floats:
    """Logarithms of response times, each beside the median of its hour of the day."""
    usual = pd.Series(logs).groupby(at.dt.hour.to_numpy()).transform("median").to_numpy()
    return np.asarray(logs - usual)


def _sides(values: Floats) -> tuple[Floats, Floats]:
    """Sums before each cut, and from it on; cuts leave one value at least on each side."""
    before = np.cumsum(values)[:-1]
    return before, values.sum() - before


def of_rates(events: Floats, trials: Floats) -> Floats:
    """Log-likelihood of each cut over none, of two rates and one."""

    def likelihood(hits: Any, of: Any) -> Any:
        return sum(part * np.log(np.maximum(part, TINY) / np.maximum(of, TINY)) for part in (hits, of - hits))

    (e1, e2), (t1, t2) = _sides(events), _sides(trials)
    return np.asarray(likelihood(e1, t1) + likelihood(e2, t2) - likelihood(events.sum(), trials.sum()))


def _of_levels(values: Floats) -> Floats:
    """Log-likelihood of each cut over none, of two means with one spread."""
    count = np.arange(1, len(values), dtype=np.float64)
    (s1, s2), total = _sides(values), float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0
    between = s1**2 / count + s2**2 / (len(values) - count) - values.sum() ** 2 / max(len(values), 1)
    if total <= 0:  # all alike
        return np.zeros(len(between))
    return np.asarray(len(values) / 2 * np.log(total / np.maximum(total - between, SMALLEST * total)))


def _is_burst(values: Floats, cut: int) -> bool:
    """Whether most hours after a cut are as those before it: what was over is not the present level."""
    before, after = np.median(values[:cut]), values[cut:]
    return bool(abs(np.median(after) - before) < abs(after.mean() - before) / 2)


def _dated(at: pd.Series, gains: Floats, values: Floats) -> Onset | None:
    """The likeliest cut, none where it is of a burst; each bucket holds the moments since the one before."""
    if len(at) < FEWEST or not np.isfinite(gains).all() or gains.max() < CHANGED:
        return None
    return None if _is_burst(values, int(gains.argmax()) + 1) else _cut(at, gains)


def _cut(at: pd.Series, gains: Floats) -> Onset | None:
    """The likeliest cut of those that are surely one, with those about as likely."""
    if len(at) < FEWEST or not np.isfinite(gains).all() or gains.max() < CHANGED:
        return None
    near = np.flatnonzero(gains >= gains.max() - WITHIN)
    moments = [moment.to_pydatetime() for moment in at]
    best, first, last = (int(place) + 1 for place in (gains.argmax(), near[0], near[-1]))
    return Onset(moments[best], moments[first], moments[last] + HOUR)


def newest_run(at: pd.Series, apart: timedelta = HOUR) -> datetime | None:
    """When the newest run of events began of which none is farther from the next; None where there is none."""
    moments = at.dropna().sort_values()
    first = moments[moments.diff().isna() | (moments.diff() > apart)]
    return None if first.empty else first.iloc[-1].to_pydatetime()
