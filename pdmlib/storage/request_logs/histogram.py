"""Response times in logarithmic buckets: tables that add up, and percentiles pooled from them.

Bucket b holds times in (g^(b-1), g^b] ms with g = (1 + a) / (1 - a); its value 2 g^b / (g + 1)
is within a = 1 % of every time in it. Source: Masson, Rim and Lee 2019, DDSketch, VLDB 12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pdmlib import stats

ACCURACY = 0.01  # relative error of a percentile (DDSketch: Masson and others 2019, VLDB 12)
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
SMALLEST_MS = 1e-3  # a microsecond: below it clocks tell nothing


def bucket_sql(ms: str) -> str:
    """SQL of the bucket of a time in ms; NULL for none."""
    # `greatest` leaves out what is NULL.
    bucket = f"CAST(ceil(ln(greatest({ms}, {SMALLEST_MS})) / {math.log(GAMMA)!r}) AS SMALLINT)"
    return f"CASE WHEN {ms} IS NOT NULL THEN {bucket} END"


def bucket_of(ms: float) -> int:
    """The bucket of a time in ms."""
    return math.ceil(math.log(max(ms, SMALLEST_MS)) / math.log(GAMMA))


def value_of(bucket: int) -> float:
    """The time in ms that stands for a bucket."""
    return float(2 * GAMMA**bucket / (GAMMA + 1))


@dataclass(frozen=True)
class Percentile:
    """A pooled percentile with its interval, to the outer edges of the buckets that bound it.

    low and high are None where too few times bound it.
    """

    quantile: float
    ms: float
    low_ms: float | None
    high_ms: float | None
    samples: int


def percentiles(
    buckets: Sequence[int],
    counts: Sequence[int],
    quantiles: Sequence[float] = (0.5, 0.95, 0.99),
    level: float = stats.LEVEL,
) -> tuple[Percentile, ...]:
    """Percentiles of all times of a histogram; none for an empty one.

    Args:
        buckets: in any order, each once or more often.
        counts: how many times lie in each.
        level: that of the intervals; 0.05 gives 95 %.
    """
    order = np.argsort(np.asarray(buckets), kind="stable")
    sorted_buckets = np.asarray(buckets)[order]
    reached = np.cumsum(np.asarray(counts, dtype=np.int64)[order])
    total = int(reached[-1]) if len(reached) else 0
    if not total:
        return ()
    return tuple(_percentile(sorted_buckets, reached, total, q=q, level=level) for q in quantiles)


def _percentile(
    buckets: npt.NDArray[np.int64], reached: npt.NDArray[np.int64], total: int, q: float, level: float
) -> Percentile:
    def bucket(rank: int) -> int:
        return int(buckets[np.searchsorted(reached, rank)])

    low, high = stats.quantile_ranks(total, q, level)
    return Percentile(
        q,
        value_of(bucket(min(total, max(1, math.ceil(q * total))))),
        GAMMA ** (bucket(low) - 1) if low else None,
        high_ms=GAMMA ** bucket(high) if high else None,
        samples=total,
    )
