"""Statements that are judged beside another: the one they took the place of, the one whose calls they go with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from pdmlib.frames.statement_text import filters_of, tables_of, verb_of
from pdmlib.frames.states import Pace

Row = dict[str, Any]
Judge = Callable[[Mapping[str, Any]], tuple[str, str]]

# Statements that are tried as pairs: the busiest; each pair costs reading two texts.
MOST_PAIRED = 40
# Calls of the new one for those the old one would have had: one that took its place is called about as often.
AS_OFTEN = (0.5, 2.0)
# Times: a statement that is called so many times more often than those around it runs in a loop. Busier users call
# all of them more often, and a page of few rows costs little.
IN_A_LOOP = 5.0
IN_PLACE_OF = "likely in place of"  # how the reason of a statement begins that replaced another
FEWEST_EXTRA = 100  # calls: fewer cost nobody anything
OLD_COLUMNS = [
    *("n_before", "m2_before", "total_ms_before", "seconds_before", "before_mean_ms", "expected", "expected_ms"),
    *("hit_blocks_before", "read_blocks_before", "temp_blocks_before"),
]
TEXT = 80  # characters of another statement in a sentence


def replaced(both: pd.DataFrame, changes: Callable[[pd.DataFrame], pd.DataFrame], judge: Judge) -> pd.DataFrame:
    """New statements, judged against the one that is gone and likely had their place."""
    usual = {role: _usual(both[both["role"] == role]) for role in both["role"].unique()}
    gone = both[both["verdict"] == Pace.GONE].nlargest(MOST_PAIRED, "expected_ms")
    for at, new in both[both["verdict"] == Pace.NEW].nlargest(MOST_PAIRED, "total_ms").iterrows():
        fits = {place: fit for place, old in gone.iterrows() if (fit := _fit(old, new, usual[new["role"]]))}
        if not fits:
            continue
        place = max(fits, key=lambda one: fits[one])
        old = gone.loc[place]
        pair = changes(pd.DataFrame([{**new, **old[OLD_COLUMNS], "ids_before": frozenset()}])).iloc[0]
        verdict, figures = judge(pair.to_dict())
        kept = [c for c in both.columns if c not in ("verdict", "reason")]
        both.loc[at, kept] = pair[kept]
        both.loc[at, "verdict"] = verdict if verdict in (Pace.REGRESSED, Pace.IMPROVED) else Pace.NEW
        both.loc[at, "told"] = f"{IN_PLACE_OF} «{old['query'][:TEXT]}»"
        both.loc[at, "reason"] = f"{both.loc[at, 'told']}: {figures}"
        both.loc[place, "reason"] = f"likely replaced by «{new['query'][:TEXT]}»"
        gone = gone.drop(place)
    return both


def _usual(rows: pd.DataFrame) -> float:
    """How many times as often as before a role calls its statements: traffic falls at night, for all of them."""
    both = rows[(rows["expected"] > 0) & (rows["calls"] > 0) & (rows["n_before"] > 0)]
    return float((both["calls"] / both["expected"]).median()) if len(both) else 1.0


def _fit(old: pd.Series, new: pd.Series, usual: float) -> float:
    """How well a new statement fits the place of one that is gone, from 0 to 2."""
    often = new["calls"] / (usual * old["expected"]) if old["expected"] > 0 else 0.0
    if old["role"] != new["role"] or not AS_OFTEN[0] <= often <= AS_OFTEN[1]:
        return 0.0
    texts = [str(row["query"]) for row in (old, new)]
    if verb_of(texts[0]) != verb_of(texts[1]):
        return 0.0
    tables = [set(tables_of(text)) for text in texts]
    columns = [{c for f in filters_of(text) for c in f.columns} for text in texts]
    if not tables[0] & tables[1]:
        return 0.0
    return _alike(*tables) + _alike(*columns)


def _alike(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def looped(both: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """Statements that are called many times for each call of another, as they were not before: N+1."""
    rated = both[(both["expected"] >= fewest) & (both["calls"] >= fewest)]
    rated = rated.assign(more=rated["calls"] / rated["expected"])
    for at, row in rated[rated["more"] >= IN_A_LOOP].iterrows():
        others = rated[(rated["role"] == row["role"]) & (rated.index != at)]
        usual = float(others["more"].median()) if len(others) else 1.0
        extra = row["calls"] - usual * row["expected"]
        if row["more"] < IN_A_LOOP * usual or extra < FEWEST_EXTRA or row["verdict"] == Pace.REGRESSED:
            continue
        pages = others[others["more"].between(usual / 2, 2 * usual) & (2 * others["calls"] <= extra)]
        if pages.empty:
            continue
        page = pages.loc[pages["calls"].idxmax()]
        both.loc[at, "verdict"] = Pace.IN_A_LOOP
        both.loc[at, "reason"] = (
            f"x{row['more']:.1f} calls where the others of {row['role']} have x{usual:.1f}, likely "
            f"{extra / page['calls']:.0f} more for each «{page['query'][:TEXT]}»: likely it runs in a loop (N+1)"
        )
    return both
