"""Requests by the site's own clock: cut where its hours begin, each counted once, none from outside the window."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from pdmlib.analysis.traffic.populations import counting, tables_of, timed_stretches, timing
from pdmlib.analysis.traffic.tiling import tile
from pdmlib.frames.case import Case, once

HOUR_S = 3600.0
# Hours of a clock begin and end on these everywhere: offsets from UTC are whole quarters of an hour.
QUARTER = pd.Timedelta(minutes=15)
SHORT_OF = 0.5  # of a request, which is less than one and may be left by a share of a sample


class Parts(NamedTuple):
    """Hours of the site's clock, and shorter parts of one, that fill a window as far as they are known.

    Attributes:
        rows: at, end_at, and what the source tells of each.
        astride: requests that are only known over the edge of such an hour, so that nobody can tell which it is.
        source: who tells them; empty where nobody does.
    """

    rows: pd.DataFrame
    astride: float = 0.0
    source: str = ""

    @property
    def seconds(self) -> float:
        """How long they are together."""
        spans = self.rows[["at", "end_at"]].drop_duplicates()
        return float((spans["end_at"] - spans["at"]).dt.total_seconds().sum())


NONE = Parts(pd.DataFrame(columns=["at", "end_at", "requests", "failures", "sample_rate"]))


@once
def by_the_hour(case: Case, told: str) -> Parts:
    """Of the best source that tells `requests`, or `failures`, by the hour or finer.

    Of its counts by status and its stretches of all routes those that tell of more of the window.
    """
    for source in counting(case):
        found = [parts_of(case, table, source) for table in _telling(case, source, told)]
        if any(len(parts.rows) or parts.astride for parts in found):
            return max(found, key=lambda parts: parts.seconds)
    return NONE


@once
def timed_by_the_hour(case: Case) -> pd.DataFrame:
    """Stretches of at most an hour with a p95 of their own, of the best source that times requests."""
    for source in timing(case):
        rows = parts_of(case, timed_stretches(case, source), source).rows
        if len(rows):
            return rows
    return timed_stretches(case, "")


def hours_of(case: Case) -> pd.DataFrame:
    """What the window holds of the clock: quarters of an hour (at, seconds), at its ends parts of one."""
    start, end = pd.Timestamp(case.window.start), pd.Timestamp(case.window.end)
    begun = pd.Series(pd.date_range(start.floor(QUARTER), end, freq=QUARTER, inclusive="left"), dtype="object")
    spans = [(max(at, start), min(at + QUARTER, end)) for at in begun]
    return pd.DataFrame([(at, (end - at).total_seconds()) for at, end in spans], columns=["at", "seconds"])


def _telling(case: Case, source: str, told: str) -> list[pd.DataFrame]:
    """The tables of a source without the intervals of which a part is not told."""
    tables = tables_of(case, source)
    if told == "failures":
        return [table.dropna(subset=["requests", "failures"]) for table in tables]
    unclear = [table.loc[table["requests"].isna(), "at"] for table in tables]
    return [table[~table["at"].isin(lost)] for table, lost in zip(tables, unclear, strict=True)]


def parts_of(case: Case, table: pd.DataFrame, source: str = "") -> Parts:
    """The rows of at most an hour of a table with at, end_at and requests, of which none overlaps another."""
    short = table[(table["end_at"] - table["at"]).dt.total_seconds() <= HOUR_S]
    own = tile(short[_in_one_hour(case, short)], case.window)
    every = tile(short, case.window)
    return Parts(own, float(every["requests"].sum() - own["requests"].sum()), source)


def _in_one_hour(case: Case, table: pd.DataFrame) -> pd.Series:
    """Whether each interval lies in a single hour of the site's clock."""
    first, last = (
        moments.dt.tz_convert(case.site.zone).dt.tz_localize(None).dt.floor("h")
        for moments in (table["at"], table["end_at"] - pd.Timedelta(microseconds=1))
    )
    return first == last
