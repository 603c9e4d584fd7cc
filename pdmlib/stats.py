"""Statistics of rates, counts and quantiles: thin calls into scipy's special functions.

`scipy.special` and not `scipy.stats`, which takes seconds to import.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from scipy import special

POISSON = 1 + 1e-9  # a dispersion up to here is 1 but for rounding
FEWEST_POINTS = 3  # a line through two has no residual, and so no interval
# Beta distribution of the rates that an application in order has: half a percent, most of them less.
LOW_RATES = (0.5, 100.0)
RESOLUTION = 100_000  # of a bound: steps from the observed share to 1, finer near it
LEVEL = 0.05  # two-sided, of all intervals: 95 %
# Of the requests that are counted: with more of unknown outcome than of a usual error rate (5 %) there is no rate.
KNOWN_SHARE = 0.95


def of_all(part: float, known: float, total: float) -> float | None:
    """How many of all are of a kind that is known of some: as large a share; None if known of too few."""
    return part * total / known if known and known >= KNOWN_SHARE * total else None


def wilson(successes: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Two-sided Wilson score interval of a proportion; (0, 1) without trials.

    Source: Wilson 1927; Brown, Cai and DasGupta 2001, Statistical Science 16, section 3.1.1.
    """
    if trials <= 0:
        return 0.0, 1.0
    z = normal(level)
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes <= 0 else max(0.0, middle - half)
    high = 1.0 if successes >= trials else min(1.0, middle + half)
    return low, high


def proportion(successes: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a proportion: Wilson's; below the usual level, one look of several at growing data.

    Then the upper bound holds at every look, however many there are, by a mixture of alternatives; where a rate is
    as low as the mixture expects it needs half the trials of a divided level. The lower bound, which finds faults,
    is sooner there by the divided level, which stays (docs/proof.md has both).
    Source: Robbins 1970, Annals of Mathematical Statistics 41; Lindon and others 2022, KDD.
    """
    low, high = wilson(successes, trials, level)
    return (low, high) if level >= LEVEL else (low, min(high, _upper_at_any_look(successes, trials)))


def _upper_at_any_look(successes: float, trials: float) -> float:
    """The lowest proportion above the observed one that 40 to 1 speaks against (Ville's inequality, one-sided)."""
    if trials <= 0:
        return 1.0
    failures = trials - successes
    mixed = special.betaln(LOW_RATES[0] + successes, LOW_RATES[1] + failures) - special.betaln(*LOW_RATES)

    def against(share: float) -> bool:
        usual = special.xlogy(successes, share) + special.xlog1py(failures, -share)
        return bool(mixed - usual >= math.log(2 / LEVEL))

    first = successes / trials
    steps = _first(RESOLUTION, lambda k: k == RESOLUTION or against(first + (1 - first) * (k / RESOLUTION) ** 3))
    return float(first + (1 - first) * (steps / RESOLUTION) ** 3)


def trials_to_decide(successes: float, trials: float, limit: float, level: float = LEVEL) -> int | None:
    """How many trials at the observed rate take the Wilson bound past the limit; at least those there are.

    None when the rate is the limit itself, or there are no trials: then no number decides.
    Source: the score test that the Wilson interval inverts, solved for the number of trials.
    """
    if trials <= 0 or successes / trials == limit:
        return None
    distance = successes / trials - limit
    needed = normal(level) ** 2 * limit * (1 - limit) / distance**2
    return max(math.floor(needed) + 1, math.ceil(trials))


def trials_to_doubt(successes: float, trials: int, limit: float, level: float = LEVEL) -> int:
    """How many trials in all, none of the further ones a success, take the lower Wilson bound down to a limit."""

    return _least(trials, lambda number: wilson(successes, number, level)[0] <= limit)


def trials_to_pass(
    events: float, trials: int, is_well: Callable[[float], bool], limit: float, level: float
) -> int:
    """How many trials in all, none of the further ones an event, take a rate into its target.

    Args:
        is_well: whether a share of 0 to 1 meets the target.
        limit: the target's edge; the rate's upper bound has to be under twice of it.
    """

    def passes(number: int) -> bool:
        return is_well(events / number) and proportion(events, number, level)[1] < 2 * limit

    return _least(trials, passes)


def _least(least: int, holds: Callable[[int], bool]) -> int:
    """The first number from the least on for which something holds that goes on holding."""
    most = max(least, 1)
    while not holds(most):
        most *= 2
    return bisect_left(range(most), True, lo=least, key=holds)


def rate_ratio(
    count: float,
    exposure: float,
    base_count: float,
    base_exposure: float,
    dispersion: float = 1.0,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Interval of (count / exposure) / (base_count / base_exposure); high is infinite from a base of 0.

    Exact, conditional on the sum of both counts. With a dispersion above 1 both counts are divided
    by it, which widens the interval as a quasi-Poisson model does.
    Source: Przyborowski and Wilenski 1940, Biometrika 31; McCullagh and Nelder 1989, section 6.2.3.
    """
    now, before = count / max(dispersion, 1.0), base_count / max(dispersion, 1.0)
    if now + before <= 0 or exposure <= 0 or base_exposure <= 0:
        return 0.0, math.inf
    low = 0.0 if now <= 0 else float(special.betaincinv(now, before + 1, level / 2))
    high = 1.0 if before <= 0 else float(special.betaincinv(now + 1, before, 1 - level / 2))
    scale = base_exposure / exposure
    return scale * low / (1 - low), math.inf if high >= 1 else scale * high / (1 - high)


def rate_ratio_p(
    count: float, exposure: float, base_count: float, base_exposure: float, dispersion: float = 1.0
) -> float:
    """Two-sided p-value of equal rates, twice the smaller tail of the test that `rate_ratio` inverts."""
    now, before = count / max(dispersion, 1.0), base_count / max(dispersion, 1.0)
    if now + before <= 0 or exposure <= 0 or base_exposure <= 0:
        return 1.0
    share = exposure / (exposure + base_exposure)
    at_least = 1.0 if now <= 0 else float(special.betainc(now, before + 1, share))
    at_most = 1.0 if before <= 0 else 1 - float(special.betainc(now + 1, before, share))
    return min(1.0, 2 * min(at_least, at_most))


def quantile_ranks(samples: int, quantile: float, level: float = LEVEL) -> tuple[int | None, int | None]:
    """Ranks (from 1) of the order statistics that enclose a quantile; None where too few samples bound it.

    Source: David and Nagaraja 2003, Order Statistics, section 7.1.
    """
    if samples <= 0:
        return None, None
    tail = level / 2
    low = _first(samples, lambda k: bool(special.bdtr(k, samples, quantile) > tail))
    high = _first(samples, lambda k: bool(special.bdtr(k, samples, quantile) >= 1 - tail)) + 1
    return low or None, high if high <= samples else None


def quantile_interval(
    values: Iterable[float], quantile: float, level: float = LEVEL
) -> tuple[float | None, float | None]:
    """Interval of a quantile from the values themselves, by `quantile_ranks`."""
    ordered = sorted(values)
    low, high = quantile_ranks(len(ordered), quantile, level)
    return ordered[low - 1] if low else None, ordered[high - 1] if high else None


def _first(samples: int, holds: Callable[[int], bool]) -> int:
    """The smallest k in 0..samples for which a condition that stays true once true holds."""
    low, high = 0, samples
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def dispersion(groups: Iterable[Sequence[float]]) -> float:
    """Variance over mean of counts, pooled over groups with means of their own; at least 1.

    NaN when no group has two values and a mean above zero.
    Source: Pearson's statistic over its degrees of freedom; McCullagh and Nelder 1989, section 4.5.2.
    """
    total, freedom = 0.0, 0
    for values in groups:
        mean = sum(values) / len(values) if values else 0.0
        if mean > 0:
            total += sum((value - mean) ** 2 for value in values) / mean
            freedom += len(values) - 1
    return max(1.0, total / freedom) if freedom else math.nan


def level_for_looks(looks: int, level: float = LEVEL) -> float:
    """The level of each of several looks at growing data, so that all together keep the level.

    Source: Bonferroni's inequality; conservative, as the looks are correlated.
    """
    return level / max(1, looks)


def count_interval(count: float, level: float = LEVEL) -> tuple[float, float]:
    """What a Poisson count may be of. Source: Garwood 1936, Biometrika 28: quantiles of chi-squared."""
    tail = level / 2
    low = float(special.gammaincinv(count, tail)) if count > 0 else 0.0
    return low, float(special.gammaincinv(count + 1, 1 - tail))


def chance_of_none(expected: float, dispersion: float = 1.0) -> float:
    """Probability of counting nothing where `expected` are due; Poisson, or negative binomial when overdispersed.

    Source: McCullagh and Nelder 1989, section 6.2.3 (variance = dispersion * mean).
    """
    if dispersion <= POISSON:
        return math.exp(-expected)
    return float(dispersion ** (-expected / (dispersion - 1)))


def student(freedom: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t: 1.96 for many degrees of freedom."""
    return float(special.stdtrit(freedom, 1 - level / 2))


def student_p(distance: float, freedom: float) -> float:
    """Two-sided p-value of a distance in standard errors."""
    return 2 * float(special.stdtr(freedom, -abs(distance)))


def normal(level: float = LEVEL) -> float:
    """Two-sided quantile of the normal distribution."""
    return float(special.ndtri(1 - level / 2))


def mean_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Student's interval of a mean; NaN below two values. Source: Student 1908, Biometrika 6."""
    count = len(values)
    if count < 2:
        return math.nan, math.nan
    mean = sum(values) / count
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (count - 1))
    half = float(special.stdtrit(count - 1, 1 - level / 2)) * spread / math.sqrt(count)
    return mean - half, mean + half


def slope(xs: Sequence[float], ys: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """Slope of the least-squares line and its interval; NaN below three points or without spread.

    Source: Draper and Smith 1998, Applied Regression Analysis, section 1.4.
    """
    count = len(xs)
    middle_x, middle_y = sum(xs) / max(count, 1), sum(ys) / max(count, 1)
    spread = sum((x - middle_x) ** 2 for x in xs)
    if count < FEWEST_POINTS or spread == 0:
        return math.nan, math.nan, math.nan
    value = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - middle_y - value * (x - middle_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    half = float(special.stdtrit(count - 2, 1 - level / 2)) * math.sqrt(rest / (count - 2) / spread)
    return value, value - half, value + half
