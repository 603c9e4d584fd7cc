"""What each week before a deployment held, and by how much weeks differ.

Days of one week rise and fall together, so that taking them as independent finds changes where none are;
the weeks themselves say how much they differ. `bench.series` measures it on real series.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pdmlib import stats
from pdmlib.phases.window import Window

# How much weeks differ, as a standard deviation of logarithms, before a site's own weeks have told it, and how
# many weeks of its own that is worth; chosen on series of two real sites, checked on two others (docs/proof.md).
USUAL_SPREAD, WORTH = 0.06, 2
TOGETHER = 1 / 6  # of what days of one week vary by, the part that they share: chosen on the same series
# Times the variance of a single day, which one piece of news can move where a week has others to outweigh it: with
# it 5 % of unchanged days of real series have an arrow at most, without it up to 5.4 %.
TAILS = 1.15
HALF_LIFE = 1.0  # weeks: a level drifts, so that each week counts half as much as the one after it
# From here on chance (a Poisson count's) is less than weeks differ by, and a count drifts as its level does.
PLENTY = 1 / USUAL_SPREAD**2
LEAD_DAYS, LEAD = 3, 0.5  # a change of which the last days before the deployment had half is not the deployment's
TOLD = 3  # fewer weeks tell no spread in words
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Weeks:
    """The same stretch of each week before the deployment.

    Attributes:
        totals: by how many weeks before; of a week of which a part is missing, scaled by the others.
        scatter: variance of the logarithm of a single piece among its like, and its degrees of freedom.
        pieces: how many pieces the stretch is made of.
        lead: logarithm of the ratio of the last days before the deployment to what was usual then.
        ahead: weeks from the end of the baseline to the middle of what is judged, at least one.
    """

    totals: Mapping[int, float] = field(default_factory=dict)
    scatter: tuple[float, int] = (0.0, 0)
    pieces: int = 1
    lead: float = 0.0
    ahead: float = 1.0

    @property
    def plenty(self) -> bool:
        """Whether the weeks differ by more than chance, so that the later ones tell more."""
        return min(self.totals.values(), default=0) > 0 and mean(self.totals.values()) >= PLENTY

    @property
    def weights(self) -> dict[int, float]:
        """What each week counts for."""
        return {week: weight(week) if self.plenty else 1.0 for week in self.totals}

    @property
    def expected(self) -> float:
        """The total to expect."""
        return sum(self.totals[week] * part for week, part in self.weights.items()) / sum(self.weights.values())

    @property
    def exposure(self) -> float:
        """How many weeks of the same weight they are worth."""
        parts = self.weights.values()
        return sum(parts) ** 2 / sum(part**2 for part in parts)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the variance."""
        return max(0, len(self.totals) - 1) + WORTH

    @property
    def variance(self) -> float:
        """Of the logarithm of a week's total, the shared variance; the usual one where the weeks tell little."""
        logs = [math.log(total) for total in self.totals.values() if total > 0]
        middle = mean(logs)
        own = sum((value - middle) ** 2 for value in logs)
        single = self.scatter[0] * (1 + TOGETHER * (self.pieces - 1)) / self.pieces
        tails = TAILS if self.pieces == 1 else 1.0
        return tails * (own + WORTH * max(USUAL_SPREAD**2, single)) / self.freedom

    @property
    def words(self) -> str:
        """How much the weeks differed and drifted; empty where there are too few."""
        if len(self.totals) < TOLD or not self.plenty:
            return ""
        logs = {-week: math.log(total) for week, total in self.totals.items()}
        apart = 100 * math.sqrt(sum((v - mean(logs.values())) ** 2 for v in logs.values()) / (len(logs) - 1))
        rise = 100 * math.expm1(stats.slope(list(logs), list(logs.values()))[0])
        return f"the weeks before differed by ±{apart:.0f} % among themselves and changed by {rise:+.0f} % a week"


def mean(values: Iterable[float]) -> float:
    """The mean; NaN of nothing."""
    known = list(values)
    return sum(known) / len(known) if known else math.nan


def weight(weeks: float) -> float:
    """What counts of so many weeks before tell of the level at the end."""
    return float(0.5 ** (weeks / HALF_LIFE))


def scatter_of(groups: Iterable[Sequence[float]]) -> tuple[float, int]:
    """Variance of logarithms within groups of positive values, and its degrees of freedom."""
    logs = [found for group in groups if (found := [math.log(value) for value in group if value > 0])]
    freedom = sum(len(group) - 1 for group in logs)
    squares = sum((value - mean(group)) ** 2 for group in logs for value in group)
    return (squares / freedom if freedom else 0.0), freedom


def lead_of(pieces: Sequence[tuple[object, Window, float]], end: datetime) -> float:
    """How far the last days before a moment were from their like of the weeks before, in logarithms.

    Args:
        pieces: each with what makes it like others, such as its weekday.
    """
    now, usual, late = 0.0, 0.0, end - timedelta(days=LEAD_DAYS)
    for kind, window, value in pieces:
        if window.end <= late:
            continue
        like = [
            (weight((window.start - w.start) / WEEK), v)
            for k, w, v in pieces
            if k == kind and w.end <= window.start
        ]
        if like:
            usual += sum(part * v for part, v in like) / sum(part for part, _ in like)
            now += value
    return math.log(now / usual) if now > 0 and usual > 0 else 0.0
