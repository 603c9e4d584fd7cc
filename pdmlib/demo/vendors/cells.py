"""Statistics of many groups at once: every value belongs to a numbered cell."""

from __future__ import annotations

import numpy as np

from pdmlib.demo.world.grid import Array, Floats, Ints


def counts(cell: Ints, cells: int) -> Ints:
    """How many values each cell has."""
    return np.bincount(cell, minlength=cells)


def statistic(values: Array, cell: Ints, cells: int, how: str) -> Floats:
    """One number a cell: avg, sum, min, max or a percentile such as p95; NaN where a cell has no value.

    Args:
        values: none below 0.
    """
    found = np.full(cells, np.nan)
    number = counts(cell, cells)
    filled = np.flatnonzero(number)
    if not len(filled):
        return found
    first, size = (np.cumsum(number) - number)[filled], number[filled]
    if how in ("avg", "sum"):
        sums = np.bincount(cell, values, cells)[filled]
        found[filled] = sums / size if how == "avg" else sums
        return found
    ordered = _ordered(values, cell, number)
    share = {"min": 0.0, "max": 1.0}[how] if how in ("min", "max") else int(how[1:]) / 100
    place = share * (size - 1)
    below = np.floor(place).astype(np.int64)
    low, high = ordered[first + below], ordered[first + np.minimum(below + 1, size - 1)]
    found[filled] = low + (high - low) * (place - below)
    return found


def _ordered(values: Array, cell: Ints, number: Ints) -> Floats:
    """The values of each cell in order, cell after cell: one sort, with the cell in a value's upper digits."""
    reach = 2.0 ** np.ceil(np.log2(values.max() + 1))
    return np.asarray(np.sort(cell * reach + values) - np.arange(len(number)).repeat(number) * reach)


def plain(value: float, digits: int = 3) -> float | None:
    """A number for JSON: rounded, and null for none."""
    return None if np.isnan(value) else round(float(value), digits)
