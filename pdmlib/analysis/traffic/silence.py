"""Time between buckets of requests of which nobody can tell whether no request came or none was counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdmlib.frames.rows import Moments

SECOND = 1e6  # microseconds, in which moments are counted
LONG = 6 * 3600 * SECOND  # longer than a quiet night of a small site
# In a silence: that none of twenty came is no chance, however they come in bursts (2e-9 for a Poisson count).
SURELY_DUE = 20.0
Floats = np.ndarray[Any, np.dtype[np.float64]]


def silent_s(starts: Moments, ends: Moments, requests: Floats, edges: tuple[int, int] | None = None) -> float:
    """Seconds of silences that are longer than a quiet night, or in which many requests were due.

    As many as came in as long a time beside the silence, on the quieter side of it, were due. Times are
    microseconds since 1970; buckets may share a start, and are in any order.

    Args:
        edges: of the window, where the time from them to the first and the last bucket counts as well.
    """
    begun, place = np.unique(starts, return_inverse=True)
    over = begun.copy()
    np.maximum.at(over, place, ends)
    sums = np.concatenate([[0.0], np.cumsum(np.bincount(place, np.nan_to_num(requests)))])
    left, right = over[:-1], begun[1:]
    if edges is not None:
        left, right = np.concatenate([[edges[0]], over]), np.concatenate([begun, [edges[1]]])
    lengths = np.maximum(right - left, 0)
    before = _rates(begun, sums, np.maximum(left - lengths, begun[0]), left)
    after = _rates(begun, sums, right, np.minimum(right + lengths, over.max()))
    silent = (lengths > LONG) | (np.fmin(before, after) * lengths >= SURELY_DUE)
    return float(lengths[silent].sum() / SECOND)


def _rates(begun: Moments, sums: Floats, first: Moments, last: Moments) -> Floats:
    """Requests a microsecond of the buckets that begin in each stretch; NaN where none does."""
    left, right = np.searchsorted(begun, first), np.searchsorted(begun, last)
    told = (right > left) & (last > first)
    unknown = np.full(len(first), np.nan)
    return np.asarray(np.divide(sums[right] - sums[left], last - first, out=unknown, where=told))
