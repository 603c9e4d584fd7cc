"""Statistics of many groups at once: every value belongs to a numbered cell."""

from __future__ import annotations

import numpy as np

from pdmlib.demo.world.grid import Array, Floats, Ints


def counts(cell: Ints, cells: int) -> Ints:
    """How many values each cell has."""
    return np.bincount(cell, minlength=cells)


def statistic(values: Array, cell: Ints, cells: int, how: str) -> Floats:
    """One number a cell: avg, sum, min, max or a percentile such as p95; NaN where a cell has no value."""
    found = np.full(cells, np.nan)
    order = np.lexsort((values, cell))
    ordered, number = values[order].astype(np.float64), counts(cell, cells)
    filled = np.flatnonzero(number)
    if not len(filled):
        return found
    first, size = (np.cumsum(number) - number)[filled], number[filled]
    if how in ("avg", "sum"):
        sums = np.add.reduceat(ordered, first)
        found[filled] = sums / size if how == "avg" else sums
        return found
    share = {"min": 0.0, "max": 1.0}[how] if how in ("min", "max") else int(how[1:]) / 100
    place = share * (size - 1)
    below = np.floor(place).astype(np.int64)
    low, high = ordered[first + below], ordered[first + np.minimum(below + 1, size - 1)]
    found[filled] = low + (high - low) * (place - below)
    return found


def plain(value: float, digits: int = 3) -> float | None:
    """A number for JSON: rounded, and null for none."""
    return None if np.isnan(value) else round(float(value), digits)
