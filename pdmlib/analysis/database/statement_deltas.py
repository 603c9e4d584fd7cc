"""What statements did between two looks at their cumulative counters.

The standard deviation of a window is recovered from those of its two ends, so that no sample need be stored.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.statement_text import WITHHELD, normalised

ROUNDING = 1e-6  # ms: sums of floating point differ by so much between two looks and did not fall
FEW = 0.1  # share of a statement's calls: where fewer are of entries made again its mean stands
KEY = ["role", "queryid", "toplevel"]
COUNTERS = ["calls", "total_ms", "rows", "hit_blocks", "read_blocks", "temp_blocks", "wal_bytes"]


def spent(older: pd.DataFrame | None, newer: pd.DataFrame) -> pd.DataFrame:
    """What each entry did between two looks; since it was entered when there is no older one.

    Columns: KEY, COUNTERS, `m2` (sum of squared deviations of the execution time in ms), `again` (evicted or
    reset and entered again between the looks, so its calls are too few), `known` (the older look had it).
    """
    if older is None:
        lifetime = newer[[*KEY, *COUNTERS]].fillna(dict.fromkeys(COUNTERS, 0.0))
        return lifetime.assign(m2=newer["stddev_ms"].fillna(0) ** 2 * newer["calls"], again=False, known=False)
    columns = [*KEY, *COUNTERS, "mean_ms", "stddev_ms", "since"]
    both = newer[columns].merge(older[columns], on=KEY, how="outer", suffixes=("", "_old"))
    known = both["calls_old"].notna()
    fell = pd.concat([both[c] < both[f"{c}_old"] - ROUNDING for c in COUNTERS], axis=1).any(axis=1)
    renewed = both["since"].notna() & both["since_old"].notna() & (both["since"] != both["since_old"])
    again = known & both["calls"].notna() & (fell | renewed)
    absent = both["calls"].isna()
    # An entry that was made again and has more calls than the old one is known by a spread that no window gives.
    again |= known & both["stddev_ms"].gt(0) & (_m2(both, *_window(both, again | absent)) < -_impossible(both))
    start, window = _window(both, again | absent)
    m2 = _m2(both, start, window).clip(lower=0)
    return both[KEY].assign(**window, m2=m2, again=again, known=known)


def _window(both: pd.DataFrame, afresh: pd.Series) -> tuple[pd.Series, dict[str, pd.Series]]:
    """The calls that the window starts from, and what each counter grew by; from 0 for entries made afresh."""
    start = {c: both[f"{c}_old"].where(~afresh, 0.0).fillna(0.0) for c in COUNTERS}
    return start["calls"], {c: both[c].fillna(0.0) - start[c] for c in COUNTERS}


def _impossible(both: pd.DataFrame) -> pd.Series:
    """How far below zero a sum of squares comes by rounding alone: deviations are kept with about 15 digits."""
    size = (both["stddev_ms"].fillna(0) ** 2 + both["mean_ms"].fillna(0) ** 2) * both["calls"].fillna(0)
    return ROUNDING * size + ROUNDING


def _m2(both: pd.DataFrame, n1: pd.Series, window: Mapping[str, pd.Series]) -> pd.Series:
    """Sum of squared deviations inside the window, from those of its two ends (Chan's formula turned round)."""
    n2, nw = both["calls"].fillna(0.0), window["calls"]
    mean_w = window["total_ms"] / nw.where(nw > 0)
    all_of_it = both["stddev_ms"].fillna(0) ** 2 * n2
    old = both["stddev_ms_old"].fillna(0) ** 2 * n1
    between = (mean_w - both["mean_ms_old"].fillna(0)) ** 2 * n1 * nw / n2.where(n2 > 0)
    return all_of_it - old - between.fillna(0)


@once
def _texts(case: Case) -> pd.Series:
    """The newest text of each id."""
    return case["statements"].dropna(subset=["query"]).sort_values("at").groupby("queryid")["query"].last()


def grouped(case: Case, table: pd.DataFrame, apart: frozenset[str] = frozenset()) -> pd.DataFrame:
    """Entries of one role and one normalised text as one statement: IN lists and new ids after a migration.

    Of a text that several ids of `apart` share, each of these is a statement of its own.
    """
    query = table["queryid"].map(_texts(case.at(case.scope.window)))
    # Withheld texts are all alike, their statements are not.
    forms = {text: normalised(text) for text in query.dropna().unique() if text != WITHHELD}
    text = query.map(forms).fillna("statement " + table["queryid"])
    own = table["queryid"].isin(apart)
    several = own & (table["queryid"].where(own).groupby([table["role"], text]).transform("nunique") > 1)
    text = text.where(~several, text + " -- id " + table["queryid"])
    mean = table["total_ms"] / table["calls"].where(table["calls"] > 0)
    group = ["role", "toplevel", "text"]
    table = table.assign(query=query.fillna(text), text=text, square=(mean**2 * table["calls"]).fillna(0.0))
    table = table.assign(ids=table["queryid"].where(table["calls"] > 0), m2=table["m2"].fillna(0.0))
    table = table.assign(calls_again=table["calls"].where(table["again"], 0.0))
    groups = table.groupby(group, sort=True)
    sums = groups[[*COUNTERS, "m2", "square", "calls_again"]].sum().rename(columns={"calls_again": "again"})
    sums = sums.assign(known=groups["known"].any(), ids=_sets(table["ids"], groups.ngroup(), len(sums)))
    heaviest = table.sort_values("total_ms").groupby(group)[["query", "queryid"]].last()
    found = sums.join(heaviest).reset_index()
    mean = found["total_ms"] / found["calls"].where(found["calls"] > 0)
    m2 = found["m2"] + (found["square"] - mean**2 * found["calls"]).clip(lower=0).fillna(0.0)
    return found.assign(mean_ms=mean, m2=m2, again=found["again"] > FEW * found["calls"])


def _sets(ids: pd.Series, places: pd.Series, count: int) -> list[frozenset[str]]:
    """The ids of each of so many groups, given to which one each belongs; one without a role is of none."""
    sets: list[set[str]] = [set() for _ in range(count)]
    known = ids.notna() & places.notna()
    for one, place in zip(ids[known], places[known].astype(int), strict=True):
        sets[place].add(one)
    return [frozenset(one) for one in sets]
