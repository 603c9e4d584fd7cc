"""Buckets of several lengths that may overlap, chosen so that they fill a window and count nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdmlib.frames.rows import NO_TIME, Moments, microsecond, microseconds, rows_at, within
from pdmlib.phases.window import Window


@dataclass(frozen=True)
class Buckets:
    """Buckets of a table as plain arrays, since a report asks for them hundreds of times.

    Attributes:
        starts, ends: microseconds since 1970, UTC.
        requests: NaN where the number was not understood.
    """

    starts: Moments
    ends: Moments
    requests: npt.NDArray[np.float64]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Buckets:
        """Those of a table with `at`, `end_at` and `requests`."""
        requests = table["requests"].to_numpy("float64", na_value=np.nan)
        return cls(microseconds(table["at"]), microseconds(table["end_at"]), requests)

    def filling(self, window: Window, over: datetime) -> Buckets:
        """Whole buckets that tile a window, and at its edges the parts of others that lie in it.

        Args:
            over: a bucket that ends later is not over, so that a part of it is no share of the whole.
        """
        first, last, seen = (microsecond(moment) for moment in (window.start, window.end, over))
        whole = self._at(_places(self.starts, self.ends, window))
        parts = [whole]
        for start, end in _edges(whole, first, last):
            near = _timed(self.starts, self.ends) & (self.starts < end) & (self.ends > start) & (self.ends <= seen)
            if len(whole.starts):  # what is counted already is in no bucket of an edge
                near &= (self.ends <= whole.starts.min()) | (self.starts >= whole.ends.max())
            parts.append(self._at(np.flatnonzero(near))._finest()._clipped(start, end))
        starts, ends = (np.concatenate(column) for column in ([p.starts for p in parts], [p.ends for p in parts]))
        return Buckets(starts, ends, np.concatenate([part.requests for part in parts]))

    def _at(self, places: npt.NDArray[np.intp]) -> Buckets:
        return Buckets(self.starts[places], self.ends[places], self.requests[places])

    def _finest(self) -> Buckets:
        lengths = self.ends - self.starts
        return self._at(np.flatnonzero(lengths == lengths.min())) if lengths.size else self

    def _clipped(self, start: int, end: int) -> Buckets:
        """The part of each bucket between two moments, with its share of the requests."""
        starts, ends = np.maximum(self.starts, start), np.minimum(self.ends, end)
        return Buckets(starts, ends, self.requests * ((ends - starts) / (self.ends - self.starts)))


def ending(table: pd.DataFrame) -> pd.DataFrame:
    """Buckets (`at`, `interval_s`) with their `end_at`."""
    return table.assign(end_at=table["at"] + pd.to_timedelta(table["interval_s"], unit="s"))


def tile(table: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Rows of buckets (`at`, `end_at`) that tile a window without overlap.

    The length that counts most of the window comes first, finer ones at its edges.
    """
    return rows_at(table, _places(microseconds(table["at"]), microseconds(table["end_at"]), window))


def tile_of(table: pd.DataFrame, buckets: Buckets, window: Window) -> pd.DataFrame:
    """As `tile`, of a table whose buckets are known as plain arrays."""
    return rows_at(table, _places(buckets.starts, buckets.ends, window))


def _edges(whole: Buckets, first: int, last: int) -> list[tuple[int, int]]:
    """What of a window is left at each side of its whole buckets."""
    edges = [(first, last)]
    if len(whole.starts):
        edges = [(first, int(whole.starts.min())), (int(whole.ends.max()), last)]
    return [(start, end) for start, end in edges if start < end]


def _timed(starts: Moments, ends: Moments) -> npt.NDArray[np.bool_]:
    """Which buckets have a beginning, an end and a length; what has none counts nothing of a window."""
    return (starts > NO_TIME) & (ends > starts)


def _places(starts: Moments, ends: Moments, window: Window) -> npt.NDArray[np.intp]:
    first, last = microsecond(window.start), microsecond(window.end)
    places = within(starts, window)
    places = places[_timed(starts[places], ends[places])]
    found = _tiles(starts, ends, places, first=first, last=last)
    return np.concatenate([*found, np.array([], dtype=np.intp)])


def _tiles(starts: Moments, ends: Moments, places: Moments, first: int, last: int) -> Iterator[Moments]:
    """Places of the chosen rows; times are microseconds since 1970."""
    places = places[(starts[places] >= first) & (ends[places] <= last)]
    if not places.size:
        return
    lengths = ends[places] - starts[places]
    begun = {length: _apart(np.unique(starts[places][lengths == length]), length) for length in np.unique(lengths)}
    best = max(begun, key=lambda length: (length * begun[length].size, -length))
    chosen, finer = places[lengths == best], places[lengths < best]
    chosen = chosen[np.isin(starts[chosen], begun[best])]
    yield from _tiles(starts, ends, finer, first=first, last=int(starts[chosen].min()))
    yield chosen
    yield from _tiles(starts, ends, finer, first=int(ends[chosen].max()), last=last)


def _apart(begun: Moments, length: int) -> Moments:
    """Beginnings of buckets of one length of which none overlaps another.

    Those come first that most have a grid with: hours of the clock, and not the last sixty minutes beside them.
    """
    if not (np.diff(begun) < length).any():
        return begun
    grids, counts = np.unique(begun % length, return_counts=True)
    kept = begun[:0]
    for grid in grids[np.argsort(-counts, kind="stable")]:
        more = begun[begun % length == grid]
        overlapped = np.searchsorted(kept, more + length) > np.searchsorted(kept, more - length, side="right")
        kept = np.union1d(kept, more[~overlapped])
    return kept
